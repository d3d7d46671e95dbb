"""A head is valid from birth, or refused with the reason."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from headwise.errors import InvalidCardError, UnsupportedHeadError
from headwise.heads import Argmax, Head, Layout, PerLabel, Platt, Temperature, Threshold
from strategies.heads import build

AB, ABC = ("a", "b"), ("a", "b", "c")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"task": "ranking"},
            "task is 'ranking': it must be one of binary, multiclass, multilabel, ordinal, regression",
        ),
        ({"activation": "relu"}, "activation is 'relu': it must be one of linear, sigmoid, softmax, log_softmax, tanh"),
        ({"labels": ()}, "labels has 0 entries: binary needs one a class, exactly 2, the positive one last"),
        ({"labels": ABC}, "labels has 3 entries: binary needs one a class, exactly 2"),
        ({"task": "multiclass", "labels": ("a",)}, "labels has 1 entries: multiclass needs one a class, 2 or more"),
        ({"task": "multilabel", "labels": ()}, "multilabel needs one a class, 1 or more"),
        ({"task": "ordinal", "labels": ("a",)}, "ordinal needs one a class, 2 or more"),
        ({"labels": ("a", "")}, "labels must be texts that are not empty"),
        ({"labels": ("a", 1)}, "labels must be texts"),
        ({"labels": range(2)}, 'labels must be texts that are not empty: give texts, such as ["0", "1"]'),
        ({"labels": set(AB)}, "labels is a set, which has no order: give a list in the order of the units"),
        ({"labels": frozenset(AB)}, "labels is a frozenset, which has no order"),
        ({"labels": 2}, "labels is 2: it must be a list of texts"),
        ({"labels": ("a", "a")}, "labels holds 'a' more than once"),
        ({"task": "regression"}, "labels are given: a regression head has none"),
        ({"encoding": "cumulative"}, "encoding is 'cumulative': only an ordinal head has one"),
        (
            {"task": "ordinal", "encoding": "corn"},
            "encoding is 'corn': only an ordinal head has one, cumulative or cond",
        ),
        ({"range": (0.0, 1.0)}, "range is given: only regression with sigmoid or tanh declares one"),
        ({"task": "regression", "labels": (), "range": (0.0, 1.0)}, "range is given"),
        ({"task": "multilabel", "calibration": Platt(1, 0)}, "calibration 'platt' does not apply to a multilabel head"),
        (
            {"task": "regression", "labels": (), "calibration": Temperature(2)},
            "calibration 'temperature' does not apply to a regression head",
        ),
        ({"decision": Argmax()}, "decision rule 'argmax' does not fit a binary head, which takes: threshold"),
        ({"task": "multiclass", "decision": Threshold()}, "which takes: argmax"),
        ({"task": "regression", "labels": (), "decision": Threshold()}, "which takes: none"),
        ({"task": "multilabel", "decision": Argmax()}, "which takes: threshold or per_label"),
        ({"task": "multilabel", "decision": PerLabel({"a": 0.5})}, "must name each label once, and no other"),
        ({"task": "multilabel", "decision": PerLabel({"a": 0.5, "b": 0.5, "c": 0.5})}, "and no other"),
        ({"activation": "tanh", "decision": Threshold()}, "decided at 0: leave the decision out"),
    ],
)
def test_a_head_that_contradicts_itself_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidCardError) as caught:
        Head(**{"task": "binary", "activation": "linear", "labels": AB} | arguments)

    assert text in str(caught.value)


@pytest.mark.parametrize("cut", [0.0, 1.0, -0.1, 1.1, float("nan"), float("inf")])
def test_cuts_lie_strictly_between_0_and_1(cut: float) -> None:
    with pytest.raises(InvalidCardError, match=r"^threshold is .*: it must lie between 0 and 1, both excluded$"):
        Threshold(cut)
    with pytest.raises(InvalidCardError, match=r"^threshold 'high' is "):
        Threshold(0.5, {"low": 0.1, "high": cut})
    with pytest.raises(InvalidCardError, match=r"^threshold of label 'a' is "):
        PerLabel({"a": cut})


@pytest.mark.parametrize(
    ("head", "units", "wanted"),
    [
        (Head("binary", "linear", AB), 3, "the output has 3 units, but binary with 2 labels needs 1 or 2"),
        (Head("multiclass", "softmax", ABC), 1, "the output has 1 units, but multiclass with 3 labels needs 3"),
        (Head("multilabel", "sigmoid", ABC), 2, "multilabel with 3 labels needs 3"),
        (Head("ordinal", "linear", ABC), 3, "ordinal with 3 labels needs 2"),
    ],
)
def test_units_fit_the_labels(head: Head, units: int, wanted: str) -> None:
    with pytest.raises(UnsupportedHeadError, match=wanted):
        head.layout(units)


@pytest.mark.parametrize("layout", Layout)
def test_units_and_labels_choose_the_row_of_the_table(layout: Layout) -> None:
    units = {Layout.BINARY_ONE_UNIT: 1, Layout.REGRESSION: 1}.get(layout, 2)

    assert build(layout, "linear", units).layout(units) is layout


def test_a_head_is_frozen() -> None:
    head = Head("binary", "linear", AB)

    with pytest.raises(FrozenInstanceError):
        head.labels = ABC  # type: ignore[misc]


def test_labels_may_come_as_a_list() -> None:
    assert Head("binary", "linear", ["a", "b"]).labels == AB  # type: ignore[arg-type]


def test_an_array_of_another_library_keeps_its_dtype() -> None:
    """A saturated float32 sigmoid has a logit of 17.33, a float64 one of 37.43."""

    class Tensor:
        dtype = "a dtype of its own"

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            return np.ones(1, np.float32)

    head = Head("binary", "sigmoid", AB, calibration=Temperature(1))

    foreign = head.predict(Tensor()).probabilities
    assert foreign is not None
    assert foreign.tolist() == head.predict(np.ones(1, np.float32)).probabilities.tolist()  # type: ignore[union-attr]


def test_a_prediction_of_a_sequence_has_labels_where_it_has_indices() -> None:
    prediction = Head("multiclass", "linear", ABC).predict(np.eye(3, dtype=np.float32)[None, [2, 0]])

    assert isinstance(prediction.labels, np.ndarray)
    assert prediction.labels.tolist() == [["c", "a"]]


def test_multilabel_labels_are_nested_as_the_output_is() -> None:
    head = Head("multilabel", "sigmoid", ("x", "y"))
    said = head.predict([[[0.9, 0.1], [0.1, 0.1]], [[0.9, 0.9], [0.1, 0.9]]]).labels
    assert said == ((("x",), ()), (("x", "y"), ("y",)))
    assert head.predict([[0.9, 0.1]]).labels == (("x",),)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"labels": "no"}, "labels is the text 'no'"),
        ({"decision": {"rule": "threshold"}}, "one of headwise's Threshold, PerLabel, Argmax"),
        ({"calibration": {"method": "temperature"}}, "one of headwise's Temperature, Platt"),
    ],
)
def test_a_head_of_the_wrong_types_is_refused(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidCardError, match=part):
        Head(**{"task": "binary", "activation": "linear", "labels": ("no", "yes"), **fields})
