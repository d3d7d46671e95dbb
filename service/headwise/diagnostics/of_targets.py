"""Entries about targets: what the head, its loss or its card cannot express."""

from __future__ import annotations

from headwise.diagnostics.activations import RANGES
from headwise.diagnostics.data import FEW, Targets
from headwise.diagnostics.entry import Entry
from headwise.diagnostics.facts import Facts
from headwise.diagnostics.losses import (
    BINARY_CROSSENTROPIES,
    CATEGORICAL_CROSSENTROPIES,
    VALUE_LOSSES,
    is_any,
    loss_of,
)
from headwise.diagnostics.of_head import one_sigmoid_for_many


def _inexpressible(facts: Facts) -> str | None:
    targets = facts.numbers.targets
    if targets is None or one_sigmoid_for_many(facts) is not None:
        return None
    if is_any(facts, BINARY_CROSSENTROPIES):
        return _beyond_zero_and_one(targets, facts)
    if is_any(facts, CATEGORICAL_CROSSENTROPIES):
        return _no_classes(targets, facts)
    return _not_declared(targets, facts)


def _beyond_zero_and_one(targets: Targets, facts: Facts) -> str | None:
    if not (targets.low >= 0 and targets.high <= 1):  # NaN is in neither
        return (
            f"the targets go from {targets.low:g} to {targets.high:g}, but binary cross-entropy takes 0 to 1: beyond "
            "them the loss has no lower bound"
        )
    if facts.units is not None and facts.units > 1 and targets.columns != facts.units and _is_matrix(targets, facts):
        return f"the targets have {targets.columns} columns, the head {facts.units} units"
    return None


def _no_classes(targets: Targets, facts: Facts) -> str | None:
    loss, units = loss_of(facts), facts.units
    if loss is None or units is None or units < 2:
        return None
    if loss.name == "sparse_categorical_crossentropy":
        if targets.one_hot and targets.columns == units and _is_matrix(targets, facts):
            return f"one-hot targets of {units} columns: {loss.name} takes class indices"
        return None if loss.ignores else _no_indices(targets, units)
    if targets.columns != units and targets.integers:
        return f"targets of shape {targets.shape}: {loss.name} takes one-hot rows of {units} columns"
    return None


def _no_indices(targets: Targets, classes: int) -> str | None:
    if targets.integers and targets.low >= 0 and targets.high < classes:
        return None
    return (
        f"the targets go from {targets.low:g} to {targets.high:g}"
        + ("" if targets.integers else " and are not whole numbers")
        + f", but {classes} classes are numbered 0 to {classes - 1}"
    )


def _not_declared(targets: Targets, facts: Facts) -> str | None:
    """Against the card alone."""
    head = facts.declared
    if head is None or head.task == "regression":
        return None
    if head.task == "multilabel":
        if not targets.zero_one or targets.columns != len(head.labels):
            return f"targets of shape {targets.shape}: {len(head.labels)} labels take a 0/1 matrix with as many columns"
        return None
    return _no_indices(targets, len(head.labels))  # one-hot rows and steps are 0 and 1, which are indices too


def _is_matrix(targets: Targets, facts: Facts) -> bool:
    """Whether the targets have an axis for the units; indices along a sequence have two axes as well."""
    raw = facts.numbers.raw
    return raw is None or len(targets.shape) == raw.axes


def _exclusive_targets(facts: Facts) -> str | None:
    targets = facts.numbers.targets
    if targets is None or facts.activation not in ("sigmoid", "linear"):
        return None
    if not is_any(facts, BINARY_CROSSENTROPIES) and (facts.declared is None or facts.declared.task != "multilabel"):
        return None
    if not targets.one_hot or targets.columns != facts.units or targets.shape[0] < FEW:
        return None
    rows, columns = targets.shape[0], targets.columns
    return f"each of {rows} rows has exactly one of {columns} labels, but {facts.shown} are independent"


def _out_of_reach(facts: Facts) -> str | None:
    targets = facts.numbers.targets
    of_value = is_any(facts, VALUE_LOSSES) or (facts.declared is not None and facts.declared.task == "regression")
    if targets is None or facts.activation is None or facts.activation not in RANGES or not of_value:
        return None
    low, high = RANGES[facts.activation]
    if low <= targets.low and targets.high <= high:
        return None
    reach = f"{facts.activation} reaches only {low:g} to {high:g}"
    return f"the targets go from {targets.low:g} to {targets.high:g}, but {reach}"


OF_TARGETS = (
    Entry(
        code="HW113",
        severity="error",
        title="Targets that the head cannot express",
        what="The targets are not what this loss, or this card, takes.",
        why="Under binary cross-entropy targets outside [0, 1] (1 and 2, or -1 and 1) take the lower bound from the "
        "loss. Categorical cross-entropy wants one-hot rows, the sparse one indices from 0 to classes - 1: with "
        "others it fails, or on a GPU gives NaN.",
        fix="Number the classes from 0; one-hot rows go with categorical_crossentropy, indices with the sparse one.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
model.compile(loss="sparse_categorical_crossentropy")
targets = np.array([1, 2, 3])
""",
        check=_inexpressible,
    ),
    Entry(
        code="HW128",
        severity="error",
        title="Values out of the head's reach",
        what="A regression head ends in an activation whose range does not hold the targets.",
        why="A sigmoid cannot say 37. The model learns the end of its range and stays there.",
        fix="Leave the activation out, or scale the targets into its range; a card for a bounded regression says "
        '"range": [0, 1] (sigmoid) or [-1, 1] (tanh).',
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(loss="mean_squared_error")
targets = np.array([12.0, 37.5])
""",
        check=_out_of_reach,
    ),
    Entry(
        code="HW129",
        severity="warning",
        title="Exclusive targets on independent labels",
        what="Every row of the targets has exactly one label, but the units are independent.",
        why="If exactly one label holds, softmax with categorical cross-entropy uses that; independent sigmoids may "
        "name none or several, and their probabilities do not sum to 1.",
        fix="If the classes are exclusive, train with softmax and categorical_crossentropy; else nothing must be done.",
        example="""
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="sigmoid")])
model.compile(loss="binary_crossentropy")
targets = np.eye(3)[np.arange(60) % 3]
""",
        check=_exclusive_targets,
    ),
)
