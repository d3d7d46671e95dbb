"""Decisions by what errors cost: calibrated probabilities say what each answer will cost, so nothing is searched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headwise.calibration.tuning.cutting import tune_worth
from headwise.calibration.tuning.goals import saving
from headwise.calibration.tuning.problem import Problem, Tuned
from headwise.heads.decisions import Cost, Threshold, expected_costs

Costs = tuple[tuple[float, ...], ...]


def tune_errors(problem: Problem, false_positive: float, false_negative: float) -> Tuned:
    """Positive where a false alarm is expected to cost no more than a miss: c_fp / (c_fp + c_fn) (Elkan 2001)."""
    tuned = tune_worth(problem, saving(false_positive, false_negative))
    if problem.task == "multilabel":
        return tuned
    rule, lost = _by_cost(problem, ((0.0, false_positive), (false_negative, 0.0)))
    return replace(tuned, rule=rule, reason=tuned.reason + lost)


def tune_costs(problem: Problem, costs: Costs) -> Tuned:
    """The answer with the least expected cost; costs (true classes, answers)."""
    rule, lost = _by_cost(problem, costs)
    expected = expected_costs(problem.probabilities, rule.matrix)
    each = np.arange(len(problem))
    cheapest, likeliest = expected.argmin(axis=1), problem.probabilities.argmax(axis=1)
    figures: dict[str, Any] = {
        "rows": len(problem),
        "cost": float(rule.matrix[problem.targets, cheapest].mean()),
        "cost_expected": float(expected[each, cheapest].mean()),
        "cost_of_likeliest": float(rule.matrix[problem.targets, likeliest].mean()),
        "changed_answers": float((cheapest != likeliest).mean()),
    }
    return Tuned(rule, problem.text, "the least expected cost on calibrated probabilities" + lost, figures)


def _by_cost(problem: Problem, costs: Costs) -> tuple[Cost, str]:
    """The rule, and what of the current one it has no place for."""
    current = problem.one_answer
    named = ", ".join(map(repr, current.thresholds)) if isinstance(current, Threshold) else ""
    lost = f"; the named thresholds {named} are gone, as the rule cost has none" if named else ""
    return Cost(costs, problem.objective, current.abstain, current.prediction_set, current.top_k), lost
