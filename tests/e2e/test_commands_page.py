"""docs/commands.md is true: every command on it runs, and the figures it states are those that come."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.example_models import Examples
from support.gateway_process import GatewayProcess

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
COMMANDS = [shlex.split(block) for block in re.findall(r"```sh\n(headwise .*?)\n```", PAGE)]
STATED = dict(re.findall(r"\| `(parity\w*)` \| ([\d.]+ \| [\d.]+) \|", PAGE))
VERBS = ["inspect", "attach", "export", "evaluate", "calibrate", "card", "rewrite", "bake", "keys"]
ONES_OWN_MODEL = """
import keras
model = keras.Sequential([keras.Input((4,), name="features"), keras.layers.Dense(1, kernel_initializer="ones")])
model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
model.save("model.keras")
"""

pytestmark = pytest.mark.timeout(400)


def run(arguments: list[str], folder: Path) -> str:
    answer = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def folder(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copies of the example models, and a Keras model of one's own."""
    here = tmp_path_factory.mktemp("commands")
    for name in ("tumor", "parity", "parity_logit", "parity_two"):
        shutil.copytree(examples.models / name, here / "models" / name)
    run(["-c", ONES_OWN_MODEL], here)
    return here


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """What the page's commands print, one after the other: later ones work on what earlier ones wrote."""
    return {command[1]: run(["-m", *command], folder) for command in COMMANDS}


def test_every_verb_that_works_on_models_is_there_and_runs(printed: dict[str, str]) -> None:
    assert list(printed) == VERBS
    assert all(printed.values())


@pytest.mark.usefixtures("printed")
def test_a_baked_model_answers_as_it_says(folder: Path) -> None:
    ((path, body, answer),) = re.findall(r"8501(/\S+) -d '(.*)'\n```\n```json\n(.*)\n```", PAGE)
    with GatewayProcess("--models", str(folder / "models")) as gateway:
        gateway.wait_ready()
        came = gateway.http.post(path, content=body).json()
    (stated,), (prediction,) = json.loads(answer)["predictions"], came["predictions"]
    assert prediction == {**stated, "probabilities": pytest.approx(stated["probabilities"], abs=5e-4)}


def accuracies(name: str, folder: Path) -> tuple[float, float]:
    """What Keras counts, and what the head card counts."""
    printed = run(
        ["-m", "headwise", "evaluate", f"models/{name}", "--data", f"models/{name}/holdout.npz", "--json"], folder
    )
    (head,) = json.loads(printed)["heads"].values()
    return head["keras"]["value"], head["headwise"]["accuracy"]


def test_the_logit_export_loses_accuracy_to_keras_alone(folder: Path) -> None:
    twin, logit = accuracies("parity", folder), accuracies("parity_logit", folder)
    assert logit[0] < twin[0] == pytest.approx(twin[1], abs=1e-6)
    assert logit[1] == twin[1]
    # Another processor may train weights that miss these figures by a few of the 540 rows.
    stated = [tuple(map(float, STATED[name].split(" | "))) for name in ("parity", "parity_logit")]
    assert [twin, logit] == [pytest.approx(pair, abs=0.01) for pair in stated]
