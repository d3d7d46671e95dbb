"""A version folder as one value: signatures, card, or the reason why it is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headwise.errors import (
    CalibrationMismatchError,
    HeadConfigError,
    HeadNotFoundError,
    InvalidCardError,
    UnreadableModelError,
    UnsupportedHeadError,
)
from headwise.repository.served_model import ServedModel, load
from headwise.savedmodel.reader import read_fingerprint
from support.in_memory_gateway import BINARY, Models, signature_def, write_card, write_saved_model
from support.model_repository import add_model

X = signature_def({"x": ("float32", (None, 4))}, {"p": ("float32", (None, 1)), "hidden": ("float32", (None, 8))})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "m" / "3"
    write_saved_model(folder, {"serving_default": X, "other": X, "__saved_model_init_op": X})
    return folder


def test_signature_and_heads_of_a_valid_version(folder: Path) -> None:
    write_card(folder, {"p": BINARY})
    model = load("m", 3, folder)
    assert str(model) == "model m version 3"
    assert model.refusal is None
    assert set(model.signatures) == {"serving_default", "other"}
    assert str(model.signature("serving_default").inputs["x"]) == "float32 (?, 4)"
    assert [head.labels for head in model.heads("serving_default").values()] == [("benign", "malignant")]


def test_a_signature_that_the_card_says_nothing_of_has_no_heads(folder: Path) -> None:
    write_card(folder, {"p": BINARY})
    model = load("m", 3, folder)
    for name in ("other", "nope"):
        with pytest.raises(HeadNotFoundError, match=f"no head of signature '{name}'; it describes: 'serving_default'"):
            model.heads(name)


def test_a_signature_that_the_card_names_without_heads_has_none(folder: Path) -> None:
    write_card(folder, {})
    with pytest.raises(HeadNotFoundError, match="no head of signature 'serving_default'; it describes: none"):
        load("m", 3, folder).signature("serving_default")


def test_no_card_is_no_refusal(folder: Path) -> None:
    model = load("m", 3, folder)
    assert (model.card, model.refusal) == (None, None)
    with pytest.raises(HeadNotFoundError, match=r"m version 3 has no head card, so only its raw numbers can be read"):
        model.heads("serving_default")


def test_a_refused_card_keeps_the_signatures_and_says_file_key_and_reason(folder: Path) -> None:
    write_card(folder, {"hidden": BINARY})
    model = load("m", 3, folder)
    assert (model.card, set(model.signatures)) == (None, {"serving_default", "other"})
    assert isinstance(model.refusal, UnsupportedHeadError)
    text = str(model.refusal)
    assert text.startswith(f"{folder}/assets.extra/head.json: signatures.serving_default.heads.hidden: ")
    assert "8 units" in text
    with pytest.raises(HeadConfigError, match=r"model m version 3 is refused: .*head\.json"):
        model.signature("serving_default")


def test_a_card_that_cannot_be_read_names_its_file_once(folder: Path) -> None:
    write_card(folder, {"p": BINARY})
    (folder / "assets.extra" / "head.json").write_text(json.dumps({"card_version": 1})[:-3])
    refusal = str(load("m", 3, folder).refusal)
    assert refusal.count("head.json") == 1


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    folder = Models(tmp_path).add("m", {"output_0": BINARY})
    (folder / "saved_model.pb").write_bytes(b"this is no SavedModel")
    model = load("m", 1, folder)
    assert model == ServedModel("m", 1, {}, refusal=model.refusal)
    assert isinstance(model.refusal, UnreadableModelError)
    assert "saved_model.pb" in str(model.refusal)


def test_no_card_says_what_would_write_one(tmp_path: Path) -> None:
    folder = add_model(tmp_path, "softmax4", None)
    model = load("softmax4", 1, folder)
    told = f"output_0 is softmax, 4 units: headwise attach {folder} --labels CLASS0,CLASS1,CLASS2,CLASS3"
    assert str(model.suggestion) == told
    with pytest.raises(HeadNotFoundError, match="with :predict; the graph shows that output_0 is softmax, 4 units: "):
        model.valid_card()
    assert ServedModel("m", 1, {}).no_card.endswith("; write one (assets.extra/head.json)")


@pytest.mark.parametrize(
    ("recorded", "activation", "text"),
    [
        ("sigmoid", "linear", "the card says linear, but the graph ends in sigmoid"),
        ("logit", "sigmoid", "the card says sigmoid, but the graph ends in linear"),
        ("softmax2", "linear", "the card says linear, but the graph ends in softmax"),
    ],
)
def test_a_card_that_contradicts_the_graph_is_refused(
    tmp_path: Path, recorded: str, activation: str, text: str
) -> None:
    folder = add_model(tmp_path, recorded, {"output_0": {**BINARY, "activation": activation}})
    model = load(recorded, 1, folder)
    assert type(model.refusal) is InvalidCardError
    told = str(model.refusal)
    assert told.startswith(f"{folder}/assets.extra/head.json: signatures.serving_default.heads.output_0: {text}")
    assert told.endswith("headwise attach --force` a new one (HW108)")
    assert model.card is None
    assert set(model.signatures) == {"serve", "serving_default"}


def test_a_graph_that_says_unknown_refuses_no_card(tmp_path: Path) -> None:
    for activation in ("linear", "sigmoid", "tanh"):
        folder = add_model(tmp_path / activation, "steps", {"y": {**BINARY, "activation": activation}})
        model = load("steps", 1, folder)
        assert (model.refusal, model.card is None) == (None, False)


def test_a_quantity_may_be_whatever_the_graph_makes(tmp_path: Path) -> None:
    folder = add_model(tmp_path, "logit", {"output_0": {"task": "regression", "activation": "linear"}})
    assert load("logit", 1, folder).refusal is None


PLATT = {"method": "platt", "slope": 1.0, "intercept": 0.5}


def with_fingerprint(folder: Path, head: dict[str, Any], fingerprint: str | None) -> None:
    card = {
        "card_version": 1,
        "signatures": {"serving_default": {"heads": {"output_0": head}}},
        "model": {"fingerprint": fingerprint, "verified": True},
    }
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "assets.extra" / "head.json").write_text(json.dumps(card))


def test_a_calibration_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = add_model(tmp_path, "logit", None)
    with_fingerprint(folder, {**BINARY, "calibration": PLATT}, "1/2/3/4")
    model = load("logit", 1, folder)
    assert isinstance(model.refusal, CalibrationMismatchError)
    told = str(model.refusal)
    assert told.startswith(f"{folder}/assets.extra/head.json: model.fingerprint: ")
    assert "1/2/3/4" in told
    assert "Calibrate anew for this model" in told
    assert told.endswith("(HW116)")


def test_a_card_of_another_model_without_calibration_is_only_logged(tmp_path: Path) -> None:
    folder = add_model(tmp_path, "logit", None)
    with_fingerprint(folder, BINARY, "1/2/3/4")
    with capture_logs() as logs:
        model = load("logit", 1, folder)
    assert model.refusal is None
    (line,) = logs
    assert (line["event"], line["log_level"], line["code"]) == ("head diagnosed", "warning", "HW116")
    assert (line["model"], line["version"], line["where"]) == ("logit", 1, "serving_default.output_0")


def test_a_calibration_of_this_model_or_of_one_that_nobody_named_stands(tmp_path: Path) -> None:
    folder = add_model(tmp_path, "logit", None)
    for fingerprint in (read_fingerprint(folder), None):
        with_fingerprint(folder, {**BINARY, "calibration": PLATT}, fingerprint)
        with capture_logs() as logs:
            assert load("logit", 1, folder).refusal is None
        assert logs == []
    (folder / "fingerprint.pb").unlink()
    with_fingerprint(folder, {**BINARY, "calibration": PLATT}, "1/2/3/4")
    assert load("logit", 1, folder).refusal is None, "a model without fingerprint cannot be told from another"
