"""`headwise.export` and `headwise export`: real models, their heads inferred, and golden records that hold."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import headwise
from headwise import Head, HeadwiseWarning
from headwise.diagnostics.golden import difference
from headwise.errors import ConfigurationError, InvalidCardError, InvalidRequestError
from headwise.repository.cards import read_card
from headwise.repository.golden_file import read_golden
from headwise.savedmodel import read
from support import command_line

LOSSES = keras.losses
ROWS = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
CLASSES = np.arange(60) % 3

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras saving weights
]


def dense(units: int, activation: str | None = None, loss: Any = None, *layers: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    head = keras.layers.Dense(units, activation=activation)
    model = keras.Sequential([keras.Input((4,), name="features"), head, *layers])
    if loss is not None:
        model.compile("sgd", loss, jit_compile=False)
    return model


def two_outputs(*, named: bool = False) -> keras.Model:
    keras.utils.set_random_seed(0)
    features = keras.Input((4,), name="features")
    risk = keras.layers.Dense(1, activation="sigmoid", name="risk")(features)
    days = keras.layers.Dense(1, name="days")(features)
    model = keras.Model(features, {"risk": risk, "days": days} if named else [risk, days])
    losses = {"risk": "binary_crossentropy", "days": "mean_squared_error"}
    model.compile("sgd", losses, jit_compile=False)
    return model


def heads_of(version: Path) -> Mapping[str, Head]:
    card = read_card(version)
    assert card is not None
    return card.card.signatures["serving_default"].heads


def assert_golden_records_hold(version: Path) -> int:
    """Each record, run by itself through the exported files; how many there are."""
    records = read_golden(version)
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    for record in records:
        answered = {name: array.numpy() for name, array in served(**record.inputs).items()}
        assert difference(record, answered, heads_of(version)) is None
    return len(records)


@pytest.mark.parametrize(
    ("model", "said", "expected"),
    [
        pytest.param(
            lambda: dense(1, None, LOSSES.BinaryCrossentropy(from_logits=True)),
            {"labels": ["no", "yes"]},
            Head("binary", "linear", ("no", "yes")),
            id="a logit",
        ),
        pytest.param(
            lambda: dense(1, "sigmoid", "binary_crossentropy"),
            {"labels": ("no", "yes")},
            Head("binary", "sigmoid", ("no", "yes")),
            id="a sigmoid",
        ),
        pytest.param(
            lambda: dense(2, "softmax", "sparse_categorical_crossentropy"),
            {"labels": ["no", "yes"]},
            Head("binary", "softmax", ("no", "yes")),
            id="two softmax units",
        ),
        pytest.param(
            lambda: dense(3, "softmax", "categorical_crossentropy"),
            {"labels": list("abc")},
            Head("multiclass", "softmax", ("a", "b", "c")),
            id="softmax",
        ),
        pytest.param(
            lambda: dense(3, None, LOSSES.SparseCategoricalCrossentropy(from_logits=True)),
            {"labels": list("abc")},
            Head("multiclass", "linear", ("a", "b", "c")),
            id="logits of exclusive classes, by the loss",
        ),
        pytest.param(
            lambda: dense(3, None, LOSSES.BinaryCrossentropy(from_logits=True)),
            {"labels": list("abc")},
            Head("multilabel", "linear", ("a", "b", "c")),
            id="logits of labels, by the loss",
        ),
        pytest.param(
            lambda: dense(2, None, LOSSES.BinaryCrossentropy(from_logits=True)),
            {"labels": list("abc"), "task": "ordinal"},
            Head("ordinal", "linear", ("a", "b", "c")),
            id="steps, by the user's word",
        ),
        pytest.param(
            lambda: dense(1, None, "mean_squared_error"), {}, Head("regression", "linear"), id="a quantity, by the loss"
        ),
        pytest.param(
            lambda: dense(3, None, None, keras.layers.Activation("log_softmax")),
            {"labels": list("abc")},
            Head("multiclass", "log_softmax", ("a", "b", "c")),
            id="not compiled, an activation layer",
        ),
    ],
)
def test_each_task_is_inferred_and_its_golden_records_hold(
    tmp_path: Path, model: Any, said: dict[str, Any], expected: Head
) -> None:
    version = headwise.export(model(), tmp_path / "model", **said)

    assert heads_of(version) == {"output_0": expected}
    card = read_card(version)
    assert card is not None
    assert card.card.model is not None
    assert (card.card.model.fingerprint, card.card.model.verified) == (read(version).fingerprint, True)
    assert assert_golden_records_hold(version) == 8


def test_several_outputs_take_labels_by_either_name(tmp_path: Path) -> None:
    by_keras = headwise.export(two_outputs(), tmp_path, labels={"risk": ["no", "yes"]})
    by_signature = headwise.export(two_outputs(), tmp_path, labels={"output_0": ["no", "yes"]})
    named = headwise.export(two_outputs(named=True), tmp_path, labels={"risk": ["no", "yes"]})

    risk, days = Head("binary", "sigmoid", ("no", "yes")), Head("regression", "linear")
    assert heads_of(by_keras) == heads_of(by_signature) == {"output_0": risk, "output_1": days}
    assert heads_of(named) == {"risk": risk, "days": days}
    assert assert_golden_records_hold(named) == 8


def test_labels_that_the_model_carries_are_taken(tmp_path: Path) -> None:
    model = dense(3, "softmax")
    model.class_names = ["red", "green", "blue"]
    attribute = headwise.export(model, tmp_path)

    features = keras.Input((4,), name="features")
    scores = keras.layers.Dense(3, activation="softmax")(features)
    names = keras.layers.StringLookup(vocabulary=["cat", "dog"], invert=True)(keras.ops.argmax(scores, axis=-1))
    lookup = headwise.export(keras.Model(features, [scores, names]), tmp_path)

    assert heads_of(attribute)["output_0"].labels == ("red", "green", "blue")
    assert heads_of(lookup) == {"output_0": Head("multiclass", "softmax", ("[UNK]", "cat", "dog"))}


@pytest.mark.parametrize(
    ("model", "said", "reason"),
    [
        pytest.param(lambda: dense(1), {}, "no labels are given", id="no labels"),
        pytest.param(lambda: dense(3), {"labels": list("abc")}, "task", id="no loss tells the task"),
        pytest.param(lambda: dense(1, "softmax"), {"labels": ["a", "b"]}, "HW101", id="one-unit softmax"),
        pytest.param(
            lambda: dense(1, None, "binary_crossentropy"), {"labels": ["a", "b"]}, "HW104", id="from_logits is missing"
        ),
        pytest.param(lambda: dense(1, "sigmoid"), {"labels": list("abcd")}, "HW103", id="one sigmoid, four classes"),
        pytest.param(
            lambda: dense(1, "sigmoid"),
            {"heads": Head("binary", "linear", ("a", "b"))},
            "HW108",
            id="a head that contradicts the graph",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_a_refusal_says_why_and_leaves_nothing_behind(
    tmp_path: Path, model: Any, said: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidCardError, match=reason):
        headwise.export(model(), tmp_path / "models" / "tumor", **said)
    assert list(tmp_path.iterdir()) == []


def test_golden_records_are_rows_of_the_validation_data(tmp_path: Path) -> None:
    model = dense(3, "softmax", "sparse_categorical_crossentropy")
    dataset = tf.data.Dataset.from_tensor_slices((ROWS, CLASSES))
    versions = [
        headwise.export(model, tmp_path, labels=list("abc"), validation_data=data)
        for data in (ROWS, (ROWS, CLASSES), {"features": ROWS}, dataset, dataset.batch(16))
    ]
    for version in versions:
        for record in read_golden(version):
            assert (record.inputs["features"] == ROWS).all(axis=1).any()
        assert assert_golden_records_hold(version) == 8


def test_targets_that_the_head_cannot_express_are_found(tmp_path: Path) -> None:
    model = dense(1, "sigmoid", "binary_crossentropy")
    for targets, code in ((CLASSES % 2 * 2 - 1, "HW113"), (CLASSES, "HW103")):
        with pytest.raises(InvalidCardError, match=code):
            headwise.export(model, tmp_path / "model", labels=["a", "b"], validation_data=(ROWS, targets))
    assert list(tmp_path.iterdir()) == []


def test_warnings_of_the_catalogue_are_python_warnings(tmp_path: Path) -> None:
    model = dense(1, None, LOSSES.BinaryCrossentropy(from_logits=True))
    model.compile("sgd", LOSSES.BinaryCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=False)
    with pytest.warns(HeadwiseWarning, match="HW106") as warned:
        version = headwise.export(model, tmp_path, labels=["a", "b"])

    assert version.is_dir()
    assert [warning.filename for warning in warned] == [__file__]


def test_text_inputs_cannot_be_made_up_which_is_said_and_rows_help(tmp_path: Path) -> None:
    text = keras.Input((), dtype="string", name="text")
    vectors = keras.layers.TextVectorization(max_tokens=8, output_mode="multi_hot", vocabulary=["good", "bad"])(text)
    model = keras.Model(text, keras.layers.Dense(1, activation="sigmoid")(vectors))
    with pytest.warns(HeadwiseWarning, match=r"no golden records were written: input 'text' is string .*--data"):
        without = headwise.export(model, tmp_path, labels=["no", "yes"])
    rows = tf.constant(["good", "bad", "good bad", ""])
    having = headwise.export(model, tmp_path, labels=["no", "yes"], validation_data=rows)

    assert read_golden(without) == ()
    assert len(read_golden(having)) >= 2


def test_validation_data_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="features"):
        headwise.export(dense(1), tmp_path / "m", labels=["a", "b"], validation_data=ROWS[:, :3])
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_repository_is_said_plainly() -> None:
    with pytest.raises(ConfigurationError, match="/proc/models: no version can be written"):
        headwise.export(dense(1), "/proc/models", labels=["a", "b"])


EXPORT_AGAIN_AND_AGAIN = """
import sys
from headwise.modelserver.quiet import import_tensorflow
import_tensorflow()
import keras, headwise
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
while True:
    headwise.export(model, sys.argv[1], labels=["a", "b"])
