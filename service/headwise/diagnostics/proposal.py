"""The head that is known from graph, training and labels; what is not known is asked for, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard, get_args

from headwise.diagnostics.activations import READ_AS
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.losses import BINARY_CROSSENTROPIES, CATEGORICAL_CROSSENTROPIES, VALUE_LOSSES, loss_of
from headwise.errors import InvalidCardError
from headwise.heads import HEAD_TABLE, Activation, Head, Layout, Legal, Task
from headwise.heads.spec import Encoding, legal
from headwise.savedmodel.detected import UNKNOWN, DetectedHead
from headwise.savedmodel.training_config import UNTRAINED, Loss, TrainingConfig

TASKS: Mapping[Task, str] = {
    "binary": "one of two classes holds",
    "multiclass": "exactly one class holds",
    "multilabel": "labels may hold together",
    "ordinal": "the classes are ordered",
    "regression": "the number is a quantity",
}
"""What a user says by naming a task."""

_INDEPENDENT_LOSSES = BINARY_CROSSENTROPIES | {"hinge", "squared_hinge"}
"""They train each unit by itself: one unit is a binary head, several units are labels."""

_EXCLUSIVE_LOSSES = CATEGORICAL_CROSSENTROPIES | {"categorical_hinge", "kl_divergence"}
"""They train units that share one truth."""

_VALUE: frozenset[Task] = frozenset({"regression"})
_EXCLUSIVE_ACTIVATIONS = frozenset({"softmax", "log_softmax"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A head, and a sentence for each thing about it that was found out."""

    head: Head
    because: tuple[str, ...]


def propose(
    detected: DetectedHead,
    training: TrainingConfig = UNTRAINED,
    labels: Sequence[str] | None = None,
    task: Task | None = None,
    activation: Activation | None = None,
    encoding: Encoding | None = None,
) -> Proposal:
    """The head of an output, with the reasons.

    labels: one a class. task, activation, encoding: what the user says of them.

    Raises: InvalidCardError, saying what cannot be known and what to give; UnsupportedHeadError for a head
    that cannot be.
    """
    labels = tuple(labels or ())
    loss = loss_of(Facts("", detected, training=training))
    is_value = task == "regression" or (task is None and loss is not None and loss.name in VALUE_LOSSES)
    read, of_activation = _activation(detected, activation, is_value=is_value)
    if task is not None:
        chosen, of_task = task, f"task {task}: given"
    else:
        chosen, of_task = _task(read, detected.units, labels, loss)
    cell = HEAD_TABLE[Layout.REGRESSION][read]
    value_range = cell.value_range if chosen == "regression" and isinstance(cell, Legal) else None
    head = Head(chosen, read, labels, encoding, value_range)
    if detected.units is not None:
        head.layout(detected.units)
    return Proposal(head, (of_activation, of_task))


def is_activation(name: str) -> TypeGuard[Activation]:
    """Whether a head may have an activation of this name."""
    return name in get_args(Activation)


def _activation(detected: DetectedHead, given: Activation | None, *, is_value: bool) -> tuple[Activation, str]:
    """The activation, and how it is known."""
    path = f" ({detected.path[-1]})" if detected.path else ""
    found = READ_AS.get(detected.activation, detected.activation)
    if found == UNKNOWN:
        if given is None:
            raise InvalidCardError(
                f"what made this output cannot be read from the graph{path}; say it with {_give('activation')}, "
                f"one of {', '.join(get_args(Activation))} (linear: nothing was applied)"
            )
        return given, f"activation {given}: given, and not verified: the graph does not show what made it{path}"
    if is_activation(found):
        if given not in (None, found):
            raise InvalidCardError(f"activation {given} is given, but the graph applies {found}{path}; leave it out")
        like = "" if found == detected.activation else f" as {detected.activation}, which means the same"
        return found, f"activation {found}: read from the graph{like}{path}"
    if not is_value:
        raise InvalidCardError(
            f"the output ends in {found}{path}, which gives neither logits nor probabilities; export the layer "
            f"before it, or give {_give('task', 'regression')} if its numbers are quantities"
        )
    if given not in (None, "linear"):
        raise InvalidCardError(f"activation {given} is given, but the graph applies {found}{path}")
    return "linear", f"activation linear: the values of {found} are taken as they are{path}"


