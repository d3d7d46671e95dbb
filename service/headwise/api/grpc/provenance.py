"""Where the meaning of an answer came from, as a message: every part with who said it."""

from __future__ import annotations

from headwise.gateway import HeadAnswer
from headwise.heads import Abstain
from headwise.heads.prior import Prior
from headwise.repository.served_model import ServedModel
from headwise.v1 import classification_service_pb2 as v1


def provenance(answer: HeadAnswer, model: ServedModel) -> v1.Provenance:
    """What was applied to the numbers of one head; a part that was not applied is left out."""
    head, applied = answer.head, answer.prediction.applied
    return v1.Provenance(
        activation=head.activation,
        calibration=head.calibration.method if head.calibration else "identity",
        calibration_source="card" if head.calibration else "default",
        prior=_prior(head.prior) if head.prior else None,
        prior_source="card" if head.prior else "default",
        decision_rule=applied.rule or "",
        decision_source=applied.source,
        cuts=applied.cuts or (),
        threshold_name=applied.name or "",
        objective=applied.objective,
        costs=[v1.CostRow(costs=row) for row in applied.cost.costs] if applied.cost else (),
        abstain=_abstain(applied.abstain) if applied.abstain else None,
        abstain_source=applied.abstain_source,
        prediction_set=applied.prediction_set.score if applied.prediction_set else None,
        prediction_set_source=applied.prediction_set_source,
        coverage=applied.coverage,
        coverage_source=applied.coverage_source,
        top_k=applied.top_k,
        top_k_source=applied.top_k_source,
        card_digest=model.card.digest if model.card else "",
        saturated=answer.prediction.observations.saturated,
    )


def _abstain(abstain: Abstain) -> v1.Abstain:
    return v1.Abstain(floor=abstain.floor, margin=abstain.margin, cost=abstain.cost, set=abstain.set)


def _prior(prior: Prior) -> v1.Prior:
    return v1.Prior(source=prior.source, target=prior.target)
