"""A version folder as one value: signatures, card, or the reason why it is refused."""

import json
from pathlib import Path

import pytest

from headwise.errors import HeadConfigError, HeadNotFoundError, UnreadableModelError, UnsupportedHeadError
from headwise.repository.served_model import ServedModel, load
from support.in_memory_gateway import BINARY, Models, signature_def, write_card, write_saved_model

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
    with pytest.raises(HeadNotFoundError, match=r"write assets\.extra/head\.json, or read its raw numbers"):
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
