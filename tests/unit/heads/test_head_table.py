"""HEAD_TABLE, written out a second time: a cell that changes must be changed here too, on purpose."""

from __future__ import annotations

import pytest

from headwise.errors import UnsupportedHeadError
from headwise.heads import HEAD_TABLE, Activation, Head, Layout, Legal, Refused
from headwise.heads.spec import Encoding, legal

ACTIVATIONS: tuple[Activation, ...] = ("linear", "sigmoid", "softmax", "log_softmax", "tanh")

STEPS = "P(y > k) = {}, made monotone by the running minimum"
PRODUCT = "P(y > k) = product of {} for j <= k"
TABLE = {
    "binary, 1 unit": (
        "sigmoid(z)",
        "p as it is",
        None,
        None,
        "margin m, decided at 0; a probability only with a calibrator",
    ),
    "binary, 2 units": ("sigmoid(z1 - z0)", None, "p1 as it is", "exp(log p1)", None),
    "multiclass, N >= 2": ("softmax(z)", None, "p as it is", "exp(log p)", None),
    "multilabel, N >= 1": ("sigmoid(z) each", "p as it is", None, None, None),
    "ordinal (cumulative), K-1 units, K labels": (STEPS.format("sigmoid(z_k)"), STEPS.format("p_k"), None, None, None),
    "ordinal (conditional), K-1 units, K labels": (
        PRODUCT.format("sigmoid(z_j)"),
        PRODUCT.format("p_j"),
        None,
        None,
        None,
    ),
    "regression": ("the value as it is", "the value as it is, in [0, 1]", None, None, "the value as it is, in [-1, 1]"),
}
"""Formula of each cell in the order of ACTIVATIONS; None is refused."""

REFUSED = [
    # task, activation, units, labels: why, what to write instead
    ("binary", "softmax", 1, 2, "one softmax unit is always 1", '"activation": "linear", or Dense(2) with softmax'),
    ("binary", "log_softmax", 1, 2, "one softmax unit is always 1", '"activation": "linear", or Dense(2) with softmax'),
    ("binary", "sigmoid", 2, 2, "two labels, not two classes", '"task": "multilabel", or train Dense(1)'),
    ("binary", "tanh", 2, 2, "neither logits nor probabilities", "declare it linear"),
    ("multiclass", "sigmoid", 3, 3, "need not sum to 1", '"task": "multilabel"'),
    ("multiclass", "tanh", 3, 3, "neither logits nor probabilities", "declare it linear"),
    ("multilabel", "softmax", 3, 3, "softmax makes labels compete", '"task": "multiclass"'),
    ("multilabel", "log_softmax", 3, 3, "softmax makes labels compete", '"task": "multiclass"'),
    ("multilabel", "tanh", 3, 3, "neither logits nor probabilities", "declare it linear"),
    *(
        ("ordinal", activation, 3, 4, "one unit a step", '"task": "multiclass", or train K-1 steps')
        for activation in ("softmax", "log_softmax", "tanh")
    ),
    ("regression", "softmax", 1, 0, "not a quantity", "train a linear unit"),
    ("regression", "log_softmax", 1, 0, "not a quantity", "train a linear unit"),
    ("regression", "sigmoid", 1, 0, "can only lie in [0.0, 1.0]", '"range": [0.0, 1.0]'),
    ("regression", "tanh", 1, 0, "can only lie in [-1.0, 1.0]", '"range": [-1.0, 1.0]'),
]


def test_the_table_has_every_task_and_every_activation() -> None:
    assert [layout.value for layout in HEAD_TABLE] == list(TABLE) == list(Layout)
    assert all(tuple(row) == ACTIVATIONS for row in HEAD_TABLE.values())


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_cell_is_what_the_design_says(layout: Layout, activation: Activation) -> None:
    cell = HEAD_TABLE[layout][activation]
    expected = TABLE[layout][ACTIVATIONS.index(activation)]

    assert (cell.formula if isinstance(cell, Legal) else None) == expected


@pytest.mark.parametrize(
    ("layout", "activation"),
    [(layout, a) for layout, row in HEAD_TABLE.items() for a in row if isinstance(row[a], Refused)],
)
def test_a_refusal_says_what_why_and_what_to_write_instead(layout: Layout, activation: Activation) -> None:
    cell = HEAD_TABLE[layout][activation]
    assert isinstance(cell, Refused)

    with pytest.raises(UnsupportedHeadError) as caught:
        legal(layout, activation)

    assert str(caught.value) == f"{layout} with activation {activation}: {cell.why}; {cell.instead} ({cell.code})"
    assert cell.why
    assert any(verb in cell.instead for verb in ("write", "train", "export"))


@pytest.mark.parametrize(("task", "activation", "units", "classes", "why", "instead"), REFUSED)
def test_a_head_of_a_refused_cell_cannot_be_made(
    task: str, activation: str, units: int, classes: int, why: str, instead: str
) -> None:
    """At birth, or where only the number of units tells the cells apart, as soon as it is known."""
    labels = tuple(f"class {index}" for index in range(classes))

    with pytest.raises(UnsupportedHeadError) as caught:
        Head(task, activation, labels).layout(units)  # type: ignore[arg-type]

    text = str(caught.value)
    assert text.startswith(task)
    assert f"with activation {activation}: " in text
    assert why in text
    assert instead in text


@pytest.mark.parametrize(
    ("encoding", "layout"),
    [
        (None, Layout.ORDINAL_CUMULATIVE),
        ("cumulative", Layout.ORDINAL_CUMULATIVE),
        ("conditional", Layout.ORDINAL_CONDITIONAL),
    ],
)
def test_an_ordinal_head_is_cumulative_unless_it_says_conditional(encoding: Encoding | None, layout: Layout) -> None:
    assert Head("ordinal", "linear", ("low", "mid", "high"), encoding).layout(2) is layout
