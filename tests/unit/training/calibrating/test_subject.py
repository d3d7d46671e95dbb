"""What is calibrated of a version: heads with probabilities, under a card that fits or is about to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwise.errors import CalibrationError, CalibrationMismatchError, HeadNotFoundError, InvalidCardError
from headwise.repository.cards import CARD_PATH
from headwise.training.calibrating.subject import read_subject
from support.model_repository import BINARY, HEADS, add_model

FITTED = BINARY | {"calibration": {"method": "temperature", "temperature": 2.0}}


def version(folder: Path, recorded: str, heads: dict[str, Any] | None, **card: Any) -> Path:
    made = add_model(folder, recorded, heads)
    if card:
        file = made / CARD_PATH
        file.write_text(json.dumps(json.loads(file.read_bytes()) | card))
    return made


def test_regressions_are_passed_over(tmp_path: Path) -> None:
    subject = read_subject(version(tmp_path, "pair", HEADS["pair"]))

    assert list(subject.heads) == ["prob"]
    assert subject.passed_over == ("hidden",)
    with pytest.raises(CalibrationError, match="'hidden' is a regression: it has no probabilities to calibrate"):
        read_subject(subject.version, output="hidden")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    made = version(tmp_path, "logit", {"output_0": BINARY})
    with pytest.raises(HeadNotFoundError, match="no head 'z'; the card describes 'output_0'"):
        read_subject(made, output="z")
    with pytest.raises(HeadNotFoundError, match="no head of signature 'other'"):
        read_subject(made, "other")
    with pytest.raises(HeadNotFoundError, match="has no head card"):
        read_subject(version(tmp_path, "sigmoid", None))


def test_a_card_that_contradicts_its_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCardError, match="HW108"):
        read_subject(version(tmp_path, "logit", {"output_0": BINARY | {"activation": "sigmoid"}}))


def test_a_calibration_of_another_model_may_be_replaced(tmp_path: Path) -> None:
    made = version(tmp_path, "logit", {"output_0": FITTED}, model={"fingerprint": "1/2/3/4"})

    assert list(read_subject(made).heads) == ["output_0"]


def test_but_none_may_be_left_beside_it(tmp_path: Path) -> None:
    made = version(tmp_path, "logit", {"output_0": FITTED}, model={"fingerprint": "1/2/3/4"})
    card = json.loads((made / CARD_PATH).read_bytes())
    card["signatures"]["serve"] = card["signatures"]["serving_default"]
    (made / CARD_PATH).write_text(json.dumps(card))

    with pytest.raises(CalibrationMismatchError, match=r"here serve\.output_0 would keep a calibration of the other"):
        read_subject(made)
