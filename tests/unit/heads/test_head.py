"""A head is valid from birth, or refused with the reason."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from headwise.errors import CalibrationError, InvalidCardError, NonFiniteOutputError, UnsupportedHeadError
from headwise.heads import (
    Abstain,
    Argmax,
    Cost,
    EachLabel,
    Head,
    Identity,
    Layout,
    PerLabel,
    Platt,
    PredictionSet,
    Prior,
    Temperature,
    Threshold,
    Vector,
)
from headwise.heads.scores import Form
from strategies.heads import build

AB, ABC = ("a", "b"), ("a", "b", "c")
ABSTAIN = Abstain(cost=1.0)
THREE = Cost(((0, 1, 1), (1, 0, 1), (1, 1, 0)))
EACH_CLASS = PredictionSet("lac", 0.9, {"0.9": (0.5, 0.6)})
MARGIN = {"activation": "tanh"}
CLASSES = {"task": "multiclass", "labels": ABC}
LABELS = {"task": "multilabel", "labels": ABC, "activation": "sigmoid"}
VALUES = {"task": "regression", "labels": ()}


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
        (MARGIN | {"calibration": Identity(), "decision": Threshold()}, "decided at 0: leave the decision out"),
        (MARGIN | {"prior": Prior((0.5, 0.5), (0.1, 0.9))}, "a tanh margin without calibrator has no probability"),
        (VALUES | {"prior": Prior((0.5, 0.5), (0.1, 0.9))}, "prior is given: a regression head has no classes"),
        (VALUES | {"calibration": Identity()}, "calibration 'identity' does not apply to a regression head"),
        (CLASSES | {"prior": Prior((0.5, 0.5), (0.1, 0.9))}, "prior source has 2 entries: it must have 3"),
        ({"prior": Prior((0.5, 0.4), (0.1, 0.9))}, "prior source sums to 0.9"),
        (CLASSES | {"calibration": Vector((1, 1), (0, 0))}, "'vector' was fitted to 2 labels: the head has 3"),
        (LABELS | {"calibration": EachLabel((Platt(1, 0),))}, "'per_label' was fitted to 1 labels: the head has 3"),
        ({"decision": THREE}, "costs has 3 rows and columns: the head has 2 classes"),
        (LABELS | {"decision": THREE}, "cost of a false alarm / (cost of a false alarm + cost of a miss)"),
        (LABELS | {"decision": Threshold(abstain=Abstain(floor=0.9))}, "abstain and prediction_set need one answer"),
        (LABELS | {"decision": Threshold(prediction_set=EACH_CLASS)}, "abstain and prediction_set need one answer"),
        (CLASSES | {"decision": Argmax(prediction_set=EACH_CLASS)}, "a list of 2 quantiles: the head has 3 classes"),
        (CLASSES | {"decision": Argmax(abstain=Abstain(set=True))}, "abstain by set needs a prediction_set"),
        ({"decision": Threshold(abstain=ABSTAIN)}, "abstain by cost needs the rule 'cost'"),
        (CLASSES | {"decision": Argmax(abstain=ABSTAIN)}, "abstain by cost needs the rule 'cost'"),
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
    ("rule", "value"), [(Threshold, "0.5"), (Threshold, None), (PerLabel, [0.5]), (PerLabel, {"a": None})]
)
def test_cuts_are_numbers(rule: Any, value: Any) -> None:
    with pytest.raises(
        InvalidCardError, match=r"^threshold.* is .*: it must (be a finite number|hold numbers by name)$"
    ):
        rule(value)


def test_cuts_are_kept_as_plain_numbers() -> None:
    rule = Threshold(np.float32(0.25), {"low": np.float64(0.125)})  # type: ignore[arg-type]

    assert repr(rule) == repr(Threshold(0.25, {"low": 0.125}))


@pytest.mark.parametrize("rule", [Threshold, Argmax, lambda **parts: PerLabel({"a": 0.5}, **parts)])
def test_ranks_are_counted_from_one(rule: Any) -> None:
    for count in (0, 2**31, 2.5, True, "3"):
        with pytest.raises(InvalidCardError, match=r"^top_k is .*: it must be a whole number from 1 to 2147483647$"):
            rule(top_k=count)


@pytest.mark.parametrize("part", ["abstain", "prediction_set"])
def test_parts_of_a_rule_are_of_their_types(part: str) -> None:
    with pytest.raises(InvalidCardError, match=f"^{part} is .*: it must be one of headwise's"):
        Argmax(**{part: {"floor": 0.5}})  # type: ignore[arg-type]


def test_a_calibration_that_was_refused_changes_nothing() -> None:
    output = np.array([[-0.3], [0.0], [0.9]], np.float32)
    for activation in ("linear", "tanh"):
        plain = Head("binary", activation, AB)
        refused = replace(plain, calibration=Identity())

        assert refused.is_margin == plain.is_margin == (activation == "tanh")
        for name in ("probabilities", "margins", "indices"):
            one, other = getattr(plain.predict(output), name), getattr(refused.predict(output), name)
            assert (one is None) == (other is None)
            assert one is None or one.tobytes() == other.tobytes()


def test_the_threshold_cuts_after_the_prior() -> None:
    head = Head("binary", "sigmoid", AB, prior=Prior((0.5, 0.5), (0.9, 0.1)), decision=Threshold(0.5))

    said = head.predict([0.89, 0.91])

    assert said.indices is not None
    assert said.indices.tolist() == [0, 1], "odds of 9 against 1 are needed now"


@pytest.mark.parametrize(
    ("head", "output", "logits", "form"),
    [
        (Head("binary", "linear", AB), [1.5, -2.0], [[1.5], [-2.0]], Form.BINARY),
        (Head("binary", "linear", AB), [[[1.0, 1.5]], [[0.0, -2.0]]], [[0.5], [-2.0]], Form.BINARY),
        (Head("binary", "tanh", AB), [np.tanh(0.5)], [[1.0]], Form.BINARY),
        (Head("binary", "sigmoid", AB, calibration=Platt(3, 1)), [0.75], [[np.log(3)]], Form.BINARY),
        (Head("multiclass", "softmax", ABC), [[0.5, 0.5, 0.0]], [[np.log(0.5), np.log(0.5), -60]], Form.MULTICLASS),
        (Head("multilabel", "linear", AB), [[1.0, 2.0]], [[1.0, 2.0]], Form.MULTILABEL),
        (Head("ordinal", "linear", ABC, "conditional"), [[1.0, 2.0]], [[1.0, 2.0]], Form.CONDITIONAL),
    ],
)
def test_canonical_logits_are_those_that_a_calibrator_gets(head: Head, output: Any, logits: Any, form: Form) -> None:
    came, of = head.canonical(output)

    assert of is form
    assert came.dtype == np.float64
    np.testing.assert_allclose(came, logits, rtol=1e-12)


def test_what_has_no_canonical_logits_is_refused() -> None:
    with pytest.raises(CalibrationError, match="a regression head answers values"):
        Head("regression", "linear").canonical([1.0])
    with pytest.raises(NonFiniteOutputError):
        Head("binary", "linear", AB).canonical([np.nan])


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
        ({"decision": {"rule": "threshold"}}, "one of headwise's Threshold, PerLabel, Argmax, Cost"),
        ({"calibration": {"method": "temperature"}}, "one of headwise's Identity, Temperature, "),
        ({"prior": {"source": [0.5, 0.5]}}, "one of headwise's Prior"),
    ],
)
def test_a_head_of_the_wrong_types_is_refused(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidCardError, match=part):
        Head(**{"task": "binary", "activation": "linear", "labels": ("no", "yes"), **fields})


@pytest.mark.timeout(10)
def test_many_labels_are_held_against_each_other_in_one_pass() -> None:
    labels = tuple(map(str, range(100_000)))

    assert Head("multiclass", "softmax", labels).labels == labels
    with pytest.raises(InvalidCardError, match="labels holds '7' more than once"):
        Head("multiclass", "softmax", (*labels, "7"))
