"""Which decisions a task may have, and whether a rule is one for a head."""

from __future__ import annotations

from collections.abc import Mapping

from headwise.heads.decisions.abstention import Abstain
from headwise.heads.decisions.rules import Argmax, Cost, PerLabel, Rule, Threshold
from headwise.heads.prediction_sets import PredictionSet
from headwise.heads.spec import Task

RULES: Mapping[Task, tuple[str, ...]] = {
    "binary": ("threshold", "cost"),
    "multiclass": ("argmax", "cost"),
    "multilabel": ("threshold", "per_label"),
    "ordinal": ("threshold", "cost"),
    "regression": (),
}
"""Which rules a task may have."""

DEFAULTS: Mapping[Task, Rule | None] = {
    "binary": Threshold(),
    "multiclass": Argmax(),
    "multilabel": Threshold(),
    "ordinal": Threshold(),
    "regression": None,
}
"""The rule where a card has none."""

CUT_BY_REQUEST: frozenset[Task] = frozenset({"binary", "multilabel"})
"""Tasks whose threshold a request may choose."""

ONE_ANSWER: frozenset[Task] = frozenset({"binary", "multiclass", "ordinal"})
"""Tasks that answer one class, and so may abstain and have prediction sets."""

_EACH_LABEL_ONCE = "per_label thresholds must name each label once, and no other"
_LABEL_COSTS = (
    "; what a label's errors cost is its threshold, cost of a false alarm / (cost of a false alarm + cost of a miss): "
    "write them as per_label"
)


def misfit(rule: Rule, task: Task, labels: tuple[str, ...]) -> str | None:
    """Why a rule is none for a head of this task and these labels; None where it is one."""
    if rule.rule not in RULES[task]:
        return (
            f"decision rule {rule.rule!r} does not fit a {task} head, which takes: "
            + (" or ".join(RULES[task]) or "none")
            + (_LABEL_COSTS if (task, rule.rule) == ("multilabel", "cost") else "")
        )
    if isinstance(rule, PerLabel):
        return None if set(rule.thresholds) == set(labels) else _EACH_LABEL_ONCE
    if task not in ONE_ANSWER and (rule.abstain is not None or rule.prediction_set is not None):
        return f"abstain and prediction_set need one answer a row, and labels of a {task} head may be on together"
    if isinstance(rule, Cost) and len(rule.costs) != len(labels):
        return f"costs has {len(rule.costs)} rows and columns: the head has {len(labels)} classes"
    if rule.prediction_set is not None and (wrong := rule.prediction_set.per_class - {len(labels)}):
        return f"prediction_set has a list of {min(wrong)} quantiles: the head has {len(labels)} classes"
    return None


def unmet(abstain: Abstain, rule: str | None, prediction_set: PredictionSet | None) -> str | None:
    """What an abstention lacks beside this rule and these sets; None where it lacks nothing."""
    if abstain.cost is not None and rule != "cost":
        return f"abstain by cost needs the rule 'cost', and the rule is {rule!r}"
    if abstain.set and prediction_set is None:
        return "abstain by set needs a prediction_set, and there is none"
    return None
