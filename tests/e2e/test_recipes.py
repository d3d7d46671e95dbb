"""The nine example models, trained once by the command that `make serve` runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import TypeAdapter

from headwise.heads import Head, HeadCard, Layout, Prediction
from headwise.savedmodel import read
from support.example_models import TRAIN, Examples, train

LAYOUTS = {
    "tumor": (Layout.BINARY_ONE_UNIT, "linear"),
    "wine": (Layout.MULTICLASS, "linear"),
    "digits": (Layout.MULTICLASS, "softmax"),
    "parity": (Layout.BINARY_ONE_UNIT, "sigmoid"),
    "parity_logit": (Layout.BINARY_ONE_UNIT, "linear"),
    "parity_two": (Layout.BINARY_TWO_UNITS, "softmax"),
    "digit_traits": (Layout.MULTILABEL, "sigmoid"),
    "severity": (Layout.ORDINAL_CUMULATIVE, "linear"),
    "diabetes": (Layout.REGRESSION, "linear"),
}
ROWS = {"tumor": 171, "wine": 54, "severity": 133, "diabetes": 133}
IMAGES = 540

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class HeldOut:
    """What an exported model says to its held-out rows, read through its own card."""

    raw: NDArray[np.float32]
    prediction: Prediction
    targets: NDArray[Any]
    head: Head


def card_of(models: Path, name: str) -> HeadCard:
    return TypeAdapter(HeadCard).validate_json((models / name / "1" / "assets.extra" / "head.json").read_bytes())


def held_out(models: Path, name: str) -> HeldOut:
    with np.load(models / name / "holdout.npz", allow_pickle=False) as file:
        arrays = dict(file)
    targets = arrays.pop("targets")
    answered = tf.saved_model.load(str(models / name / "1")).signatures["serving_default"](**arrays)
    ((output, head),) = card_of(models, name).signatures["serving_default"].heads.items()
    raw = answered[output].numpy()
    return HeldOut(raw, head.predict(raw), targets, head)


def figure(of: HeldOut) -> float:
    """Accuracy; all labels right for multilabel; R2 for regression."""
    if of.prediction.values is not None:
        return 1 - float(np.mean((of.prediction.values[:, 0] - of.targets) ** 2) / np.var(of.targets))
    if of.prediction.decisions is not None:
        return float(np.mean((of.prediction.decisions == of.targets).all(axis=1)))
    return float(np.mean(of.prediction.indices == of.targets))


def test_progress_and_the_time_against_its_budget_are_printed(examples: Examples) -> None:
    places = re.findall(r"^\[(\d)/9\] (\w+) ", examples.output, re.MULTILINE)
    assert places == [(str(place), name) for place, name in enumerate(LAYOUTS, 1)]

    spent = re.search(r"9 example models exported in ([\d.]+) s \(all nine: under 180 s\)", examples.output)
    assert spent is not None
    assert float(spent[1]) < 180


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_exported_model_reaches_on_held_out_rows_what_was_printed(examples: Examples, name: str) -> None:
    line = re.search(
        rf"\] {name} +… +[\d.]+ s  [\w -]+? (-?[\d.]+) \(expected ≥ ([\d.]+)\)\n      \w+", examples.output
    )
    assert line is not None
    printed, expected = map(float, line.groups())
    measured = figure(held_out(examples.models, name))

    assert measured >= expected
    assert measured == pytest.approx(printed, abs=0.0015)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_card_is_checked_and_says_what_the_last_layer_is(examples: Examples, name: str) -> None:
    card = card_of(examples.models, name)
    saved = read(examples.models / name / "1")
    outputs = saved.signatures["serving_default"].outputs
    ((output, head),) = card.signatures["serving_default"].heads.items()

    units = outputs[output].units
    assert units is not None
    assert (head.layout(units), head.activation) == LAYOUTS[name]
    assert card.model is not None
    assert (card.model.fingerprint, card.model.verified) == (saved.fingerprint, True)


@pytest.mark.parametrize("name", LAYOUTS)
def test_held_out_rows_fit_the_signature_and_the_labels(examples: Examples, name: str) -> None:
    inputs = read(examples.models / name / "1").signatures["serving_default"].inputs
    with np.load(examples.models / name / "holdout.npz", allow_pickle=False) as file:
        arrays = dict(file)
    targets = arrays.pop("targets")

    assert list(arrays) == list(inputs) == (["features"] if name in ROWS else ["image"])
    (rows,) = arrays.values()
    (spec,) = inputs.values()
    assert spec.shape is not None
    assert rows.dtype == spec.dtype
    assert rows.shape == (ROWS.get(name, IMAGES), *spec.shape[1:])
    assert len(targets) == len(rows)
    head = held_out(examples.models, name).head
    if head.task == "multilabel":
        assert targets.shape == (len(rows), len(head.labels))
        assert set(np.unique(targets)) == {0, 1}
    elif head.task != "regression":
        assert set(np.unique(targets)) == set(range(len(head.labels)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_sample_is_a_request_of_three_held_out_rows(examples: Examples, name: str) -> None:
    body = json.loads((examples.models / name / "sample.json").read_bytes())
    with np.load(examples.models / name / "holdout.npz", allow_pickle=False) as file:
        (rows,) = (array for key, array in file.items() if key != "targets")

    instances = np.asarray(body["instances"], dtype=np.float32)
    assert list(body) == ["instances"]
    assert instances.shape == (3, *rows.shape[1:])
    assert all((rows == instance).all(axis=tuple(range(1, rows.ndim))).any() for instance in instances)


def test_the_sample_of_tumors_holds_both_kinds_and_natural_numbers(examples: Examples) -> None:
    text = (examples.models / "tumor" / "sample.json").read_text()
    instances = np.asarray(json.loads(text)["instances"], dtype=np.float32)
    served = tf.saved_model.load(str(examples.models / "tumor" / "1")).signatures["serving_default"]
    ((output, head),) = card_of(examples.models, "tumor").signatures["serving_default"].heads.items()

    labels = head.predict(served(features=instances)[output].numpy()).labels
    assert labels is not None
    assert set(labels) == {"benign", "malignant"}
    assert max(len(number) for number in re.findall(r"[\d.]+", text)) < 10


def test_parity_and_its_logit_decide_alike_on_every_row(examples: Examples) -> None:
    sigmoid, logit = held_out(examples.models, "parity"), held_out(examples.models, "parity_logit")

    assert not np.array_equal(sigmoid.raw, logit.raw)
    np.testing.assert_array_equal(sigmoid.prediction.indices, logit.prediction.indices)
    np.testing.assert_array_equal(sigmoid.prediction.labels, logit.prediction.labels)
    assert sigmoid.prediction.probabilities is not None
    assert logit.prediction.probabilities is not None
    np.testing.assert_allclose(
        sigmoid.prediction.probabilities,
        logit.prediction.probabilities,
        rtol=0,
        atol=4 * float(np.finfo(np.float32).eps),
    )


def test_parity_by_two_units_is_the_same_task_with_the_same_labels(examples: Examples) -> None:
    one, two = held_out(examples.models, "parity"), held_out(examples.models, "parity_two")

    assert (one.head.task, one.head.labels) == (two.head.task, two.head.labels)
    np.testing.assert_array_equal(one.targets, two.targets)


def test_a_malignant_tumor_is_the_positive_class(examples: Examples) -> None:
    tumor = held_out(examples.models, "tumor")

    assert tumor.head.labels == ("benign", "malignant")
    assert 0.3 < np.mean(tumor.targets) < 0.45  # 212 of the 569 tumours are malignant


def test_a_second_run_finds_everything_and_does_not_start_tensorflow(examples: Examples) -> None:
    done = train(examples.models)

    assert done.returncode == 0
    assert done.stdout == f"9 example models in {examples.models}: already there\n"
    assert done.stderr == ""


def test_parity_logit_trained_alone_has_the_weights_of_parity(examples: Examples, tmp_path: Path) -> None:
    assert train(tmp_path, "--only", "parity_logit").returncode == 0
    alone, twin = held_out(tmp_path, "parity_logit"), held_out(examples.models, "parity_logit")

    assert [entry.name for entry in tmp_path.iterdir()] == ["parity_logit"]
    np.testing.assert_array_equal(alone.raw, twin.raw)


def test_force_trains_again_as_the_next_version(examples: Examples, tmp_path: Path) -> None:
    shutil.copytree(examples.models / "wine", tmp_path / "wine")
    assert train(tmp_path, "--only", "wine", "--force").returncode == 0

    assert {entry.name for entry in (tmp_path / "wine").iterdir()} == {
        "1",
        "2",
        "holdout.npz",
        "sample.json",
    }


def test_only_what_a_model_config_file_serves_from_the_folder_is_trained(tmp_path: Path) -> None:
    """What docker-compose.yml starts with: a file of other models, or of a tumor elsewhere, asks for nothing."""
    models = tmp_path / "models"
    file = tmp_path / "models.config"
    file.write_text(
        f'model_config_list {{ config {{ name: "mine" base_path: "{models}/mine" }} '
        'config { name: "tumor" base_path: "/elsewhere/tumor" } }'
    )
    done = train(models, "--listed-in", str(file))
    assert (done.returncode, done.stdout) == (0, f"{file} lists no example model in {models}\n")
    assert not models.exists()

    file.write_text(f'model_config_list {{ config {{ name: "wine" base_path: "{models}/wine" }} }}')
    assert train(models, "--listed-in", str(file)).returncode == 0
    assert [entry.name for entry in models.iterdir()] == ["wine"]


def test_a_model_config_file_that_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    done = train(tmp_path, "--listed-in", str(tmp_path / "none.config"))

    assert done.returncode == 1
    assert "none.config" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_name_is_wrong_usage(tmp_path: Path) -> None:
    done = train(tmp_path, "--only", "iris")

    assert done.returncode == 2
    assert "iris" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_repository_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    taken = tmp_path / "models"
    taken.write_text("a file, not a folder")
    done = train(taken, "--only", "wine")

    assert done.returncode == 1
    assert str(taken) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_without_tensorflow_is_told_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-S", str(TRAIN), "--models", str(tmp_path), "--only", "wine"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "No module named" in done.stderr
    assert "`make models` trains them" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["starting TensorFlow", "[1/9] tumor"])
def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path, line: str) -> None:
    running = subprocess.Popen(
        [sys.executable, "-u", str(TRAIN), "--models", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with running:
        try:
            assert running.stdout is not None
            read_so_far = b""
            while line.encode() not in read_so_far:
                chunk = os.read(running.stdout.fileno(), 4096)
                assert chunk, read_so_far
                read_so_far += chunk
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=60)
        finally:
            running.kill()

    assert running.returncode == 130
    assert b"interrupted" in told
    assert b"Traceback" not in told
    assert not list(tmp_path.rglob(".*"))
    for version in tmp_path.glob("*/[0-9]*"):
        assert read(version).signatures
        assert card_of(tmp_path, version.parent.name)
