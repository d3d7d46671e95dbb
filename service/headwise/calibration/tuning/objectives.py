"""The objectives that a decision can be tuned for: one table that code, messages and docs read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headwise.calibration.tuning.abstention import tune_abstention_cost, tune_accuracy
from headwise.calibration.tuning.conformal import Sets, tune_sets
from headwise.calibration.tuning.costs import Costs, tune_costs, tune_errors
from headwise.calibration.tuning.cutting import tune_share, tune_worth
from headwise.calibration.tuning.goals import YOUDEN, Goal, f_beta
from headwise.calibration.tuning.problem import Problem, Tuned
from headwise.errors import CalibrationError, InvalidCardError
from headwise.heads import Task

CONFIDENCE = 0.9
"""Of a guarantee that names none."""

Groups = Mapping[str, str]
"""What an objective says, by the names of its pattern; parts that it leaves out are not there."""

_CUT: tuple[Task, ...] = ("binary", "multilabel")
_ONE_ANSWER: tuple[Task, ...] = ("binary", "multiclass", "ordinal")
_NUMBER = r"\d+(?:\.\d+)?(?:e-?\d+)?"
_GUARANTEED = rf"(?P<target>{_NUMBER})(?:@(?P<confidence>{_NUMBER}))?"


@dataclass(frozen=True, slots=True)
class Kind:
    """A form of objective. pattern: what it looks like. form, meaning: how messages and docs show it."""

    form: str
    meaning: str
    tasks: tuple[Task, ...]
    pattern: str
    tuner: Callable[[Problem, Groups], Tuned]


def _f_beta(problem: Problem, said: Groups) -> Tuned:
    beta = float(said["beta"])
    if not beta > 0:
        raise CalibrationError(f"objective {problem.text!r}: beta must be above 0")
    return _averaged(problem, said, f_beta(beta))


def _youden(problem: Problem, said: Groups) -> Tuned:
    return _averaged(problem, said, YOUDEN)


def _averaged(problem: Problem, said: Groups, goal: Goal) -> Tuned:
    average = said.get("average", "macro")
    if problem.task == "binary":
        if "average" in said:
            raise CalibrationError(
                f"objective {problem.text!r}: {average} averages over labels, which a binary head has not"
            )
        return tune_worth(problem, goal)
    return tune_worth(problem.named(f"{goal.name} ({average})"), goal, average)


def _errors(problem: Problem, said: Groups) -> Tuned:
    false_positive, false_negative = float(said["fp"]), float(said["fn"])
    if not (false_positive > 0 and false_negative > 0):
        raise CalibrationError(
            f"objective {problem.text!r}: both costs must be above 0, or one answer would always be the cheapest"
        )
    return tune_errors(problem, false_positive, false_negative)


def _costs(problem: Problem, said: Groups) -> Tuned:
    try:
        costs: Costs = tuple(tuple(float(cost) for cost in row) for row in json.loads(said["matrix"]))
        tuned = tune_costs(problem, costs) if len(costs) == len(problem.labels) else None
    except (ValueError, TypeError, InvalidCardError) as error:
        raise CalibrationError(f"objective {problem.text!r}: {error}") from error
    if tuned is None:
        raise CalibrationError(
            f"objective {problem.text!r}: the matrix has {len(costs)} rows, but the head has {len(problem.labels)} "
            "classes: a row is the true class, a column the answer, such as cost:[[0, 1], [5, 0]]"
        )
    return tuned


def _share(share: str) -> Callable[[Problem, Groups], Tuned]:
    def tuned(problem: Problem, said: Groups) -> Tuned:
        return tune_share(_confident(problem, said), share, *_guarantee(problem, said))

    return tuned


def _accuracy(problem: Problem, said: Groups) -> Tuned:
    return tune_accuracy(_confident(problem, said), *_guarantee(problem, said), said.get("kind", "floor"))


def _abstain(problem: Problem, said: Groups) -> Tuned:
    price = float(said["price"])
    if problem.current.rule != "cost" and not 0 < price < 1:
        raise CalibrationError(
            f"objective {problem.text!r}: without costs an error costs 1, and no answer must cost between 0 and 1"
        )
    return tune_abstention_cost(problem, price)


def _coverage(problem: Problem, said: Groups) -> Tuned:
    score: Any = said.get("score", "lac")
    return tune_sets(problem, Sets(score, _probability(problem, said["target"]), "by_class" in said))


def _guarantee(problem: Problem, said: Groups) -> tuple[float, float]:
    confidence = float(said.get("confidence", CONFIDENCE))
    return _probability(problem, said["target"]), _probability(problem, confidence)


def _confident(problem: Problem, said: Groups) -> Problem:
    """The card says the confidence, also where it was left to the default."""
    return problem if "confidence" in said else problem.named(_with_confidence(problem.text, said["target"]))


def _with_confidence(text: str, target: str) -> str:
    return text.replace(f">={target}", f">={target}@{CONFIDENCE:g}")


def _probability(problem: Problem, value: str | float) -> float:
    number = float(value)
    if not 0 < number < 1:
        raise CalibrationError(f"objective {problem.text!r}: {number:g} must lie between 0 and 1, both excluded")
    return number


KINDS: tuple[Kind, ...] = (
    Kind(
        "f1, f0.5, f2, ...[:macro|:micro]",
        "the largest F-beta; macro (default) and micro: multilabel",
        _CUT,
        rf"f(?P<beta>{_NUMBER})(?::(?P<average>macro|micro))?",
        _f_beta,
    ),
    Kind(
        "youden[:macro|:micro]",
        "the largest sensitivity + specificity - 1",
        _CUT,
        r"youden(?::(?P<average>macro|micro))?",
        _youden,
    ),
    Kind(
        "cost:FP:FN",
        "the least expected cost, of false alarms and misses",
        _CUT,
        rf"cost:(?P<fp>{_NUMBER}):(?P<fn>{_NUMBER})",
        _errors,
    ),
    Kind(
        "cost:[[0, 1], [5, 0]]",
        "the least expected cost; a row is the true class, a column the answer",
        _ONE_ANSWER,
        r"cost:(?P<matrix>\[.*\])",
        _costs,
    ),
    Kind(
        "precision>=0.9[@0.95]",
        "the lowest cut with this precision, guaranteed with the confidence after @ (0.9)",
        _CUT,
        rf"precision>={_GUARANTEED}",
        _share("precision"),
    ),
    Kind(
        "recall>=0.9[@0.95]",
        "the highest cut with this recall, guaranteed likewise",
        _CUT,
        rf"recall>={_GUARANTEED}",
        _share("recall"),
    ),
    Kind(
        "accuracy>=0.95[@0.95][:floor|:margin]",
        "abstain so that the answers given are right that often, guaranteed likewise",
        _ONE_ANSWER,
        rf"accuracy>={_GUARANTEED}(?::(?P<kind>floor|margin))?",
        _accuracy,
    ),
    Kind(
        "abstain:0.2",
        "abstain where an answer is expected to cost more than this; without costs an error costs 1",
        _ONE_ANSWER,
        rf"abstain:(?P<price>{_NUMBER})",
        _abstain,
    ),
    Kind(
        "coverage>=0.95[:lac|:aps|:raps][:class]",
        "prediction sets that hold the true class that often; :class: of each class by itself",
        _ONE_ANSWER,
        rf"coverage>=(?P<target>{_NUMBER})(?::(?P<score>lac|aps|raps))?(?P<by_class>:class)?",
        _coverage,
    ),
)
"""Every objective. Several are joined by ";", and each tunes what the ones before it left."""


def objectives(task: Task) -> tuple[Kind, ...]:
    """Those that fit a task."""
    return tuple(kind for kind in KINDS if task in kind.tasks)
