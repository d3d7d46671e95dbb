"""Where the meaning of an answer came from, as JSON: every part with who said it."""

from __future__ import annotations

from typing import Any

from headwise.gateway import HeadAnswer
from headwise.heads import Abstain
from headwise.heads.decisions import Applied
from headwise.repository.served_model import ServedModel


def provenance(answer: HeadAnswer, model: ServedModel) -> dict[str, Any]:
    """What was applied to the numbers of one head; a part that was not applied has null."""
    head, applied = answer.head, answer.prediction.applied
    return {
        "activation": {"value": head.activation, "source": "card"},
        "calibration": {
            "method": head.calibration.method if head.calibration else "identity",
            "source": "card" if head.calibration else "default",
        },
        "prior": {
            "value": {"source": head.prior.source, "target": head.prior.target} if head.prior else None,
            "source": "card" if head.prior else "default",
        },
        "decision": _decision(head.labels if head.task == "multilabel" else (), applied),
        "abstain": {
            "value": _abstain(applied.abstain) if applied.abstain else None,
            "source": applied.abstain_source,
        },
        "prediction_set": {
            "value": applied.prediction_set.score if applied.prediction_set else None,
            "source": applied.prediction_set_source,
        },
        "coverage": {"value": applied.coverage, "source": applied.coverage_source},
        "top_k": {"value": applied.top_k, "source": applied.top_k_source},
        "saturated": answer.prediction.observations.saturated,
        "card_digest": model.card.digest if model.card else None,
    }


def _decision(labels: tuple[str, ...], applied: Applied) -> dict[str, Any]:
    """labels: those of a multilabel head, which has a cut for each."""
    cuts = applied.cuts or ()
    return {
        "rule": applied.rule,
        "threshold": dict(zip(labels, cuts, strict=True)) if labels and cuts else next(iter(cuts), None),
        "threshold_name": applied.name,
        "costs": applied.cost.costs if applied.cost else None,
        "objective": applied.objective,
        "source": applied.source,
    }


def _abstain(abstain: Abstain) -> dict[str, Any]:
    """As a card writes it."""
    limits = {"floor": abstain.floor, "margin": abstain.margin, "cost": abstain.cost, "set": abstain.set or None}
    return {name: limit for name, limit in limits.items() if limit is not None}
