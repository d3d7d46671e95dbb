"""What a Keras model was compiled with, as far as it says what the head means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """name: Keras's own in snake case ("binary_crossentropy"); "custom" if it is nobody's we know.

    from_logits: None where the loss has no such choice. ignores: it leaves the rows of one target out
    (ignore_class), such as 255 in a segmentation map.
    """

    name: str
    from_logits: bool | None = None
    ignores: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """name: Keras's own in snake case ("accuracy", "binary_accuracy", "auc"). threshold: where it cuts.

    "accuracy" stays "accuracy": Keras chooses which one by the shapes of targets and outputs.
    """

    name: str
    threshold: float | None = None
    from_logits: bool | None = None


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """loss: None where the model was not compiled, or this output has none."""

    loss: Loss | None = None
    metrics: tuple[Metric, ...] = ()


UNTRAINED = TrainingConfig()
"""Nothing is known of the training."""
