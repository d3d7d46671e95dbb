"""When to give no answer: so that the answers given are right often enough, or cost less than asking elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headwise.calibration.answers import answer
from headwise.calibration.tuning.guarantees import fewest_selected, purest
from headwise.calibration.tuning.problem import Booleans, Problem, Tuned
from headwise.heads import Head
from headwise.heads.decisions import Abstain, Cost, Rule
from headwise.heads.links import Float64


def _margin(probabilities: Float64) -> Float64:
    second, largest = np.partition(probabilities, -2, axis=1)[:, -2:].T
    return np.asarray(largest - second)


SCORES: Mapping[str, Callable[[Float64], Float64]] = {"floor": lambda p: p.max(axis=1), "margin": _margin}
"""What each kind of abstention compares (rows,)."""

ABSTAIN: Mapping[str, Callable[[float], Abstain]] = {
    "floor": lambda cut: Abstain(floor=cut),
    "margin": lambda cut: Abstain(margin=cut),
}


def tune_accuracy(problem: Problem, target: float, confidence: float, kind: str = "floor") -> Tuned:
    """Abstain where the largest probability, or its margin, is too low for the answers given to be right that often.

    The guarantee is that of `purest`, and holds for the answers of the current rule.
    """
    scores = SCORES[kind](problem.probabilities)
    right = _answers(problem, replace(problem.one_answer, abstain=None)) == problem.targets
    proved = purest(scores, right, target, confidence)
    figures: dict[str, Any] = {"rows": len(problem), "confidence": confidence, "accuracy_before": float(right.mean())}
    if proved is None:
        least = fewest_selected(target, confidence)
        return Tuned(
            None,
            problem.text,
            f"none found: no {kind} proves an accuracy of {target:g} with confidence {confidence:g} on {len(problem)} "
            f"rows, of which at least {least} must be answered",
            figures,
        )
    answered = scores >= proved.cut
    figures |= {
        kind: proved.cut,
        "answered_share": float(answered.mean()),
        "accuracy": float(right[answered].mean()),
        "accuracy_bound": proved.bound,
    }
    return Tuned(
        _abstaining(problem, ABSTAIN[kind](min(proved.cut, 1.0))),
        problem.text,
        f"accuracy of the answers given is at least {target:g} on fresh rows, with confidence {confidence:g} "
        "(Learn-Then-Test)",
        figures,
    )


def tune_abstention_cost(problem: Problem, price: float) -> Tuned:
    """Abstain where an answer is expected to cost more than abstaining does (Chow 1970).

    price: of no answer, in the unit of the rule's costs; where the rule has none, an error costs 1.
    """
    rule = problem.one_answer
    abstain = Abstain(cost=price) if isinstance(rule, Cost) else Abstain(floor=1.0 - price)
    tuned = _abstaining(problem, abstain)
    costs = rule.matrix if isinstance(rule, Cost) else 1.0 - np.eye(len(problem.labels))
    answers = _answers(problem, tuned)
    answered: Booleans = answers >= 0
    paid = np.where(answered, costs[problem.targets, np.maximum(answers, 0)], price)
    always = _answers(problem, replace(rule, abstain=None))
    figures: dict[str, Any] = {
        "rows": len(problem),
        "answered_share": float(answered.mean()),
        "cost": float(paid.mean()),
        "cost_before": float(costs[problem.targets, always].mean()),
        "accuracy": float((answers == problem.targets)[answered].mean()) if answered.any() else None,
    }
    unit = "in the unit of the rule's costs" if isinstance(rule, Cost) else "where an error costs 1"
    return Tuned(
        tuned, problem.text, f"an answer that is expected to cost over {price:g} is not given, {unit}", figures
    )


def _abstaining(problem: Problem, abstain: Abstain) -> Rule:
    return replace(problem.one_answer, abstain=abstain, objective=problem.objective)


def _answers(problem: Problem, rule: Rule) -> Any:
    """Class indices (rows,), -1 where the rule abstains, as the head serves them."""
    head = Head(problem.task, "linear", problem.labels, decision=rule)
    indices = answer(head, problem.probabilities).indices
    assert indices is not None
    return indices
