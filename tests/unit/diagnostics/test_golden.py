"""Golden records: which rows are chosen, and what counts as a difference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from headwise.diagnostics.golden import GoldenRecord, choose, decide_anew, decided, difference
from headwise.diagnostics.rounding import tolerance
from headwise.errors import OutputRangeError
from headwise.heads import Abstain, Argmax, Cost, Head, PerLabel, PredictionSet, Temperature, Threshold
from headwise.savedmodel import Signature, TensorSpec

Arrays: TypeAlias = dict[str, NDArray[Any]]

LOGIT = Head("binary", "linear", ("benign", "malignant"))
SIGMOID = Head("binary", "sigmoid", ("benign", "malignant"))
PAIR = Head("binary", "softmax", ("benign", "malignant"))
SOFTMAX = Head("multiclass", "softmax", ("a", "b", "c"))
LABELS = Head("multilabel", "sigmoid", ("x", "y"))
VALUE = Head("regression", "linear")
COSTS = Cost(((0, 1, 4), (2, 0, 2), (8, 1, 0)), abstain=Abstain(cost=0.7))
RANDOM = PredictionSet("raps", 0.9, {"0.9": 0.75}, penalty=0.2, free=1)
UNSURE = Argmax(abstain=Abstain(floor=0.6))
HEADS: list[tuple[Head, Any]] = [
    (LOGIT, [[1.5]]),
    (SIGMOID, [[0.2]]),
    (PAIR, [[0.2, 0.8]]),
    (Head("binary", "softmax", ("no", "yes"), decision=Threshold(0.1)), [[0.7, 0.3]]),
    (Head("binary", "tanh", ("no", "yes")), [[-0.4]]),
    (SOFTMAX, [[0.2, 0.7, 0.1]]),
    (Head("multiclass", "log_softmax", ("a", "b", "c"), calibration=Temperature(2.0)), [np.log([0.2, 0.7, 0.1])]),
    (Head("multiclass", "linear", ("a", "b", "c")), [[-2.0, 1.0, 0.5]]),
    (LABELS, [[0.9, 0.2]]),
    (Head("multilabel", "linear", ("x", "y"), decision=PerLabel({"x": 0.9, "y": 0.2})), [[3.0, -3.0]]),
    (Head("ordinal", "sigmoid", ("low", "mid", "high")), [[0.8, 0.3]]),
    (Head("ordinal", "linear", ("low", "mid", "high"), encoding="conditional"), [[2.0, 1.5]]),
    (replace(SIGMOID, decision=Threshold(0.4, abstain=Abstain(floor=0.7))), [[0.45]]),
    (replace(PAIR, decision=Threshold(0.4, abstain=Abstain(margin=0.5))), [[0.4, 0.6]]),
    (replace(PAIR, decision=Cost(((0, 1), (3, 0)))), [[0.7, 0.3]]),
    (replace(SOFTMAX, decision=UNSURE), [[0.2, 0.5, 0.3]]),
    (replace(SOFTMAX, decision=Argmax(abstain=Abstain(margin=0.3))), [[0.2, 0.7, 0.1]]),
    (replace(SOFTMAX, decision=replace(COSTS, abstain=None)), [[0.3, 0.6, 0.1]]),
    (replace(SOFTMAX, decision=Argmax(abstain=Abstain(set=True), prediction_set=RANDOM)), [[0.1, 0.2, 0.7]]),
    (Head("multiclass", "linear", ("a", "b", "c"), decision=COSTS), [[-2.0, 3.0, 0.5]]),
    (Head("ordinal", "sigmoid", ("low", "mid", "high"), decision=Threshold(abstain=Abstain(floor=0.6))), [[0.8, 0.1]]),
    (Head("ordinal", "linear", ("low", "mid", "high"), decision=COSTS), [[2.0, 1.5]]),
]


def chosen(head: Head, raw: ArrayLike, most: int = 8, dtype: str = "float32") -> tuple[GoldenRecord, ...]:
    """What is chosen of these raw outputs; the input of each row is its number."""
    outputs = {"y": np.array(raw, dtype)}
    inputs = {"x": np.arange(len(outputs["y"]))}
    return choose("serving_default", signature(inputs, outputs), inputs, outputs, {"y": head}, most=most)


def signature(inputs: Arrays, outputs: Arrays, batch: int | None = None, **dtypes: str) -> Signature:
    """The signature of these arrays (batch, ...), whose outputs have the dtypes of their arrays or those given."""

    def specs(arrays: Arrays) -> dict[str, TensorSpec]:
        return {
            name: TensorSpec(dtypes.get(name, array.dtype.name), (batch, *array.shape[1:]) if array.ndim else ())
            for name, array in arrays.items()
        }

    return Signature(specs(inputs), specs(outputs))


def rows(records: tuple[GoldenRecord, ...]) -> list[int]:
    return [int(record.inputs["x"].item()) for record in records]


def expecting(head: Head, raw: ArrayLike, dtype: str = "float32") -> GoldenRecord:
    outputs = {"y": np.array(raw, dtype)}
    return GoldenRecord("serving_default", {"x": np.zeros((1, 1))}, outputs, decided(outputs, {"y": head}))


def told(record: GoldenRecord, head: Head, raw: ArrayLike, dtype: str = "float32") -> str | None:
    return difference(record, {"y": np.array(raw, dtype)}, {"y": head})


def test_each_decision_comes_once_before_any_comes_twice() -> None:
    raw = np.eye(3)[[0, 0, 0, 0, 1, 1, 2]] * 0.7 + 0.1
    assert rows(chosen(SOFTMAX, raw, 3)) == [0, 4, 6]
    assert rows(chosen(SOFTMAX, raw, 5)) == [0, 1, 4, 5, 6]
    assert rows(chosen(SOFTMAX, raw)) == list(range(7))


def test_a_record_is_one_row_with_all_that_came_for_it() -> None:
    outputs = {"y": np.array([[1.0], [-1.0]], np.float32), "hidden": np.array([[1, 2], [3, 4]], np.int32)}
    inputs = {"x": np.array([[5.0], [6.0]], np.float32), "training": np.array(False), "text": np.array([b"a", b"b"])}
    _, second = choose("other", signature(inputs, outputs), inputs, outputs, {"y": LOGIT})
    assert second.signature_name == "other"
    assert second.inputs["x"].tolist() == [[6.0]]
    assert second.inputs["training"].shape == ()
    assert second.inputs["text"].tolist() == [b"b"]
    assert second.outputs["hidden"].tolist() == [[3, 4]]
    assert {name: array.tolist() for name, array in second.decided.items()} == {"y": [0]}


def test_a_signature_with_a_fixed_batch_gets_records_of_that_many_rows() -> None:
    inputs = {"x": np.arange(5.0, dtype=np.float32), "training": np.array(False)}
    outputs = {"y": np.array([[3.0], [-1.0], [2.0], [0.0], [-2.0]], np.float32)}
    for batch, expected in ((1, [[0], [1], [2], [4]]), (3, [[0, 1, 2], [4, 0, 1]]), (6, [[0, 1, 2, 4, 0, 1]])):
        records = choose("s", signature(inputs, outputs, batch), inputs, outputs, {"y": LOGIT})
        assert [record.inputs["x"].tolist() for record in records] == expected
        for record, rows in zip(records, expected, strict=True):
            assert record.inputs["training"].shape == ()
            assert record.outputs["y"].tolist() == outputs["y"][rows].tolist()
            assert record.decided["y"].tolist() == [int(outputs["y"][row, 0] > 0) for row in rows]
    assert choose("s", signature(inputs, outputs, 3), inputs, {"y": outputs["y"] * 0}, {"y": LOGIT}) == ()


def test_of_several_rows_a_difference_names_the_row() -> None:
    assert told(expecting(LOGIT, [[1.0], [2.0]]), LOGIT, [[1.0], [3.0]]) == (
        "output 'y' is 3 at [1, 0], expected is 2 within 0.021"
    )
    turned = replace(LOGIT, decision=Threshold(0.9))
    assert told(expecting(LOGIT, [[5.0], [1.0]]), turned, [[5.0], [1.0]]) == (
        "head 'y' decides 'benign' (0) at [1], expected is 'malignant' (1)"
    )
    strict = replace(LABELS, decision=PerLabel({"x": 0.95, "y": 0.5}))
    assert told(expecting(LABELS, [[0.2, 0.2], [0.9, 0.2]]), strict, [[0.2, 0.2], [0.9, 0.2]]) == (
        "head 'y' says that 'x' is off at [1], expected is on"
    )


def test_rows_that_rounding_could_flip_are_passed_over() -> None:
    assert rows(chosen(LOGIT, [[0.0009], [0.002], [-0.0009], [-0.002]])) == [1, 3]
    assert rows(chosen(SIGMOID, [[0.5], [0.505], [0.51], [0.49], [0.48]])) == [2, 3, 4]
    assert rows(chosen(SOFTMAX, [[0.4, 0.4, 0.2], [0.404, 0.396, 0.2], [0.42, 0.38, 0.2]])) == [2]
    assert rows(chosen(LABELS, [[0.9, 0.501], [0.9, 0.6]])) == [1]
    assert rows(chosen(LOGIT, [[0.005], [0.05]], dtype="float16")) == [1]


def test_the_cut_of_the_card_is_the_one_that_counts() -> None:
    screening = replace(SIGMOID, decision=Threshold(0.1))
    assert rows(chosen(screening, [[0.1], [0.5]])) == [1]
    pair = replace(PAIR, decision=Threshold(0.1))
    assert rows(chosen(pair, [[0.9, 0.1], [0.5, 0.5], [0.95, 0.05]])) == [1, 2]


def test_to_abstain_is_a_decision_that_is_kept_and_held() -> None:
    head = replace(SOFTMAX, decision=UNSURE)
    raw = [[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.605, 0.195, 0.2], [0.595, 0.205, 0.2]]
    records = chosen(head, raw)

    assert rows(records) == [0, 1], "the other rows lie within rounding of the floor"
    assert [record.decided["y"].tolist() for record in records] == [[0], [-1]]
    assert told(records[1], SOFTMAX, [raw[1]]) == "head 'y' decides 'a' (0), expected is nothing (it abstains)"
    assert told(expecting(SOFTMAX, [raw[1]]), head, [raw[1]]) == (
        "head 'y' decides nothing (it abstains), expected is 'a' (0)"
    )


def test_a_tie_of_costs_is_passed_over_whichever_class_breaks_it() -> None:
    """In the second row b and c cost nearly the same, and the probability of a, neither of them, counts most."""
    by_cost = Head("multiclass", "linear", ("a", "b", "c"), decision=replace(COSTS, abstain=None))

    assert rows(chosen(by_cost, [[1.59, 1.15, 1.0], [1.59, 1.15, 3.0]])) == [0]


def test_an_ordinal_row_near_the_floor_is_passed_over() -> None:
    """Only steps that move apart make the middle class more probable."""
    head = Head("ordinal", "linear", ("low", "mid", "high"), decision=Threshold(abstain=Abstain(floor=0.6)))

    assert rows(chosen(head, [[1.16, -1.67], [1.16, -2.67]])) == [1]


def test_a_set_that_hangs_on_its_random_part_settles_nothing() -> None:
    """Rounding draws the random part anew: only rows that it cannot change are kept."""

    def kept(quantile: float, raw: ArrayLike) -> list[int]:
        sets = replace(RANDOM, quantiles={"0.9": quantile})
        return rows(chosen(replace(SOFTMAX, decision=Argmax(abstain=Abstain(set=True), prediction_set=sets)), raw))

    # The likeliest class scores u p1, the second p1 + u p2 + 0.2, the third p1 + p2 + u p3 + 0.4.
    surely_one, surely_two = [0.7, 0.2, 0.1], [0.3, 0.2, 0.5]
    perhaps_one = [[0.35 + shift, 0.33 - shift, 0.32] for shift in np.linspace(0, 0.02, 30)]
    perhaps_none = [[0.9 + shift, 0.1 - shift, 0.0] for shift in np.linspace(0, 0.05, 30)]

    assert kept(0.75, [surely_one, *perhaps_one, *perhaps_none]) == [0]
    assert kept(1.1, [surely_two]) == [0]


def test_rows_that_say_nothing_are_passed_over() -> None:
    assert rows(chosen(LOGIT, [[np.nan], [1.0], [np.inf]])) == [1]
    assert rows(chosen(SIGMOID, [[1.5], [0.9]])) == [1]
    assert chosen(LOGIT, np.zeros((0, 1))) == ()
    assert chosen(LOGIT, [[np.nan]]) == ()
    spoilt = {"x": np.array([[1.0], [np.nan], [1.0]], np.float32)}
    outputs = {"y": np.array([[1.0], [1.0], [1.0]], np.float32), "z": np.array([np.inf, 1.0, 1.0], np.float32)}
    (record,) = choose("s", signature(spoilt, outputs), spoilt, outputs, {"y": LOGIT})
    assert record.outputs["z"].tolist() == [1.0]


def test_a_regression_head_and_an_output_without_head_decide_nothing() -> None:
    assert [record.decided for record in chosen(VALUE, [[1.0], [2.0]])] == [{}, {}]
    inputs, outputs = {"x": np.zeros((1, 1))}, {"y": np.ones((1, 1), np.float32)}
    (record,) = choose("s", signature(inputs, outputs), inputs, outputs, {})
    assert record.decided == {}


def test_of_an_output_with_positions_one_decision_must_stand() -> None:
    raw = [[[0.0], [5.0]], [[0.0], [0.0]]]
    (record,) = chosen(LOGIT, raw)
    assert rows((record,)) == [0]
    assert told(record, LOGIT, [[[-0.0005], [5.0]]]) is None, "the first position is within rounding of its cut"
    flipped = replace(record, decided={"y": np.array([[1, 0]])})
    assert told(flipped, LOGIT, [[[0.0], [5.0]]]) == "head 'y' decides 'malignant' (1) at [1], expected is 'benign' (0)"


@pytest.mark.parametrize(("head", "raw"), HEADS, ids=lambda value: getattr(value, "task", ""))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_head_is_chosen_and_holds_under_rounding(head: Head, raw: ArrayLike, dtype: str) -> None:
    (record,) = chosen(head, raw, dtype=dtype)
    assert told(record, head, record.outputs["y"], dtype) is None
    nearly = record.outputs["y"].astype(np.float64) * (1 + 1e-4)
    if head.activation == "softmax":
        nearly /= nearly.sum(axis=-1, keepdims=True)
    if head.activation == "log_softmax":
        nearly -= np.log(np.exp(nearly).sum(axis=-1, keepdims=True))
    assert told(record, head, nearly.astype(dtype), dtype) is None


@given(
    st.integers(0, len(HEADS) - 1),
    st.lists(st.floats(-4, 4, width=32), min_size=3, max_size=3),
    st.lists(st.floats(-1, 1), min_size=3, max_size=3),
)
def test_no_rounding_within_the_tolerance_flips_a_chosen_row(which: int, logits: list[float], off: list[float]) -> None:
    head, sample = HEADS[which]
    raw = activated(head, np.array([logits[: np.shape(sample)[-1]]]))
    for record in chosen(head, raw, dtype="float64"):
        moved = raw + np.array(off[: raw.shape[-1]]) * tolerance(raw).of(raw) * 0.99
        if head.activation == "softmax":
            moved = np.clip(moved, 0, 1) / np.clip(moved, 0, 1).sum()
        elif head.activation == "log_softmax":
            moved = moved - np.log(np.exp(moved).sum())
        elif head.activation != "linear":
            moved = np.clip(moved, 0 if head.activation == "sigmoid" else -1, 1)
        now = decided({"y": moved}, {"y": head})
        assert np.array_equal(now["y"], record.decided["y"])


def activated(head: Head, logits: NDArray[Any]) -> NDArray[Any]:
    match head.activation:
        case "sigmoid":
            return np.asarray(1 / (1 + np.exp(-logits)))
        case "softmax":
            return np.asarray(np.exp(logits) / np.exp(logits).sum())
        case "log_softmax":
            return np.asarray(logits - np.log(np.exp(logits).sum()))
        case "tanh":
            return np.asarray(np.tanh(logits))
        case _:
            return logits


def test_a_difference_says_what_came_and_what_was_expected() -> None:
    assert told(expecting(LOGIT, [[1.0]]), LOGIT, [[1.0]]) is None
    assert told(expecting(LOGIT, [[1.0]]), LOGIT, [[1.02]]) == "output 'y' is 1.02, expected is 1 within 0.011"
    found = told(expecting(SOFTMAX, [[0.2, 0.7, 0.1]]), SOFTMAX, [[0.7, 0.2, 0.1]])
    assert found == "output 'y' is 0.7 at [0], expected is 0.2 within 0.003", (
        "it names the place where there are several"
    )
    assert told(expecting(LOGIT, [[1.0]]), LOGIT, [[np.nan]]) == "output 'y' is nan, expected is 1 within 0.011"
    assert told(expecting(LOGIT, [[1.0]]), LOGIT, [[1.0, 2.0]]) == (
        "output 'y' is float32 (1, 2), expected is float32 (1, 1)"
    )
    assert told(expecting(LOGIT, [[1.0]]), LOGIT, [[1.0]], "float64") == (
        "output 'y' is float64 (1, 1), expected is float32 (1, 1)"
    )
    assert difference(expecting(LOGIT, [[1.0]]), {"z": np.zeros(1)}, {"y": LOGIT}) == (
        "output 'y' did not come; these came: 'z'"
    )


def test_infinities_agree_with_themselves_only() -> None:
    logs = Head("multiclass", "log_softmax", ("a", "b"))
    record = expecting(logs, [[0.0, -np.inf]])
    assert told(record, logs, [[0.0, -np.inf]]) is None
    assert told(record, logs, [[-1e-9, -20.0]]) == "output 'y' is -20 at [1], expected is -inf within 0.001"
    assert told(expecting(logs, [[-1e-9, -20.0]]), logs, [[0.0, -np.inf]]) is not None


def test_what_is_no_floating_number_agrees_exactly() -> None:
    record = GoldenRecord("s", {}, {"n": np.array([[3, 4]]), "text": np.array([b"a"], object)}, {})
    assert difference(record, {"n": np.array([[3, 4]]), "text": np.array([b"a"], object)}, {}) is None
    assert difference(record, {"n": np.array([[3, 5]]), "text": record.outputs["text"]}, {}) == (
        "output 'n' is 5 at [1], expected is 4"
    )
    assert difference(record, {"n": record.outputs["n"], "text": np.array([b"b"], object)}, {}) == (
        "output 'text' is b'b', expected is b'a'"
    )


def test_a_decision_is_held_against_the_card_as_it_is_now() -> None:
    record = expecting(SIGMOID, [[0.3]])
    screening = replace(SIGMOID, decision=Threshold(0.1))
    assert told(record, screening, [[0.3]]) == "head 'y' decides 'malignant' (1), expected is 'benign' (0)"
    assert told(decide_anew(record, {"y": screening}), screening, [[0.3]]) is None
    assert told(record, replace(SIGMOID, decision=Threshold(0.3)), [[0.3]]) is None, (
        "a cut within rounding decides nothing"
    )
    labels = expecting(LABELS, [[0.9, 0.2]])
    strict = replace(LABELS, decision=PerLabel({"x": 0.95, "y": 0.5}))
    assert told(labels, strict, [[0.9, 0.2]]) == "head 'y' says that 'x' is off, expected is on"


def test_a_card_that_does_not_fit_the_records_is_a_difference() -> None:
    record = expecting(SOFTMAX, [[0.2, 0.7, 0.1]])
    output = {"y": record.outputs["y"]}
    assert difference(record, output, {}) == (
        "output 'y' has an expected decision, but the card describes no head of it"
    )
    assert told(record, LOGIT, record.outputs["y"]) is not None
    assert "contradicts its head" in str(told(expecting(LOGIT, [[2.0]]), SIGMOID, [[2.0]]))
    assert told(record, replace(LABELS, labels=("a", "b", "c")), record.outputs["y"]) == (
        "head 'y' decides bool (1, 3), expected is int64 (1,)"
    )
    assert told(record, VALUE, record.outputs["y"]) == "head 'y' decides nothing, expected is int64 (1,)"
    beyond = replace(record, decided={"y": np.array([7])})
    assert told(beyond, SOFTMAX, record.outputs["y"]) == (
        "head 'y' decides 'b' (1), expected is class 7, which the head does not have"
    )


def test_bfloat16_has_room_of_its_own_where_its_name_is_given() -> None:
    record, came = expecting(LOGIT, [[1.0]]), {"y": np.array([[1.05]], np.float32)}
    assert difference(record, came, {"y": LOGIT}) is not None
    assert difference(record, came, {"y": LOGIT}, dtypes={"y": "bfloat16"}) is None
    outputs = {"y": np.array([[0.02], [2.0]], np.float32)}
    assert len(choose("s", signature({}, outputs), {}, outputs, {"y": LOGIT})) == 2
    assert len(choose("s", signature({}, outputs, y="bfloat16"), {}, outputs, {"y": LOGIT})) == 1


def test_deciding_anew_tells_outputs_that_the_head_cannot_have() -> None:
    with pytest.raises(OutputRangeError):
        decide_anew(expecting(LOGIT, [[2.0]]), {"y": SIGMOID})
