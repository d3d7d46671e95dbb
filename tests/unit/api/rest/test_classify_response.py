"""The JSON of headwise's own call, task by task, exactly as it is documented."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from starlette.types import Message

from headwise.api.options import Include
from headwise.api.rest.classify_response import classification, headers, send_body
from headwise.errors import NonFiniteOutputError
from headwise.gateway import BatchAnswer, HeadAnswer
from headwise.heads import Abstain, Argmax, Head, HeadCard, Options, PredictionSet
from headwise.heads.calibrators import EachLabel, Temperature, VennAbers
from headwise.repository.cards import CardFile
from headwise.repository.served_model import ServedModel
from headwise.tripwires import HeadWarning

NO_OPTIONS = Options()
PROBABILITIES: frozenset[Include] = frozenset({"probabilities"})
BINARY = Head("binary", "sigmoid", ("benign", "malignant"))
CLASSES = Head("multiclass", "softmax", ("a", "b", "c"))
LABELS = Head("multilabel", "sigmoid", ("x", "y", "z"))
ORDINAL = Head("ordinal", "sigmoid", ("low", "middle", "high"))
VALUE = Head("regression", "linear")
THREE = [0.25, 0.5, 0.25]
VENN_ABERS = VennAbers((0.0,), (0.125, 0.25, 0.5), (0.25, 0.5, 0.75))
ABSTAINED = {"label": None, "index": None, "probability": None, "abstained": True}
MARGIN = Head("binary", "tanh", ("no", "yes"))


def respond(
    heads: Mapping[str, tuple[Head, Any]],
    include: frozenset[Include] = PROBABILITIES,
    options: Options = NO_OPTIONS,
) -> dict[str, Any]:
    """The parsed body for heads and their raw outputs."""
    answers = {}
    for name, (head, raw) in heads.items():
        output = np.asarray(raw, np.float64)
        answers[name] = HeadAnswer(head, head.answer(output, options), output)
    card = CardFile(HeadCard(1, {}), "d1935", b"{}")
    body = b"".join(classification(BatchAnswer(ServedModel("tumor", 3, {}, card), answers).whole, "id-1", include))
    parsed: dict[str, Any] = json.loads(body, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    return parsed


def predictions(head: Head, raw: Any, include: frozenset[Include] = PROBABILITIES, **options: Any) -> list[Any]:
    answered: list[Any] = respond({"output_0": (head, raw)}, include, Options(**options))["predictions"]
    return answered


def test_the_whole_body_of_a_binary_answer() -> None:
    assert respond({"output_0": (BINARY, [[0.75], [0.25]])}) == {
        "request_id": "id-1",
        "model": {"name": "tumor", "version": 3},
        "heads": {"output_0": {"task": "binary", "labels": ["benign", "malignant"]}},
        "predictions": [
            {"label": "malignant", "index": 1, "probability": 0.75, "probabilities": [0.25, 0.75]},
            {"label": "benign", "index": 0, "probability": 0.75, "probabilities": [0.75, 0.25]},
        ],
    }


@pytest.mark.parametrize(
    ("head", "raw", "expected"),
    [
        (CLASSES, [[0.25, 0.5, 0.25]], {"label": "b", "index": 1, "probability": 0.5, "probabilities": THREE}),
        (LABELS, [[0.75, 0.25, 0.5]], {"labels": ["x", "z"], "indices": [0, 2], "probabilities": [0.75, 0.25, 0.5]}),
        (LABELS, [[0.25, 0.25, 0.25]], {"labels": [], "indices": [], "probabilities": [0.25, 0.25, 0.25]}),
        (ORDINAL, [[0.75, 0.25]], {"label": "middle", "index": 1, "probability": 0.5, "probabilities": THREE}),
        (VALUE, [[151.5]], {"value": 151.5}),
        (VALUE, [151.5], {"value": 151.5}),
        (VALUE, [[1.0, 2.0]], {"value": [1.0, 2.0]}),
        (MARGIN, [[-0.25]], {"label": "no", "index": 0, "margin": -0.25, "probability": None}),
        (MARGIN, [[0.0]], {"label": "yes", "index": 1, "margin": 0.0, "probability": None}),
    ],
)  # fmt: skip
def test_every_task_has_its_shape(head: Head, raw: Any, expected: dict[str, Any]) -> None:
    assert predictions(head, raw) == [expected]


def test_a_head_without_labels_lists_none() -> None:
    assert respond({"output_0": (VALUE, [[1.0]])})["heads"] == {"output_0": {"task": "regression"}}


def test_probability_is_that_of_the_answered_label() -> None:
    (answer,) = predictions(BINARY, [[0.25]], threshold=0.125)
    assert (answer["label"], answer["probability"]) == ("malignant", 0.25)


def test_several_heads_are_keyed_by_name() -> None:
    body = respond({"risk": (BINARY, [[0.75], [0.25]]), "size": (VALUE, [[1.0], [2.0]])}, frozenset())
    assert body["heads"] == {
        "risk": {"task": "binary", "labels": ["benign", "malignant"]},
        "size": {"task": "regression"},
    }
    assert body["predictions"] == [
        {"risk": {"label": "malignant", "index": 1, "probability": 0.75}, "size": {"value": 1.0}},
        {"risk": {"label": "benign", "index": 0, "probability": 0.75}, "size": {"value": 2.0}},
    ]


def test_positions_are_nested_as_the_output_is() -> None:
    raw = np.array([[[0.75], [0.25], [0.5]], [[0.125], [0.875], [1.0]]])
    nested = predictions(BINARY, raw, frozenset({"raw"}))
    assert [[cell["index"] for cell in row] for row in nested] == [[1, 0, 1], [0, 1, 1]]
    assert [[cell["raw"] for cell in row] for row in nested] == raw.tolist()
    deep = predictions(CLASSES, np.full((1, 2, 2, 3), 1 / 3))
    assert deep[0][1][0] == {"label": "a", "index": 0, "probability": 1 / 3, "probabilities": [1 / 3] * 3}


@pytest.mark.parametrize(("shape", "nested"), [((2, 0, 3), [[], []]), ((1, 0, 2, 3), [[]]), ((1, 2, 0, 3), [[[], []]])])
def test_no_positions_are_empty_lists(shape: tuple[int, ...], nested: list[Any]) -> None:
    assert predictions(CLASSES, np.zeros(shape)) == nested


def test_top_k_lists_the_most_probable_classes_first() -> None:
    (answer,) = predictions(CLASSES, [[0.25, 0.5, 0.25]], frozenset(), top_k=2)
    assert answer == {
        "label": "b",
        "index": 1,
        "probability": 0.5,
        "top": [{"label": "b", "index": 1, "probability": 0.5}, {"label": "a", "index": 0, "probability": 0.25}],
    }
    (everything,) = predictions(BINARY, [[0.75]], top_k=9)
    assert [entry["label"] for entry in everything["top"]] == ["malignant", "benign"]


def test_include_decides_what_is_added() -> None:
    assert predictions(BINARY, [[0.75]], frozenset()) == [{"label": "malignant", "index": 1, "probability": 0.75}]
    assert predictions(VALUE, [[2.0]], frozenset()) == [{"value": 2.0}]
    (both,) = predictions(BINARY, [[0.75]], frozenset({"probabilities", "raw"}))
    assert (both["probabilities"], both["raw"]) == ([0.25, 0.75], [0.75])
    (vector,) = predictions(BINARY, [0.75], frozenset({"raw"}))
    assert vector["raw"] == 0.75, "an output of shape (batch,) has a number a row"


def test_raw_numbers_that_json_cannot_carry_are_refused() -> None:
    head, raw = Head("multiclass", "log_softmax", ("a", "b")), [[0.0, -np.inf]]
    assert predictions(head, raw)[0]["probabilities"] == [1.0, 0.0]
    with pytest.raises(NonFiniteOutputError, match="leave raw out of include"):
        predictions(head, raw, frozenset({"raw"}))


@pytest.mark.parametrize("number", [0.1, 1 / 3, 5e-324, 1 - 2**-53, 0.8656])
def test_numbers_are_shortest_round_trip_float64(number: float) -> None:
    (answer,) = predictions(VALUE, [[number]])
    assert answer["value"] == number


def test_an_abstained_row_says_so_and_keeps_its_probabilities() -> None:
    head = Head("multiclass", "softmax", ("a", "b", "c"), decision=Argmax(abstain=Abstain(floor=0.75)))
    away, told = predictions(head, [THREE, [0.0, 0.125, 0.875]])
    assert away == {**ABSTAINED, "probabilities": THREE}
    assert told == {"label": "c", "index": 2, "probability": 0.875, "probabilities": [0.0, 0.125, 0.875]}
    assert predictions(head, [THREE], frozenset(), abstain=Abstain()) == [
        {"label": "b", "index": 1, "probability": 0.5}
    ]
    positions = predictions(head, np.full((1, 2, 3), 1 / 3), frozenset())
    assert positions == [[ABSTAINED, ABSTAINED]]


def test_prediction_sets_list_their_classes() -> None:
    sets = PredictionSet("lac", 0.9, {"0.5": 0.5, "0.9": 0.75})
    head = Head(
        "multiclass", "softmax", ("a", "b", "c"), decision=Argmax(prediction_set=sets, abstain=Abstain(set=True))
    )
    wide, single = predictions(head, [THREE, [0.0, 0.125, 0.875]], frozenset())
    assert wide == {**ABSTAINED, "set": {"labels": ["a", "b", "c"], "indices": [0, 1, 2]}}
    assert single == {"label": "c", "index": 2, "probability": 0.875, "set": {"labels": ["c"], "indices": [2]}}
    (narrow,) = predictions(head, [THREE], frozenset(), coverage=0.5)
    assert narrow == {"label": "b", "index": 1, "probability": 0.5, "set": {"labels": ["b"], "indices": [1]}}
    empty = predictions(head, [[0.375, 0.375, 0.25]], frozenset(), coverage=0.5, abstain=Abstain())
    assert empty[0]["set"] == {"labels": [], "indices": []}


def test_intervals_come_where_they_are_wanted() -> None:
    wanted: frozenset[Include] = frozenset({"intervals"})
    binary = Head("binary", "linear", ("no", "yes"), calibration=VENN_ABERS)
    assert [row["interval"] for row in predictions(binary, [[0.0], [1.0]], wanted)] == [[0.25, 0.5], [0.5, 0.75]]
    assert "interval" not in predictions(binary, [[0.0]])[0]
    labels = Head("multilabel", "linear", ("x", "y"), calibration=EachLabel((VENN_ABERS, Temperature(1.0))))
    assert predictions(labels, [[0.0, 0.0]], wanted)[0]["intervals"] == [[0.25, 0.5], None]
    nested = predictions(binary, np.zeros((1, 2, 1)), wanted)
    assert [cell["interval"] for cell in nested[0]] == [[0.25, 0.5], [0.25, 0.5]]


def test_intervals_that_no_calibrator_gives_are_null_and_classes_have_none() -> None:
    wanted: frozenset[Include] = frozenset({"intervals"})
    assert predictions(BINARY, [[0.75]], wanted) == [
        {"label": "malignant", "index": 1, "probability": 0.75, "interval": None}
    ]
    assert predictions(LABELS, [[0.75, 0.25, 0.25]], wanted) == [{"labels": ["x"], "indices": [0], "intervals": None}]
    assert predictions(CLASSES, [THREE], wanted) == [{"label": "b", "index": 1, "probability": 0.5}]


def test_warnings_are_there_only_where_something_speaks_against_an_answer() -> None:
    output = np.array([[0.75]])
    answer = {"output_0": HeadAnswer(BINARY, BINARY.answer(output), output)}
    warned = BatchAnswer(ServedModel("tumor", 3, {}), answer, (HeadWarning("output_0", "HW118", "too large"),)).whole
    body = json.loads(b"".join(classification(warned, "id-1", PROBABILITIES)))
    assert body["warnings"] == [{"head": "output_0", "code": "HW118", "message": "too large"}]
    assert "warnings" not in respond({"output_0": (BINARY, [[0.75]])})


@pytest.mark.parametrize("count", [2047, 2048, 2049, 5000])
def test_many_rows_are_the_same_as_few(count: int) -> None:
    """They are written some at a time."""
    raw = np.random.default_rng(0).random((count, 1))
    some = predictions(BINARY, raw[-3:])
    everything = predictions(BINARY, raw)
    assert len(everything) == count
    assert everything[-3:] == some


@pytest.mark.anyio
async def test_others_have_their_turn_between_the_parts_of_a_body() -> None:
    sent: list[tuple[bytes, bool, int]] = []
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def send(message: Message) -> None:
        sent.append((message["body"], message.get("more_body", False), turns))

    others = asyncio.create_task(count_turns())
    await send_body([b"a", b"b", b"c"], send)
    others.cancel()
    assert [(body, more) for body, more, _ in sent] == [(b"a", True), (b"b", True), (b"c", False)]
    assert len({turn for *_, turn in sent}) == 3
    assert dict(headers([b"a", b"bc"], 7))[b"content-length"] == b"3"
