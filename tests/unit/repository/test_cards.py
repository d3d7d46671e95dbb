"""Head cards: read whole, held against their model, or refused with the file, the key and the reason."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from headwise.errors import InvalidCardError, UnsupportedHeadError
from headwise.heads import Head, HeadCard, ModelRecord, SignatureHeads, Temperature, Threshold
from headwise.repository.cards import CARD_PATH, check_card, fitted, json_schema, parse_card, read_card
from headwise.savedmodel import SavedModel, Signature, TensorSpec
from support.graphs import node, read, saved_model

SCHEMA = Path(__file__).parents[3] / "docs" / "head-card.schema.json"
BINARY = {"task": "binary", "activation": "linear", "labels": ["benign", "malignant"]}
DESIGN: dict[str, Any] = {
    "card_version": 1,
    "signatures": {
        "serving_default": {
            "heads": {
                "output_0": BINARY
                | {
                    "calibration": {"method": "temperature", "temperature": 1.31},
                    "decision": {"rule": "threshold", "threshold": 0.5, "thresholds": {"screening": 0.1}},
                }
            }
        }
    },
    "model": {"fingerprint": "…", "verified": True},
    "evidence": {"output_0": {"data": "holdout.npz", "rows": 171, "log_loss": {"before": 0.11, "after": 0.08}}},
}
HEAD = "signatures.serving_default.heads.output_0"


def card(head: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"card_version": 1, "signatures": {"serving_default": {"heads": {"output_0": head}}}} | rest


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in BINARY.items() if name != key}


VALID = [
    DESIGN,
    card(BINARY),
    {"card_version": 1, "signatures": {}},
    card({"task": "regression", "activation": "sigmoid", "range": [0, 1]}),
    card({"task": "ordinal", "activation": "linear", "labels": ["a", "b", "c"], "encoding": "conditional"}),
    card(BINARY | {"calibration": {"method": "platt", "slope": 1, "intercept": -0.5}}),
    card({"task": "multiclass", "activation": "softmax", "labels": ["a", "b"], "decision": {"rule": "argmax"}}),
    card(
        {"task": "multilabel", "activation": "sigmoid", "labels": ["größer"]}
        | {"decision": {"rule": "per_label", "thresholds": {"größer": 0.2}}}
    ),
]
MALFORMED = [
    # key, reason, card: what the schema refuses too
    ("card_version", "Input should be 1", DESIGN | {"card_version": 2}),
    ("card_version", "it is required", {"signatures": {}}),
    ("signatures", "it is required", {"card_version": 1}),
    ("signatures.serving_default.heads", "it is required", {"card_version": 1, "signatures": {"serving_default": {}}}),
    ("colour", "there is no such key", card(BINARY, colour=1)),
    (f"{HEAD}.colour", "there is no such key", card(BINARY | {"colour": 1})),
    (f"{HEAD}.task", "it is required", card(without("task"))),
    (f"{HEAD}.activation", "it is required", card(without("activation"))),
    (f"{HEAD}.task", "Input should be 'binary', 'multiclass'", card(BINARY | {"task": "ranking"})),
    (f"{HEAD}.activation", "Input should be 'linear', 'sigmoid'", card(BINARY | {"activation": "relu"})),
    (f"{HEAD}.labels", "Input should be a valid", card(BINARY | {"labels": "ab"})),
    (f"{HEAD}.labels.1", "Input should be a valid string", card(BINARY | {"labels": ["a", 1]})),
    (
        f"{HEAD}.calibration.temperature",
        "Input should be a valid number",
        card(BINARY | {"calibration": {"method": "temperature", "temperature": "1.3"}}),
    ),
    (f"{HEAD}.calibration", "its 'method' is required", card(BINARY | {"calibration": {"temperature": 1.3}})),
    (f"{HEAD}.calibration", "its 'method' is 'spline'", card(BINARY | {"calibration": {"method": "spline"}})),
    (
        f"{HEAD}.decision.prediction_set.quantiles.0.9",
        "valid number",
        card(
            BINARY
            | {
                "decision": {
                    "rule": "threshold",
                    "prediction_set": {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": "x"}},
                }
            }
        ),
    ),
    (
        f"{HEAD}.decision.cut",
        "there is no such key",
        card(BINARY | {"decision": {"rule": "threshold", "cut": 0.5}}),
    ),
    (f"{HEAD}.decision", "its 'rule' is required", card(BINARY | {"decision": {"threshold": 0.5}})),
    ("model.verified", "Input should be a valid boolean", card(BINARY, model={"verified": "yes"})),
]
CONTRADICTING = [
    (HEAD, "labels has 0 entries: binary needs", card(without("labels"))),
    (HEAD, "labels holds 'a' more than once", card(BINARY | {"labels": ["a", "a"]})),
    (
        f"{HEAD}.decision",
        "threshold is 1.5: it must",
        card(BINARY | {"decision": {"rule": "threshold", "threshold": 1.5}}),
    ),
    (HEAD, "decision rule 'argmax' does not fit", card(BINARY | {"decision": {"rule": "argmax"}})),
    (HEAD, 'write "task": "multilabel"', card(BINARY | {"task": "multiclass", "activation": "sigmoid"})),
    (HEAD, '"range": [0.0, 1.0]', card({"task": "regression", "activation": "sigmoid"})),
]


@pytest.mark.parametrize("document", VALID)
def test_a_valid_card_is_read_and_fits_the_schema(document: dict[str, Any]) -> None:
    parse_card(json.dumps(document).encode())
    jsonschema.validate(document, json_schema(), jsonschema.Draft202012Validator)


def test_the_card_of_the_design_says_what_it_says() -> None:
    read = parse_card(json.dumps(DESIGN).encode())

    assert read.signatures["serving_default"].heads["output_0"] == Head(
        "binary",
        "linear",
        ("benign", "malignant"),
        calibration=Temperature(1.31),
        decision=Threshold(0.5, {"screening": 0.1}),
    )
    assert read.model is not None
    assert read.model.verified
    assert read.evidence["output_0"]["rows"] == 171


@pytest.mark.parametrize(("key", "reason", "document"), MALFORMED + CONTRADICTING)
def test_a_refusal_names_file_key_and_reason(tmp_path: Path, key: str, reason: str, document: dict[str, Any]) -> None:
    file = write(tmp_path, json.dumps(document).encode())

    with pytest.raises(InvalidCardError) as caught:
        read_card(tmp_path)

    assert str(caught.value).startswith(f"{file}: {key}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("document", [document for _, _, document in MALFORMED])
def test_what_is_malformed_does_not_fit_the_schema_either(document: dict[str, Any]) -> None:
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(document)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the document: Invalid JSON"),
        (b"\xff", "the document: Invalid JSON"),
        (json.dumps(DESIGN).encode()[:-9], "the document: Invalid JSON"),
        (b"[]", "the document: Input should be an object"),
        (b'{"card_version": 1, "signatures": {}, "signatures": {}}', "signatures: the key is there twice"),
        (b'{"card_version": 1, "signatures": {}, "evidence": {"loss": NaN}}', "the document: NaN is no JSON number"),
        (b"[" * 100_000, "the document: Invalid JSON"),
    ],
)
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    file = write(tmp_path, data)

    with pytest.raises(InvalidCardError) as caught:
        read_card(tmp_path)

    assert str(caught.value).startswith(f"{file}: {reason}")


def test_several_reasons_are_counted() -> None:
    with pytest.raises(InvalidCardError, match=r"^signatures: it is required \(and 1 more\)$"):
        parse_card(b'{"card_version": 1, "colour": 2}')


def test_a_refused_cell_keeps_its_class() -> None:
    with pytest.raises(UnsupportedHeadError, match=f"^{HEAD}: multiclass"):
        parse_card(json.dumps(card(BINARY | {"task": "multiclass", "activation": "tanh"})).encode())


def test_a_version_without_card_has_none(tmp_path: Path) -> None:
    assert read_card(tmp_path) is None


def test_a_card_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / CARD_PATH).mkdir(parents=True)

    with pytest.raises(InvalidCardError, match=f"{CARD_PATH}: Is a directory"):
        read_card(tmp_path)


def test_a_card_keeps_its_bytes_and_their_digest(tmp_path: Path) -> None:
    data = json.dumps(DESIGN, indent=3).encode()
    write(tmp_path, data)

    read = read_card(tmp_path)

    assert read is not None
    assert read.document == data
    assert read.digest == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("name", "output", "spec", "head", "reason"),
    [
        ("other", "output_0", None, BINARY, "signatures.other: the model's signatures are 'serving_default'"),
        ("serving_default", "scores", None, BINARY, "heads.scores: the signature's outputs are 'output_0'"),
        (
            None,
            None,
            TensorSpec("int64", (None, 1)),
            BINARY,
            f"{HEAD}: the output is int64 (?, 1): a head reads floating",
        ),
        (None, None, TensorSpec("string", (None,)), BINARY, "the output is string (?,)"),
        (None, None, TensorSpec("float32", ()), BINARY, f"{HEAD}: the output is a scalar"),
        (
            None,
            None,
            TensorSpec("float32", (None, 3)),
            BINARY,
            f"{HEAD}: the output has 3 units, but binary with 2 labels",
        ),
        (
            None,
            None,
            TensorSpec("float32", (None, 1)),
            BINARY | {"activation": "softmax"},
            "one softmax unit is always 1",
        ),
        (
            None,
            None,
            TensorSpec("float32", (None, 2)),
            BINARY | {"activation": "sigmoid"},
            "two labels, not two classes",
        ),
    ],
)
def test_a_card_that_does_not_fit_its_model_is_refused(
    name: str | None, output: str | None, spec: TensorSpec | None, head: dict[str, Any], reason: str
) -> None:
    heads = {"heads": {output or "output_0": head}}
    read = parse_card(json.dumps({"card_version": 1, "signatures": {name or "serving_default": heads}}).encode())

    with pytest.raises(InvalidCardError) as caught:
        check_card(read, model(spec or TensorSpec("float32", (None, 1))))

    assert reason in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(None,), (None, 1), (None, 2), (None, 7, 1), (None, None), None])
def test_a_card_that_fits_its_model_passes(dtype: str, shape: tuple[int | None, ...] | None) -> None:
    check_card(parse_card(json.dumps(card(BINARY)).encode()), model(TensorSpec(dtype, shape)))


def test_the_published_schema_is_the_generated_one() -> None:
    regenerate = "python -m headwise.repository.cards > docs/head-card.schema.json"

    assert json.loads(SCHEMA.read_text("utf-8")) == json_schema(), f"regenerate it: {regenerate}"


def model(spec: TensorSpec) -> SavedModel:
    signature = Signature({"features": TensorSpec("float32", (None, 4))}, {"output_0": spec})
    return SavedModel({"serving_default": signature}, None, "2.21.0")


def write(folder: Path, data: bytes) -> Path:
    file = folder / CARD_PATH
    file.parent.mkdir()
    file.write_bytes(data)
    return file


@pytest.mark.parametrize(("op", "proved"), [("Sigmoid", True), ("SomeOp", False)])
def test_a_card_is_verified_where_the_graph_shows_every_activation(tmp_path: Path, op: str, proved: bool) -> None:
    nodes = node("x", "MatMul", shape=(None, 1)), node("y", op, "x:0")
    model = read(tmp_path, saved_model({"y": ("y:0", (None, 1))}, *nodes))
    head = Head("binary", "sigmoid", ("no", "yes"))

    card = fitted(HeadCard(1, {"serving_default": SignatureHeads({"y": head})}), model)
    assert card.model == ModelRecord(model.fingerprint, verified=proved)
    with pytest.raises(InvalidCardError, match=r"heads\.z: the signature's outputs are 'y'"):
        fitted(HeadCard(1, {"serving_default": SignatureHeads({"z": head})}), model)
