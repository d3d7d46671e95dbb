"""Rules from scores to labels, when a head abstains, and which of request, card and default speaks."""

from headwise.heads.decisions.abstention import Abstain
from headwise.heads.decisions.decide import above, decide, expected_costs, ranked
from headwise.heads.decisions.options import AT_ZERO, Applied, Options, Source, resolve
from headwise.heads.decisions.rules import Argmax, Cost, Decision, PerLabel, Rule, Threshold
from headwise.heads.decisions.table import CUT_BY_REQUEST, DEFAULTS, ONE_ANSWER, RULES, misfit, unmet
from headwise.heads.prediction_sets import PredictionSet

__all__ = [
    "AT_ZERO",
    "CUT_BY_REQUEST",
    "DEFAULTS",
    "ONE_ANSWER",
    "RULES",
    "Abstain",
    "Applied",
    "Argmax",
    "Cost",
    "Decision",
    "Options",
    "PerLabel",
    "PredictionSet",
    "Rule",
    "Source",
    "Threshold",
    "above",
    "decide",
    "expected_costs",
    "misfit",
    "ranked",
    "resolve",
    "unmet",
]
