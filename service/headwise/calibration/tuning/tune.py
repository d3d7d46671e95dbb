"""From an objective in words to the decision that serves it best."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.tuning.objectives import KINDS, Groups, Kind, objectives
from headwise.calibration.tuning.problem import Problem, Tuned
from headwise.errors import CalibrationError
from headwise.heads import Task
from headwise.heads.decisions import DEFAULTS, Rule, misfit
from headwise.heads.links import Float64

__all__ = ["Tuned", "check_objective", "tune"]


def check_objective(objective: str, task: Task) -> None:
    """Raises: CalibrationError for an objective that does not exist or does not fit the task."""
    _asked(objective, task)


def tune(
    objective: str,
    probabilities: Float64,
    targets: NDArray[Any],
    task: Task,
    labels: tuple[str, ...],
    *,
    seed: int = 0,
    current: Rule | None = None,
) -> Tuned:
    """The rule that serves the objective best on calibrated probabilities (rows, classes), best out of fold.

    current: the rule so far, whose other parts stay; None: the task's default. Where several objectives are joined,
    figures hold each one's under its text, and what qualifies is taken.

    Raises: CalibrationError for an objective that does not exist or does not fit the task.
    """
    rule = DEFAULTS[task] if current is None else current
    asked = _asked(objective, task)
    if rule is None:
        raise CalibrationError(_unknown(objective, task))
    if why := misfit(rule, task, labels):
        raise CalibrationError(f"the decision to tune: {why}")
    tuned: list[Tuned] = []
    for part, kind, said in asked:
        problem = Problem(np.asarray(probabilities, np.float64), targets, task, labels, rule, part, seed)
        tuned.append(kind.tuner(problem, said))
        rule = tuned[-1].rule or rule
    if len(tuned) == 1:
        return tuned[0]
    return Tuned(
        rule if any(one.rule for one in tuned) else None,
        "; ".join(one.objective for one in tuned),
        "; ".join(f"{one.objective}: {one.reason}" for one in tuned),
        {one.objective: one.figures for one in tuned},
    )


def _asked(objective: str, task: Task) -> list[tuple[str, Kind, Groups]]:
    """The parts of an objective, which semicolons join."""
    if parts := [part.strip() for part in objective.split(";") if part.strip()]:
        return [_read(part, task) for part in parts]
    raise CalibrationError(_unknown(objective, task))


def _read(part: str, task: Task) -> tuple[str, Kind, Groups]:
    for kind in objectives(task):
        if match := re.fullmatch(kind.pattern, part):
            return part, kind, {name: text for name, text in match.groupdict().items() if text is not None}
    raise CalibrationError(_unknown(part, task))


def _unknown(objective: str, task: Task) -> str:
    fitting = objectives(task)
    if not fitting:
        return f"objective {objective!r}: a {task} head decides nothing that could be tuned"
    other = next((kind for kind in KINDS if re.fullmatch(kind.pattern, objective)), None)
    wrong = "does not exist" if other is None else f"is for {' and '.join(other.tasks)} heads"
    return f"objective {objective!r} {wrong}; a {task} head takes: " + "; ".join(
        f"{kind.form} ({kind.meaning})" for kind in fitting
    )
