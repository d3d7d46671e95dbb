"""Every block of the README is true: its calls are made, its answers come, its Python runs."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.repository.cards import parse_card
from support.command_line import headwise
from support.example_models import NAMES, Examples
from support.gateway_process import GatewayProcess
from support.recordings import MODELS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
CALL = re.compile(r"curl -s 127\.0\.0\.1:8080(\S+) -d @models/(\S+)")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def gateway(examples: Examples) -> Iterator[GatewayProcess]:
    with GatewayProcess("--models", str(examples.models)) as running:
        yield running.wait_ready()


def calls_and_answers() -> list[tuple[str, str, Any]]:
    """Path, body file and answer of each curl that is followed by its answer."""
    found = []
    for (language, call), (_, answer) in itertools.pairwise(BLOCKS):
        if language == "sh" and (parts := CALL.search(call)):
            found.append((parts[1], parts[2], json.loads(answer)))
    return found


def alike(said: Any, printed: Any) -> bool:
    """Equal but for request ids; numbers within what another processor may round differently while training."""
    if isinstance(printed, dict):
        return said.keys() == printed.keys() and all(k == "request_id" or alike(said[k], printed[k]) for k in printed)
    if isinstance(printed, list):
        return len(said) == len(printed) and all(map(alike, said, printed))
    return bool(np.isclose(said, printed, rtol=0.05, atol=0.02)) if isinstance(printed, float) else said == printed


def test_the_readme_shows_two_calls_with_answers() -> None:
    assert [path.rpartition(":")[2] for path, _, _ in calls_and_answers()] == ["classify", "predict"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_call_gives_the_printed_answer(gateway: GatewayProcess, examples: Examples, number: int) -> None:
    path, file, answer = calls_and_answers()[number]
    said = gateway.http.post(path, content=(examples.models / file).read_bytes())
    assert alike(said.json(), answer), said.text


def test_the_python_prints_what_it_says(gateway: GatewayProcess, examples: Examples) -> None:
    printing = [
        (block, following[1])
        for (language, block), following in itertools.pairwise(BLOCKS)
        if (language, following[0]) == ("python", "text") and "print(" in block
    ]
    assert len(printing) == 2
    for code, output in printing:
        here = code.replace("http://127.0.0.1:8080", gateway.url).replace('"models/', f'"{examples.models}/')
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(here, {})
        assert printed.getvalue() == output


def test_ones_own_model_is_exported_and_answers(tmp_path: Path) -> None:
    (code,) = [block for language, block in BLOCKS if language == "python" and "export(" in block]
    (call,) = [block for language, block in BLOCKS if language == "sh" and "mine:classify" in block]
    (body,) = re.findall(r"-d '(.*)'", call)
    (tmp_path / "models").mkdir()
    with GatewayProcess("--models", str(tmp_path / "models")) as running:
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=120)
        running.wait_for(lambda: running.classify("mine", body.encode()).status_code == 200)
        assert running.classify("mine", body.encode()).json()["predictions"][0]["label"] == "yes"


def test_inspect_says_what_is_printed() -> None:
    (printed,) = [block for language, block in BLOCKS if language == "text" and "HW101" in block]
    said = headwise("inspect", MODELS / "bad_softmax1" / "1")
    layer = r"sequential\w*/dense\w*/Softmax"
    for line in printed.splitlines():
        assert re.sub(layer, "LAYER", line) in re.sub(layer, "LAYER", said.out), said.out
    assert said.code == 1


def test_the_card_is_valid() -> None:
    (card,) = [block for language, block in BLOCKS if language == "json" and "card_version" in block]
    assert parse_card(card.encode()).signatures["serving_default"].heads["output_0"].labels == ("benign", "malignant")


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)
    assert commands == ["serve", "test"]
    assert all(f"\n{command}:" in makefile for command in commands)


def test_clean_knows_every_example() -> None:
    (line,) = re.findall(r"^EXAMPLES := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert tuple(line.split()) == NAMES


def test_every_link_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
