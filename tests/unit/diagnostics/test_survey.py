"""From a model's graph, its card and its configuration to its diagnostics."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from headwise.diagnostics.survey import facts_of_saved_model, of_keras, of_saved_model
from headwise.heads import Head, HeadCard, ModelRecord, SignatureHeads, Temperature
from headwise.savedmodel import SavedModel, read
from headwise.savedmodel.detected import DetectedHead
from headwise.savedmodel.keras import KerasModel, KerasOutput
from headwise.savedmodel.training_config import Loss, Metric, TrainingConfig
from support.recordings import MODELS

YES_NO = ("no", "yes")
RECORDED = {
    "bad_softmax1": ["HW101"],
    "bytes": [],
    "dtypes": ["HW124", "HW124", "HW124"],
    "examples": ["HW124"],
    "image": ["HW124"],
    "logit": ["HW124"],
    "multilabel": ["HW124"],
    "nanout": ["HW124"],
    "pair": ["HW124", "HW124"],
    "scalar": ["HW124"],
    "sigmoid": ["HW124"],
    "softmax2": ["HW112", "HW124"],
    "softmax4": ["HW124"],
    "steps": ["HW124"],
}
"""What each recorded model gets without a card; `broken` cannot be read."""


def card(output: str, head: Head, signature: str = "serving_default", fingerprint: str | None = None) -> HeadCard:
    return HeadCard(1, {signature: SignatureHeads({output: head})}, ModelRecord(fingerprint))


def recorded(name: str) -> SavedModel:
    return read(MODELS / name / "1")


def told(model: SavedModel, of: HeadCard | None) -> list[tuple[str, str]]:
    return [(found.code, found.where) for found in of_saved_model(model, of)]


def test_the_table_names_every_recorded_model() -> None:
    assert {*RECORDED, "broken"} == {folder.name for folder in MODELS.iterdir()}


@pytest.mark.parametrize("name", RECORDED)
def test_no_recorded_model_raises_a_false_alarm(name: str) -> None:
    assert sorted(found.code for found in of_saved_model(recorded(name), None)) == RECORDED[name]


def test_one_softmax_unit_is_the_only_error_among_them() -> None:
    (error,) = (f for name in RECORDED for f in of_saved_model(recorded(name), None) if f.severity == "error")

    assert (error.code, error.where) == ("HW101", "serving_default.output_0")


def test_a_card_that_fits_says_nothing() -> None:
    assert told(recorded("logit"), card("output_0", Head("binary", "linear", YES_NO))) == []
    assert told(recorded("softmax4"), card("output_0", Head("multiclass", "softmax", tuple("abcd")))) == []
    assert told(recorded("multilabel"), card("output_0", Head("multilabel", "sigmoid", tuple("abc")))) == []


def test_a_card_that_contradicts_its_graph_is_an_error() -> None:
    assert told(recorded("sigmoid"), card("output_0", Head("binary", "linear", YES_NO))) == [
        ("HW108", "serving_default.output_0")
    ]


def test_a_second_name_of_the_same_function_is_told_once_unless_the_card_names_it() -> None:
    model, wrong = recorded("sigmoid"), Head("binary", "linear", YES_NO)

    assert [facts.where for facts in facts_of_saved_model(model, None)] == ["serving_default.output_0"]
    assert told(model, card("output_0", wrong, signature="serve")) == [("HW108", "serve.output_0")]


def test_an_output_that_the_card_leaves_raw_needs_none() -> None:
    assert told(recorded("pair"), card("prob", Head("binary", "sigmoid", YES_NO))) == []


def test_a_foreign_calibration_is_an_error_for_the_head_that_has_it() -> None:
    model = recorded("logit")
    plain, fitted = Head("binary", "linear", YES_NO), Head("binary", "linear", YES_NO, calibration=Temperature(2.0))

    assert told(model, card("output_0", fitted, fingerprint=model.fingerprint)) == []
    (error,) = of_saved_model(model, card("output_0", fitted, fingerprint="1/2/3/4"))
    (warning,) = of_saved_model(model, card("output_0", plain, fingerprint="1/2/3/4"))
    assert (error.code, error.severity, warning.code, warning.severity) == ("HW116", "error", "HW116", "warning")


def test_evidence_of_another_model_is_an_error_for_the_calibration_beside_it() -> None:
    model = recorded("logit")
    fitted = Head("binary", "linear", YES_NO, calibration=Temperature(2.0))
    of = card("output_0", fitted, fingerprint=model.fingerprint)

    assert told(model, replace(of, evidence={"output_0": {"model_fingerprint": model.fingerprint}})) == []
    stale = replace(of, evidence={"output_0": {"model_fingerprint": "1/2/3/4"}})
    (error,) = of_saved_model(model, stale)
    assert (error.code, error.severity) == ("HW116", "error")
    assert "1/2/3/4" in error.message


@pytest.mark.parametrize("evidence", [None, [], {"model_fingerprint": 7}, {"expires": None}, {"other": {}}])
def test_evidence_that_says_nothing_of_it_is_free_to_have_any_form(evidence: object) -> None:
    model = recorded("logit")
    of = card("output_0", Head("binary", "linear", YES_NO, calibration=Temperature(2.0)))

    assert told(model, replace(of, evidence={"output_0": evidence, "z": {"expires": "2000-01-01"}})) == []


@pytest.mark.parametrize(
    ("expires", "message"),
    [
        ("2027-01-30", "until 2027-01-30"),
        ("2027-01-31", None),
        ("soon", "'soon', which is no date"),
        (20270131, "20270131, which is no date"),
    ],
)
def test_a_calibration_whose_last_day_is_over_is_a_warning(expires: object, message: str | None) -> None:
    model, today = recorded("logit"), date(2027, 1, 31)
    of = replace(card("output_0", Head("binary", "linear", YES_NO)), evidence={"output_0": {"expires": expires}})
    fitted = Head("binary", "linear", YES_NO, calibration=Temperature(2.0))
    calibrated = replace(of, signatures=card("output_0", fitted).signatures)

    found = [(one.code, one.severity) for one in of_saved_model(model, calibrated, today)]
    assert found == ([] if message is None else [("HW132", "warning")])
    assert all(str(message) in one.message for one in of_saved_model(model, calibrated, today))
    assert of_saved_model(model, of, today) == (), "without a calibration nothing expires"


def test_the_day_that_it_is_counts_unless_said_otherwise() -> None:
    model = recorded("logit")
    of = card("output_0", Head("binary", "linear", YES_NO, calibration=Temperature(2.0)))

    assert [code for code, _ in told(model, replace(of, evidence={"output_0": {"expires": "2000-01-01"}}))] == ["HW132"]
    assert told(model, replace(of, evidence={"output_0": {"expires": "9999-01-01"}})) == []


def test_a_head_in_half_precision_is_told_by_the_signature() -> None:
    model = recorded("sigmoid")
    signature = model.signatures["serving_default"]
    half = {name: replace(spec, dtype="float16") for name, spec in signature.outputs.items()}
    halved = replace(model, signatures={**model.signatures, "serving_default": replace(signature, outputs=half)})

    assert told(halved, card("output_0", Head("binary", "sigmoid", YES_NO))) == [("HW123", "serving_default.output_0")]


def test_a_keras_model_is_told_output_by_output() -> None:
    right = KerasOutput(
        DetectedHead("softmax", 3),
        TrainingConfig(Loss("sparse_categorical_crossentropy", False), (Metric("accuracy"),)),
    )
    wrong = KerasOutput(DetectedHead("linear", 1), TrainingConfig(Loss("binary_crossentropy", False)))
    model = KerasModel("two", {"kind": right, "risk": wrong})

    assert [(found.code, found.where) for found in of_keras(model)] == [("HW104", "risk")]