"""


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_export_shows_no_half_version_and_the_next_export_tidies_up(tmp_path: Path, blow: int) -> None:
    command = [sys.executable, "-c", EXPORT_AGAIN_AND_AGAIN, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as exporting:
        try:
            while not list(tmp_path.glob(".export-*/saved_model.pb")):
                assert exporting.poll() is None
                time.sleep(0.01)
            while exporting.poll() is None:  # TensorFlow may swallow a KeyboardInterrupt in its midst
                exporting.send_signal(blow)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    exporting.wait(5)
        finally:
            exporting.kill()

    assert blow == signal.SIGKILL or not list(tmp_path.glob(".*"))
    headwise.export(dense(1), tmp_path, labels=["a", "b"])
    assert not list(tmp_path.glob(".*"))
    for version in tmp_path.iterdir():
        assert heads_of(version)
        assert len(read_golden(version)) == 8


# The command line


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keras") / "parity.keras"
    dense(1, None, LOSSES.BinaryCrossentropy(from_logits=True)).save(file)
    return file


def test_the_command_exports_and_tells_what_it_does_and_why(archive: Path, tmp_path: Path) -> None:
    data = tmp_path / "rows.npz"
    np.savez(data, features=ROWS, targets=CLASSES % 2)
    command = [sys.executable, "-m", "headwise", "export", str(archive), "--to", str(tmp_path / "models" / "parity")]
    arguments = ["--labels", "even,odd", "--data", str(data)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)

    version = tmp_path / "models" / "parity" / "1"
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            f"exported {version}",
            *[line for line in done.stdout.splitlines() if line.startswith("  output_0: ")],
            "  golden records: 8, by which the version proves itself before it serves",
            f"next: headwise serve --models {version.parents[1]}",
        ],
    )
    assert "activation linear: read from the graph" in done.stdout
    assert "labels: even, odd" in done.stdout
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["loading", "exporting", "checking", "running"]
    assert heads_of(version) == {"output_0": Head("binary", "linear", ("even", "odd"))}
    assert assert_golden_records_hold(version) == 8


def test_targets_of_a_file_are_class_indices_whatever_the_loss_takes(tmp_path: Path) -> None:
    file, data = tmp_path / "kinds.keras", tmp_path / "rows.npz"
    dense(3, "softmax", "categorical_crossentropy").save(file)
    np.savez(data, features=ROWS, targets=CLASSES)
    done = command_line.headwise("export", file, "--to", tmp_path / "m", "--labels", "a,b,c", "--data", data, "--json")

    assert (done.code, json.loads(done.out)["diagnostics"]) == (0, [])


def test_a_python_without_tensorflow_is_told_what_to_install(archive: Path, tmp_path: Path) -> None:
    script = "import sys; sys.modules['tensorflow'] = None; from headwise.cli import main; main()"
    command = [sys.executable, "-c", script, "export", str(archive), "--to", str(tmp_path / "m"), "--labels", "a,b"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "pip install 'headwise[embedded]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_carries_the_card_and_the_reasons(archive: Path, tmp_path: Path) -> None:
    done = command_line.headwise("export", archive, "--to", tmp_path / "m", "--labels", "a,b", "--version", 7, "--json")
    document = json.loads(done.out)

    assert (done.code, done.err) == (0, "")
    assert document["version"] == str(tmp_path / "m" / "7")
    assert document["card"]["signatures"]["serving_default"]["heads"]["output_0"]["task"] == "binary"
    assert document["golden_records"] == 8
    assert document["diagnostics"] == []


def _no_archive(folder: Path) -> Path:
    (folder / "model.keras").write_bytes(b"not a zip")
    return folder / "model.keras"


def _with_lambda(folder: Path) -> Path:
    dense(1, None, None, keras.layers.Lambda(lambda x: x * 2, name="twice")).save(folder / "model.keras")
    return folder / "model.keras"


def _with_own_class(folder: Path) -> Path:
    class Own(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    dense(1, None, None, Own()).save(folder / "model.keras")
    return folder / "model.keras"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda folder: folder / "missing.keras", "missing.keras", id="missing"),
        pytest.param(lambda folder: folder, "", id="a folder"),
        pytest.param(_no_archive, "model.keras", id="no archive"),
        pytest.param(_with_lambda, "call headwise.export(model, to, labels=...) in the training script", id="a Lambda"),
        pytest.param(
            _with_own_class, "call headwise.export(model, to, labels=...) in the training script", id="a class"
        ),
    ],
)
def test_a_file_that_cannot_be_exported_is_refused_in_one_line(tmp_path: Path, make: Any, reason: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with warnings.catch_warnings(action="ignore"):  # Keras's about saving what it cannot load
        file = make(folder)
    done = command_line.headwise("export", file, "--to", tmp_path / "out", "--labels", "a,b", "--activation", "linear")

    assert done.code == 1
    assert reason in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        pytest.param(["--labels", "a,b,c"], 1, "HW109", id="labels that do not fit"),
        pytest.param([], 1, "--labels", id="no labels"),
        pytest.param(["--labels", "a,b", "--task", "ternary"], 2, "ternary", id="no such task"),
        pytest.param(["--labels", "a,b", "--data", "missing.npz"], 1, "missing.npz", id="no such data"),
    ],
)
def test_what_is_refused_writes_nothing(
    archive: Path, tmp_path: Path, arguments: list[str], code: int, reason: str
) -> None:
    done = command_line.headwise("export", archive, "--to", tmp_path / "out", *arguments)

    assert done.code == code
    assert reason in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_taken_is_wrong_usage(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    done = command_line.headwise("export", archive, "--to", tmp_path, "--labels", "a,b", "--version", 3)

    assert done.code == 2
    assert "a version is never replaced" in done.err
