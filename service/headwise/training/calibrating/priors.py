"""Prior correction of calibrated heads: the class shares that their rows had, and those where they serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headwise.calibration.calibrate import Calibrated
from headwise.calibration.tuning.prior_shift import estimate_prior, source_prior
from headwise.errors import CalibrationError, InvalidCardError
from headwise.heads import Head, Prior
from headwise.heads.links import Float64
from headwise.heads.scores import Form

_HOLDS_AT_ANY = "cost"
"""What objectives begin with whose decision is right at any class shares: others are tuned to those of their rows."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """head: the calibrated one with its prior. evidence: where the target came from. warnings: what to know of it."""

    head: Head
    evidence: Mapping[str, Any]
    warnings: tuple[str, ...] = field(default=())


def check_objective(objective: str | None) -> None:
    """Raises: CalibrationError for an objective whose decision a prior correction would spoil."""
    if objective is not None and not objective.startswith(_HOLDS_AT_ANY):
        raise CalibrationError(
            f"objective {objective!r} is tuned at the class shares of the calibration rows and does "
            "not hold at those of a target prior: give cost:FP:FN, which holds at any, or calibrate with rows that are "
            "like those where the model serves"
        )


def check_target(target: Sequence[float], head: Head) -> None:
    """Raises: CalibrationError for shares that do not fit the head."""
    count = len(head.labels)
    form, even = (Form.MULTILABEL, 0.5) if head.task == "multilabel" else (Form.MULTICLASS, 1 / count)
    if len(target) != count:
        raise CalibrationError(f"{_told(target)}: a share for each of {', '.join(map(repr, head.labels))} is expected")
    try:
        Prior((even,) * count, tuple(target)).require_fit(form, count)
    except InvalidCardError as error:
        raise CalibrationError(f"{_told(target)}: {error}") from error


def given(calibrated: Calibrated, target: Sequence[float], source: str) -> Corrected:
    """The head for rows whose classes are as frequent as `target`; source: who says so.

    Raises: CalibrationError for shares that do not fit the head, or one without probabilities to correct.
    """
    try:
        head = replace(calibrated.head, prior=Prior(_source(calibrated), tuple(target)))
    except InvalidCardError as error:
        raise CalibrationError(f"{_told(target)}: {error}") from error
    return Corrected(head, {"source": source}, _of_decision(head))


def estimated(calibrated: Calibrated, probabilities: Float64, name: str, *, seed: int) -> Corrected:
    """The head for rows like these; probabilities: theirs, calibrated (rows, classes). name: of their file."""
    shift = estimate_prior(probabilities, _source(calibrated), calibrated.head.task, seed=seed)
    corrected = given(calibrated, shift.target, "estimated")
    unsettled = () if shift.converged else (f"the class shares of {name} did not settle in {shift.rounds} rounds",)
    told = {"data": name, "rows": shift.rows, "intervals": shift.interval.tolist()}
    return replace(corrected, evidence={**corrected.evidence, **told}, warnings=(*corrected.warnings, *unsettled))


def _told(target: Sequence[float]) -> str:
    return f"target prior {', '.join(f'{share:g}' for share in target)}"


def _source(calibrated: Calibrated) -> tuple[float, ...]:
    return source_prior(calibrated.samples.targets, calibrated.head.task, calibrated.samples.classes)


def _of_decision(head: Head) -> tuple[str, ...]:
    """A decision that was tuned to other class shares."""
    decision = head.decision
    if decision is None or decision.objective is None or decision.objective.startswith(_HOLDS_AT_ANY):
        return ()
    return (f"the decision was tuned ({decision.objective}) without this prior, and may not reach that under it",)
