"""`headwise inspect` and `headwise attach` as processes: what they load, and what a gateway makes of it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.gateway_process import GatewayProcess
from support.model_repository import BINARY, add_model

HEAVY = {"tensorflow", "keras", "grpc", "fastapi", "uvicorn", "starlette", "scipy", "matplotlib", "headwise.gateway"}
ROW = {"instances": [[1, 2, 3, 4]]}


def headwise(*arguments: object, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "headwise", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [("inspect", "--json"), ("inspect",), ("attach", "--labels", "no,yes", "--force")]
)
def test_neither_loads_tensorflow_nor_the_gateway(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    version = add_model(tmp_path, "logit", {"output_0": BINARY})
    verb, *options = arguments
    ended = headwise(verb, version, *options, python=("-X", "importtime"))
    assert ended.returncode == 0, ended.stderr
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "headwise.savedmodel.reader" in loaded
    assert {name for name in loaded if name in HEAVY or name.partition(".")[0] in HEAVY} == set()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_keras_file_is_inspected_with_its_training(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415  # takes seconds, and only this test wants it

    file = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    model.save(file)
    wrong = headwise("inspect", file, "--json")
    assert wrong.returncode == 1
    document = json.loads(wrong.stdout)
    output = document["signatures"]["serving_default"]["outputs"]["output_0"]
    assert (output["activation"], output["units"]) == ("linear", 1)
    assert output["loss"] == {"name": "binary_crossentropy", "from_logits": False}
    assert [metric["name"] for metric in output["metrics"]] == ["accuracy"]
    assert document["diagnostics"][0]["code"] == "HW104"
    shown = headwise("inspect", file)
    assert shown.returncode == 1
    assert "binary_crossentropy" in "".join(shown.stdout.split())
    assert "error HW104" in shown.stdout

    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    model.save(file)
    right = headwise("inspect", file, "--json")
    assert (right.returncode, json.loads(right.stdout)["diagnostics"]) == (0, [])


def test_a_head_that_answers_wrongly_gets_no_card(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415

    version = tmp_path / "m" / "1"
    layers = [keras.Input((4,)), keras.layers.Dense(1, "sigmoid"), keras.layers.Activation("sigmoid")]
    keras.Sequential(layers).export(str(version), verbose=False)
    ended = headwise("attach", version, "--labels", "no,yes")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "headwise: serving_default.output_0: " in ended.stderr
    assert ended.stderr.rstrip().endswith("(HW117)")
    assert not (version / "assets.extra").exists()


def test_what_the_gateway_suggests_can_be_pasted_and_is_then_served(tmp_path: Path) -> None:
    models = tmp_path / "my models"
    add_model(models, "sigmoid", None)
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_ready()
        refused = gateway.classify("sigmoid", ROW)
        assert (refused.status_code, refused.json()["code"]) == (404, "head-not-found")
        (listed,) = gateway.http.get("/v1/models").json()["models"]
        reasons = (
            refused.json()["detail"],
            gateway.http.get("/readyz").json()["models"]["sigmoid"]["reason"],
            listed["versions"][0]["reason"],
        )
        commands = {found[1] for reason in reasons if (found := re.search(r": headwise (attach .*)$", reason))}
        (command,) = commands
        assert all(command in reason for reason in reasons)
        attached = headwise(*shlex.split(command.replace("NEGATIVE,POSITIVE", "no,yes")))
        assert attached.returncode == 0, attached.stderr
        gateway.wait_for(lambda: gateway.classify("sigmoid", ROW).status_code == 200)
        answer = gateway.classify("sigmoid", ROW).json()
        assert answer["heads"]["output_0"]["labels"] == ["no", "yes"]
        assert answer["predictions"][0]["label"] in ("no", "yes")
