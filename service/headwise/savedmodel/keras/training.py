"""Hands the losses and metrics of a compiled Keras model to its outputs, as Keras does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headwise.savedmodel.keras.losses import CUSTOM, read_loss, read_metric
from headwise.savedmodel.keras.serialised import flat, is_object, is_sequence, items
from headwise.savedmodel.training_config import UNTRAINED, Loss, TrainingConfig

Names = tuple[str, ...]
"""What an output may be called in compile(): its key, the layer that makes it."""


def read_training(compile_config: Mapping[str, Any], outputs: Sequence[Names]) -> tuple[TrainingConfig, ...]:
    """For each output, in Keras's order, what it was compiled with."""
    losses = _losses(compile_config.get("loss"), outputs)
    metrics = [
        [*plain, *weighted]
        for plain, weighted in zip(
            _metrics(compile_config.get("metrics"), outputs),
            _metrics(compile_config.get("weighted_metrics"), outputs),
            strict=True,
        )
    ]
    return tuple(
        TrainingConfig(loss, tuple(read_metric(metric) for metric in some)) if loss or some else UNTRAINED
        for loss, some in zip(losses, metrics, strict=True)
    )


def count_outputs(compile_config: Mapping[str, Any]) -> int:
    """How many outputs the losses are for; one where nothing tells."""
    loss = compile_config.get("loss")
    return max(len(items(loss)), 1)


def _losses(spec: Any, outputs: Sequence[Names]) -> list[Loss | None]:
    if is_sequence(spec):
        given = items(spec)
        if len(given) == len(outputs):
            return [_loss(part) for part in given]
        # Several losses on one output are added up.
        return [Loss(CUSTOM) if len(outputs) == 1 and given else None] * len(outputs)
    if isinstance(spec, dict) and not is_object(spec):
        return [_loss(_by_name(spec, names)) for names in outputs]
    return [read_loss(spec)] * len(outputs)


def _loss(spec: Any) -> Loss | None:
    """One output's loss, which may stand in a list of its own."""
    if not is_sequence(spec):
        return read_loss(spec)
    parts = items(spec)
    return read_loss(parts[0]) if len(parts) == 1 else Loss(CUSTOM)


def _metrics(spec: Any, outputs: Sequence[Names]) -> list[list[Any]]:
    if len(outputs) == 1:
        return [_flat(spec)]
    if is_sequence(spec) and len(items(spec)) == len(outputs):
        return [_flat(part) for part in items(spec)]
    if isinstance(spec, dict) and not is_object(spec):
        return [_flat(_by_name(spec, names)) for names in outputs]
    return [[] for _ in outputs]


def _by_name(spec: Mapping[str, Any], names: Names) -> Any:
    return next((spec[name] for name in names if name in spec), None)


def _flat(spec: Any) -> list[Any]:
    return [leaf for _, leaf in flat(spec) if leaf is not None]
