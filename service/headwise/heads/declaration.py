"""What a card may say of a head: the checks that make a Head valid from birth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Set

from headwise.errors import InvalidCardError, UnsupportedHeadError
from headwise.heads.calibrators import CALIBRATORS, AnyCalibrator
from headwise.heads.decisions import Argmax, Cost, PerLabel, Rule, Threshold, misfit, unmet
from headwise.heads.prior import Prior
from headwise.heads.spec import HEAD_TABLE, Activation, Encoding, Layout, Legal, Task, legal

LAYOUTS: Mapping[tuple[Task, Encoding | None], tuple[Layout, ...]] = {
    ("binary", None): (Layout.BINARY_ONE_UNIT, Layout.BINARY_TWO_UNITS),
    ("multiclass", None): (Layout.MULTICLASS,),
    ("multilabel", None): (Layout.MULTILABEL,),
    ("ordinal", None): (Layout.ORDINAL_CUMULATIVE,),
    ("ordinal", "cumulative"): (Layout.ORDINAL_CUMULATIVE,),
    ("ordinal", "conditional"): (Layout.ORDINAL_CONDITIONAL,),
    ("regression", None): (Layout.REGRESSION,),
}
"""The rows of HEAD_TABLE that a task and its encoding may be; for binary, by the number of units less one."""

_FEWEST_LABELS: Mapping[Task, int] = {
    "binary": 2,
    "multiclass": 2,
    "multilabel": 1,
    "ordinal": 2,
    "regression": 0,
}


def check_in_order(labels: object) -> None:
    """Raises: InvalidCardError if labels are no list, or have no order of their own."""
    if isinstance(labels, str):
        raise InvalidCardError(f"labels is the text {labels!r}: it must be a list of texts")
    if isinstance(labels, Set):
        raise InvalidCardError(
            f"labels is a {type(labels).__name__}, which has no order: give a list in the order of the units"
        )
    if not isinstance(labels, Iterable):
        raise InvalidCardError(f"labels is {labels!r}: it must be a list of texts")


def check_types(labels: object, calibration: object, prior: object, decision: object) -> None:
    """What a type checker would say; a notebook has none."""
    check_in_order(labels)
    for name, value, kinds in (
        ("calibration", calibration, tuple(CALIBRATORS.values())),
        ("prior", prior, (Prior,)),
        ("decision", decision, (Threshold, PerLabel, Argmax, Cost)),
    ):
        if value is not None and not isinstance(value, kinds):
            listed = ", ".join(kind.__name__ for kind in kinds)
            raise InvalidCardError(f"{name} is {value!r}: it must be one of headwise's {listed}")


def check_known(name: str, value: object, known: tuple[str, ...]) -> None:
    """Raises: InvalidCardError for a value that is none of the known ones."""
    if value not in known:
        raise InvalidCardError(f"{name} is {value!r}: it must be one of {', '.join(known)}")


def check_labels(task: Task, labels: tuple[str, ...]) -> None:
    """Raises: InvalidCardError unless there is one text a class, each once."""
    if task == "regression" and labels:
        raise InvalidCardError("labels are given: a regression head has none")
    if len(labels) < _FEWEST_LABELS[task] or (task == "binary" and len(labels) != 2):
        raise InvalidCardError(
            f"labels has {len(labels)} entries: {task} needs one a class, "
            + ("exactly 2, the positive one last" if task == "binary" else f"{_FEWEST_LABELS[task]} or more")
        )
    if not all(isinstance(label, str) and label for label in labels):
        texts = json.dumps([str(label) for label in labels[:3]], ensure_ascii=False)
        wrong = "" if all(isinstance(label, str) for label in labels) else f": give texts, such as {texts}"
        raise InvalidCardError(f"labels must be texts that are not empty{wrong}")
    if twice := sorted(label for label, times in Counter(labels).items() if times > 1):
        raise InvalidCardError(f"labels holds {', '.join(map(repr, twice))} more than once")


def legal_cells(task: Task, encoding: Encoding | None, activation: Activation) -> tuple[Legal, ...]:
    """The legal cells among the rows that this task may be; until units are known, one will do.

    Raises: UnsupportedHeadError if there is none.
    """
    layouts = LAYOUTS[task, encoding]
    cells = tuple(c for layout in layouts if isinstance(c := HEAD_TABLE[layout][activation], Legal))
    if not cells:
        legal(layouts[-1], activation)
    return cells


def check_range(activation: Activation, wanted: tuple[float, float] | None, said: tuple[float, float] | None) -> None:
    """Raises: InvalidCardError, UnsupportedHeadError unless the range is the one that the activation needs declared."""
    if wanted is None and said is not None:
        raise InvalidCardError("range is given: only regression with sigmoid or tanh declares one")
    if wanted is not None and said != wanted:
        raise UnsupportedHeadError(
            f"regression with activation {activation}: the values can only lie in "
            f'{list(wanted)}; write "range": {list(wanted)} if that is meant, or train a linear unit (HW128)'
        )


def check_calibration(
    task: Task, labels: tuple[str, ...], cells: tuple[Legal, ...], calibration: AnyCalibrator | None
) -> None:
    """Raises: InvalidCardError for a calibrator that the task does not take, or that was fitted to other labels."""
    if calibration is None:
        return
    if not any(cell.form in calibration.FORMS for cell in cells):
        raise InvalidCardError(f"calibration {calibration.method!r} does not apply to a {task} head")
    if calibration.classes not in (None, len(labels)):
        raise InvalidCardError(
            f"calibration {calibration.method!r} was fitted to {calibration.classes} labels: the head has {len(labels)}"
        )


def check_prior(
    task: Task, labels: tuple[str, ...], cells: tuple[Legal, ...], prior: Prior | None, *, margin: bool
) -> None:
    """Raises: InvalidCardError for a prior where there are no probabilities, or with a share for other labels."""
    if prior is None:
        return
    if cells[0].form is None:
        raise InvalidCardError(f"prior is given: a {task} head has no classes")
    if margin:
        raise InvalidCardError("prior is given: a tanh margin without calibrator has no probability to correct")
    try:
        prior.require_fit(cells[0].form, len(labels))
    except InvalidCardError as error:
        raise InvalidCardError(f"prior {error}") from error


def check_decision(task: Task, labels: tuple[str, ...], decision: Rule | None, *, margin: bool) -> None:
    """Raises: InvalidCardError for a rule that the head cannot follow."""
    if decision is None:
        return
    if why := misfit(decision, task, labels):
        raise InvalidCardError(why)
    if margin:
        raise InvalidCardError("a tanh margin without calibrator is decided at 0: leave the decision out")
    if isinstance(decision, PerLabel) or decision.abstain is None:
        return
    if why := unmet(decision.abstain, decision.rule, decision.prediction_set):
        raise InvalidCardError(why)
