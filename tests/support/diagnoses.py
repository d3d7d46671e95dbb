"""Facts written briefly, and the codes that they get."""

from __future__ import annotations

from headwise.diagnostics.catalogue import diagnose
from headwise.diagnostics.facts import Facts
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.training_config import Loss, Metric, TrainingConfig


def facts(
    activation: str = UNKNOWN,
    units: int | None = 1,
    loss: str | None = None,
    from_logits: bool | None = None,
    metrics: tuple[Metric, ...] = (),
    **more: object,
) -> Facts:
    beneath = more.pop("beneath", None)
    path = more.pop("path", ())
    return Facts(
        "output_0",
        detected=DetectedHead(activation, units, path, beneath),  # type: ignore[arg-type]
        training=TrainingConfig(None if loss is None else Loss(loss, from_logits), metrics),
        **more,  # type: ignore[arg-type]
    )


def codes(of: Facts) -> list[str]:
    return sorted(found.code for found in diagnose(of))