def _task(activation: Activation, units: int | None, labels: tuple[str, ...], loss: Loss | None) -> tuple[Task, str]:
    """The one task that it can be, and why.

    Raises: InvalidCardError if there is none, or more than one.
    """
    _check_possible(activation, units)
    trains = _tasks_trained(activation, units, loss)
    if not labels:
        if loss is not None and trains == _VALUE:
            return "regression", f"task regression: the loss is {loss.name}"
        raise InvalidCardError(
            f"no labels are given: give {_give('labels')}, one a class in the order of the units"
            + (" (negative, positive)" if units == 1 else "")
            + f"; or {_give('task', 'regression')} if the output is a quantity"
        )
    fitting = _tasks_fitting(activation, units, labels)
    if not fitting:
        raise InvalidCardError(_misfit(activation, units, labels))
    if trains is None or loss is None:
        return _only(fitting, activation, units)
    if agreed := fitting & trains:
        task, why = _only(agreed, activation, units)
        return task, why if len(fitting) == 1 else f"task {task}: the loss is {loss.name}"
    if activation in _EXCLUSIVE_ACTIVATIONS:
        return _only(fitting, activation, units)
    raise InvalidCardError(
        f"{_shown(activation, units)} with {len(labels)} labels may be {_listed(fitting)}, but the loss, {loss.name}, "
        f"trains {_listed(trains)}; say which it is with {_give('task')}"
        + ("; a regression head has no labels" if trains == _VALUE else "")
    )


def _tasks_trained(activation: Activation, units: int | None, loss: Loss | None) -> frozenset[Task] | None:
    """What a loss can be training; None where it does not tell."""
    if loss is None:
        return None
    if loss.name in _INDEPENDENT_LOSSES:
        return frozenset(("binary", "multilabel") if units is None else ("binary",) if units == 1 else ("multilabel",))
    if loss.name in _EXCLUSIVE_LOSSES:
        return frozenset(("binary", "multiclass"))
    if loss.name in VALUE_LOSSES and activation == "linear":
        return _VALUE
    return None


def _tasks_fitting(activation: Activation, units: int | None, labels: tuple[str, ...]) -> frozenset[Task]:
    """What HEAD_TABLE allows of these units and labels, but for what only a user can know.

    Ordered classes are only meant where somebody says so. Of two exclusive classes, binary is the finer word.
    One label alone may be half of a binary head.
    """
    fitting = {
        task for task in TASKS if task not in ("regression", "ordinal") and _fits(task, activation, units, labels)
    }
    if units is None and _fits("ordinal", activation, None, labels):
        fitting.add("ordinal")
    if "binary" in fitting:
        fitting -= {"multiclass", "ordinal"}
    return frozenset() if len(labels) == 1 else frozenset(fitting)


def _fits(task: Task, activation: Activation, units: int | None, labels: tuple[str, ...]) -> bool:
    try:
        head = Head(task, activation, labels)
        if units is not None:
            head.layout(units)
    except InvalidCardError:
        return False
    return True


def _only(tasks: frozenset[Task], activation: Activation, units: int | None) -> tuple[Task, str]:
    if len(tasks) > 1:
        raise InvalidCardError(
            f"{_shown(activation, units)} may be {_listed(tasks)}, and nothing here shows which; say it with "
            f"{_give('task')}"
        )
    (task,) = tasks
    return task, f"task {task}: {_shown(activation, units)} cannot be anything else with these labels"


def _check_possible(activation: Activation, units: int | None) -> None:
    """Raises: UnsupportedHeadError where no labels and no task make a head of it."""
    if units == 1:
        legal(Layout.BINARY_ONE_UNIT, activation)
    elif units is not None and activation == "tanh":
        legal(Layout.MULTICLASS, activation)


def _misfit(activation: Activation, units: int | None, labels: tuple[str, ...]) -> str:
    """Why no task fits.

    Raises: InvalidCardError for labels that no head can have.
    """
    Head("multilabel", "linear", labels)
    shown, count = _shown(activation, units), len(labels)
    if units in (1, None) and count == 1:
        return (
            f"{shown} with one label: give both (negative, positive); or {_give('task', 'multilabel')} "
            "if the label may hold or not"
        )
    wanted = "2 (negative, positive)" if units == 1 else str(units) if units else "2 or more"
    steps = f"; for ordered classes with a unit a step give {_give('task', 'ordinal')}" if units == count - 1 else ""
    return f"{count} labels are given for {shown}, which needs {wanted}{steps}"


def _give(option: str, value: str | None = None) -> str:
    """How a user says it, on the command line and in Python."""
    if value is None:
        return f"--{option} ({option}= in Python)"
    return f"--{option} {value} ({option}={value!r} in Python)"


def _shown(activation: Activation, units: int | None) -> str:
    """Such as `one sigmoid unit`."""
    if units is None:
        return f"{activation} output of an unknown number of units"
    return f"one {activation} unit" if units == 1 else f"{units} {activation} units"


def _listed(tasks: frozenset[Task]) -> str:
    return " or ".join(f"{task} ({meaning})" for task, meaning in TASKS.items() if task in tasks)
