"""`headwise rewrite`: the same answers from a head of another form, as a new version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from headwise.diagnostics.golden import choose, difference
from headwise.errors import HeadwiseError, InvalidRequestError, UnsupportedError
from headwise.heads import Head, HeadCard, ModelRecord, Platt, SignatureHeads, Threshold
from headwise.repository.card_writer import write_card
from headwise.repository.cards import read_card
from headwise.repository.golden_file import read_golden, write_golden
from headwise.savedmodel import read
from headwise.training.baking.bake import bake
from headwise.training.rewriting.rewrite import rewrite
from headwise.training.run import raw_outputs
from support.command_line import headwise
from support.example_models import Examples
from support.gateway_process import GatewayProcess

pytestmark = pytest.mark.timeout(400)

LABELS = ("no", "yes")
SOFTMAX = Head("binary", "softmax", LABELS)
FEATURES = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)


def exported(folder: Path, model: keras.Model, *, output: str = "output_0", head: Head = SOFTMAX) -> Path:
    version = folder / "1"
    model.export(str(version), verbose=False)
    record = ModelRecord(read(version).fingerprint, verified=True)
    write_card(version, HeadCard(1, {"serving_default": SignatureHeads({output: head})}, record))
    return version


def dense(*layers: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((5,), name="features"), keras.layers.Dense(8, activation="relu"), *layers])


def head_of(version: Path, output: str = "output_0") -> Head:
    found = read_card(version)
    assert found is not None
    return found.card.signatures["serving_default"].heads[output]


def probabilities(version: Path, output: str = "output_0") -> NDArray[Any]:
    raw = raw_outputs(version, {"features": FEATURES}, outputs=(output,))[output]
    answer = head_of(version, output).predict(raw).probabilities
    assert answer is not None
    return answer


def versions(model: Path) -> list[str]:
    return sorted(entry.name for entry in model.iterdir() if entry.is_dir())


def test_an_example_goes_to_one_unit_and_back_and_is_served(examples: Examples, tmp_path: Path) -> None:
    model = tmp_path / "models" / "parity_two"
    shutil.copytree(examples.models / "parity_two" / "1", model / "1")
    holdout = examples.models / "parity_two" / "holdout.npz"
    with np.load(holdout) as arrays:
        images = arrays["image"]

    forth = headwise("rewrite", model, "--to", "one-unit", "--data", holdout)
    assert forth.code == 0, forth.err
    assert "every decision is the same" in forth.out
    back = headwise("rewrite", model, "--to", "two-unit", "--json")
    assert back.code == 0, back.err
    assert json.loads(back.out)["activation"] == {"before": "linear", "after": "softmax"}
    assert versions(model) == ["1", "2", "3"]

    answers = {}
    for number, (activation, units) in {1: ("softmax", 2), 2: ("linear", 1), 3: ("softmax", 2)}.items():
        version = model / str(number)
        detected = read(version).detected["serving_default"]["output_0"]
        assert (detected.activation, detected.units) == (activation, units)
        head = head_of(version)
        assert head.activation == activation
        prediction = head.predict(raw_outputs(version, {"image": images})["output_0"])
        answers[number] = np.asarray(prediction.probabilities), np.asarray(prediction.indices)
    apart = max(np.abs(answers[number][0] - answers[1][0]).max() for number in (2, 3))
    print(f"largest distance of two probabilities on {len(images)} rows: {apart:.1e}")
    assert apart <= 1e-6
    for number in (2, 3):
        np.testing.assert_array_equal(answers[number][1], answers[1][1])

    with GatewayProcess("--models", str(model.parent)) as gateway:
        gateway.wait_ready()
        body = {"instances": images[:20].tolist()}
        paths = {number: f"parity_two/versions/{number}" for number in (2, 3)}
        # Ready is a model with one version that answers; the other may still be loading.
        gateway.wait_for(lambda: all(gateway.classify(path, body).status_code == 200 for path in paths.values()))
        served = {number: gateway.classify(path, body).json() for number, path in paths.items()}
    answered = (served[number]["predictions"] for number in (2, 3))
    for two, three, index in zip(*answered, answers[1][1][:20], strict=True):
        assert two["index"] == three["index"] == index
        assert two["probability"] == pytest.approx(three["probability"], abs=1e-6)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "linear"])
def test_two_units_become_one(tmp_path: Path, activation: Any, bias: bool) -> None:
    layer = keras.layers.Dense(2, activation=activation, use_bias=bias, bias_initializer="random_normal")
    version = exported(tmp_path, dense(layer), head=Head("binary", activation, LABELS))
    done = rewrite(version, "one-unit")
    assert raw_outputs(done.version, {"features": FEATURES})["output_0"].shape == (200, 1)
    np.testing.assert_allclose(probabilities(done.version), probabilities(version), atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_unit_becomes_two(tmp_path: Path, activation: Any) -> None:
    version = exported(tmp_path, dense(keras.layers.Dense(1, activation)), head=Head("binary", activation, LABELS))
    done = rewrite(version, "two-unit")
    raw = raw_outputs(done.version, {"features": FEATURES})["output_0"]
    np.testing.assert_allclose(raw.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities(done.version), probabilities(version), atol=1e-6)


def test_a_row_at_the_cut_may_be_decided_differently_which_is_counted(tmp_path: Path) -> None:
    version = exported(
        tmp_path, dense(keras.layers.Dense(2, "log_softmax")), head=Head("binary", "log_softmax", LABELS)
    )
    done = rewrite(version, "one-unit", rows={"features": np.zeros((3, 5), np.float32)})

    assert (done.rows, done.flipped) == (3, 3)  # both logits are 0: exp of a rounded log(1/2) lies below 1/2
    assert done.apart < 1e-7


def test_calibration_decision_and_evidence_stay_and_the_card_names_the_new_model(tmp_path: Path) -> None:
    head = Head("binary", "softmax", LABELS, calibration=Platt(1.5, -0.3), decision=Threshold(0.3, {"screening": 0.1}))
    version = exported(tmp_path, dense(keras.layers.Dense(2, activation="softmax")), head=head)
    before = read_card(version)
    assert before is not None
    write_card(version, HeadCard(1, before.card.signatures, before.card.model, {"output_0": {"rows": 7}}))

    done = rewrite(version, "one-unit")
    after = read_card(done.version)
    assert after is not None
    assert head_of(done.version) == Head(
        "binary", "linear", LABELS, calibration=head.calibration, decision=head.decision
    )
    assert after.card.evidence == {"output_0": {"rows": 7}}
    assert after.card.model == ModelRecord(read(done.version).fingerprint, verified=True)
    assert after.card.model != before.card.model
    np.testing.assert_allclose(probabilities(done.version), probabilities(version), atol=1e-6)


def test_variables_stay_variables_and_the_old_head_is_gone(tmp_path: Path) -> None:
    version = exported(tmp_path, dense(keras.layers.BatchNormalization(), keras.layers.Dense(2, activation="softmax")))
    done = rewrite(version, "one-unit")
    shapes = sorted(
        shape for name, shape in tf.train.list_variables(str(done.version / "variables" / "variables")) if shape
    )
    assert shapes == [[1], [5, 8], [8], [8], [8], [8], [8], [8, 1]]
    assert {"serve", "serving_default"} <= read(version).signatures.keys()
    for signature in ("serve", "serving_default"):
        assert read(done.version).detected[signature]["output_0"].activation == "linear"


def test_golden_records_are_the_old_inputs_and_what_the_new_version_answers(tmp_path: Path) -> None:
    version = exported(tmp_path, dense(keras.layers.Dense(2, activation="softmax")))
    inputs, signature = {"features": FEATURES}, read(version).signatures["serving_default"]
    written = choose("serving_default", signature, inputs, raw_outputs(version, inputs), {"output_0": SOFTMAX})
    write_golden(version, written, "m")
    done = rewrite(version, "one-unit")

    records = read_golden(done.version)
    assert len(records) == done.golden_records == len(written) == 8
    for record, before in zip(records, written, strict=True):
        np.testing.assert_array_equal(record.inputs["features"], before.inputs["features"])
        outputs = raw_outputs(done.version, record.inputs)
        assert outputs["output_0"].shape == (1, 1)
        assert difference(record, outputs, {"output_0": head_of(done.version)}) is None


def test_signatures_of_a_baked_version_stay_with_their_methods(tmp_path: Path) -> None:
    version = bake(exported(tmp_path, dense(keras.layers.Dense(2, activation="softmax")))).version
    done = rewrite(version, "one-unit")
    before, after = read(version).signatures, read(done.version).signatures

    assert after["classify"] == before["classify"]
    assert after["classify"].method_name == "tensorflow/serving/classify"
    baked, raw = (raw_outputs(done.version, {"features": FEATURES}, name) for name in ("headwise", "serving_default"))
    np.testing.assert_allclose(baked["probabilities"][:, 1], 1 / (1 + np.exp(-raw["output_0"][:, 0])), atol=1e-6)


def test_other_outputs_other_signatures_and_tables_stay(tmp_path: Path) -> None:
    word, features = keras.Input((1,), dtype="string", name="word"), keras.Input((5,), name="features")
    known = keras.layers.StringLookup(vocabulary=["red", "blue"], output_mode="one_hot")(word)
    joined = keras.layers.Concatenate()([known, features])
    model = keras.Model(
        [word, features],
        {"p": keras.layers.Dense(2, activation="softmax")(joined), "size": keras.layers.Dense(3)(joined)},
    )
    version = tmp_path / "1"
    specs = [tf.TensorSpec((None, 1), tf.string, "word"), tf.TensorSpec((None, 5), tf.float32, "features")]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", lambda word, features: model([word, features]), specs)
    archive.add_endpoint("sizes", lambda word, features: {"size": model([word, features])["size"]}, specs)
    archive.write_out(str(version), verbose=False)
    write_card(version, HeadCard(1, {"serving_default": SignatureHeads({"p": SOFTMAX})}))

    rows = {"word": np.array([["red"], ["blue"], ["green"], [""]]), "features": FEATURES[:4]}
    with pytest.raises(InvalidRequestError, match="no rows can be made up, and there are no golden records"):
        rewrite(version, "one-unit")
    done = rewrite(version, "one-unit", rows=rows)

    assert read(done.version).signatures["sizes"] == read(version).signatures["sizes"]
    old, new = (raw_outputs(folder, rows) for folder in (version, done.version))
    np.testing.assert_array_equal(new["size"], old["size"])
    np.testing.assert_allclose(1 / (1 + np.exp(-new["p"][:, 0])), old["p"][:, 1], atol=1e-6)
    np.testing.assert_array_equal(raw_outputs(done.version, rows, "sizes")["size"], old["size"])


@pytest.mark.parametrize(
    ("layers", "shape", "reason"),
    [
        ([keras.layers.Conv2D(2, 1, activation="softmax")], (4, 4, 3), "the head is made by Conv2D"),
        ([keras.layers.Dense(2, activation="softmax")], (4, 3), "only a dense layer on"),
        ([keras.layers.Dense(2), keras.layers.Lambda(lambda z: z * 2), keras.layers.Softmax()], (5,), "made by Mul"),
        ([keras.layers.Dense(2, activation="softmax", dtype="float16")], (5,), "apart on 64 rows, more than 1e-06"),
    ],
    ids=["convolution", "positions", "arithmetic", "half precision"],
)
def test_what_cannot_be_rewritten_is_refused_and_leaves_nothing(
    tmp_path: Path, layers: list[keras.layers.Layer], shape: tuple[int, ...], reason: str
) -> None:
    version = exported(tmp_path, keras.Sequential([keras.Input(shape, name="features"), *layers]))
    with pytest.raises(UnsupportedError, match=reason):
        rewrite(version, "one-unit")
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    version = exported(tmp_path / "two", dense(keras.layers.Dense(2, activation="softmax")))
    three = Head("multiclass", "softmax", ("a", "b", "c"))
    classes = exported(tmp_path / "three", dense(keras.layers.Dense(3, activation="softmax")), head=three)
    copy = shutil.copytree(version, tmp_path / "saved")
    cases: list[tuple[Path, Any, dict[str, Any], type[HeadwiseError], str]] = [
        (version, "two-unit", {}, UnsupportedError, "the head is 2 softmax units: --to two-unit takes one sigmoid"),
        (version, "three-unit", {}, InvalidRequestError, "form is 'three-unit'"),
        (version, "one-unit", {"output": "p"}, HeadwiseError, "no head 'p'; the card describes 'output_0'"),
        (version, "one-unit", {"rows": {"x": FEATURES}}, InvalidRequestError, "unknown input 'x'"),
        (version, "one-unit", {"rows": {"features": FEATURES[:, :3]}}, InvalidRequestError, "the model takes"),
        (
            classes,
            "one-unit",
            {},
            UnsupportedError,
            "only a binary head can be rewritten, but 'output_0' is multiclass",
        ),
        (copy, "one-unit", {}, InvalidRequestError, "is no models/NAME/VERSION"),
    ]
    for folder, form, options, kind, reason in cases:
        with pytest.raises(kind, match=reason):
            rewrite(folder, form, **options)
    assert versions(tmp_path / "two") == ["1"]
    assert versions(tmp_path / "three") == ["1"]


def test_the_command_line_tells_what_is_wrong(tmp_path: Path) -> None:
    missing = headwise("rewrite", tmp_path / "nothing", "--to", "one-unit")
    assert missing.code == 1
    assert str(tmp_path / "nothing") in missing.err
    assert headwise("rewrite", tmp_path, "--to", "three-unit").code == 2
    assert headwise("rewrite", tmp_path).code == 2
