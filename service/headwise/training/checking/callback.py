"""HeadCheck: the Keras callback that looks at the head before the first step, and at the loss after each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

import headwise
from headwise.diagnostics.catalogue import CATALOGUE
from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.refusal import refuse_errors
from headwise.savedmodel.training_config import Loss
from headwise.training.checking.check import examine, warn
from headwise.training.checking.in_memory import described, names_of

_INSIDE = tuple(f"{Path(module.__file__ or '').parent}/" for module in (headwise, keras))


class HeadCheck(keras.callbacks.Callback):  # type: ignore[misc]
    """Warns, when `fit` starts, of what is wrong with the model's head, its loss and its metrics.

    targets: as given to `fit`, which does not show them to callbacks; with them, targets that the head cannot
    express are found before the first step. Without them, a loss below zero tells after the first epoch.
    labels: one a class, for a model with one output. raise_on_error: stop instead of warning of an error.

    Each finding is told once by a callback. Keras has no hook at `compile`: `headwise.check(model)` right after
    it tells the same.
    """

    def __init__(
        self, targets: Any = None, *, labels: Sequence[str] | None = None, raise_on_error: bool = False
    ) -> None:
        super().__init__()
        self._targets = targets
        self._labels = labels
        self._raises = raise_on_error
        self._told: set[tuple[str, str]] = set()
        self._crossentropies: Mapping[str, tuple[str, Loss]] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Hold layers, loss, metrics and targets against the catalogue."""
        self._crossentropies = _crossentropies(self.model)
        self._tell(examine(self.model, self._targets, self._labels))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """A cross-entropy below zero, which no targets within 0 to 1 can give."""
        fallen = {key: float(value) for key, value in (logs or {}).items() if key in self._crossentropies and value < 0}
        self._tell(_below_zero(*self._crossentropies[key], value) for key, value in fallen.items())

    def _tell(self, found: Iterable[Diagnostic]) -> None:
        new = [diagnostic for diagnostic in found if (diagnostic.code, diagnostic.where) not in self._told]
        self._told.update((diagnostic.code, diagnostic.where) for diagnostic in new)
        if self._raises:
            refuse_errors(new)
        warn(new, stacklevel=_stacklevel())


def _stacklevel() -> int:
    """Of the first caller outside Keras and headwise, which is where `fit` was called, as `warn` counts."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    return level


def _crossentropies(model: keras.Model) -> dict[str, tuple[str, Loss]]:
    """Output and loss, by the key under which Keras logs it."""
    outputs = described(model).outputs
    own = {exported: name for name, exported in names_of(model, (), outputs).outputs.items()}
    losses = {name: output.training.loss for name, output in outputs.items()}
    return {
        "loss" if len(outputs) == 1 else f"{own.get(name, name)}_loss": (name, loss)
        for name, loss in losses.items()
        if loss is not None and loss.name.endswith("crossentropy")
    }


def _below_zero(output: str, loss: Loss, value: float) -> Diagnostic:
    return Diagnostic(
        "HW113",
        "error",
        output,
        f"the loss, {loss.name}, fell to {value:.4g}; targets between 0 and 1 keep it at 0 or above "
        "(unless the model adds a negative loss of its own), so there are others, such as class indices",
        CATALOGUE["HW113"].fix,
    )
