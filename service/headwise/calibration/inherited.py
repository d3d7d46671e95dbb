"""What of a head's decision stands when its calibrator is replaced."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headwise.heads import Abstain, Argmax, Cost, Head, Threshold
from headwise.heads.decisions import Rule


@dataclass(frozen=True, slots=True)
class Inherited:
    """rule: what stays of the decision before. warnings: what does not, or is not known to hold."""

    rule: Rule | None
    warnings: tuple[str, ...] = ()


def inherited(before: Head, calibrated: Head, *, tuned_now: bool) -> Inherited:
    """The decision of `before` for a head that is as `calibrated`; `tuned_now`: an objective will tune it anew."""
    rule = before.decision
    if calibrated.is_margin:
        return Inherited(None, _lost(rule, tuned_now=tuned_now))
    if rule is None or calibrated.calibration == before.calibration:
        return Inherited(rule)
    warnings = []
    if isinstance(rule, Threshold | Argmax | Cost) and rule.prediction_set is not None:
        rule = replace(rule, prediction_set=None, abstain=_without_sets(rule.abstain))
        warnings.append("the card's prediction sets held for the calibration before, and were dropped: tune them anew")
    if rule.objective is not None and not tuned_now:
        warnings.append(
            f"the card's decision was tuned ({rule.objective}) for the calibration before: give that objective again"
        )
    return Inherited(rule, tuple(warnings))


def _lost(rule: Rule | None, *, tuned_now: bool) -> tuple[str, ...]:
    told = ["the decision that the card had is gone"] if rule is not None else []
    if tuned_now:
        told.append("the objective was not tuned")
    return (f"a tanh margin without calibrator is decided at 0: {' and '.join(told)}",) if told else ()


def _without_sets(abstain: Abstain | None) -> Abstain | None:
    rest = None if abstain is None else replace(abstain, set=False)
    return None if rest == Abstain() else rest
