"""`headwise calibrate`, wrongly used: told at once, before anything is run."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headwise.cli.options import Outputs
from headwise.errors import ConfigurationError
from headwise.repository.cards import CARD_PATH
from support.command_line import headwise
from support.model_repository import BINARY, add_model


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--open"], "--open shows the report: say where to write it"),
        (["--report", "/no/such/page.html"], "--report /no/such/page.html: a file in a folder that is there"),
        (["--backend", "nowhere"], "'nowhere' is no HOST:PORT"),
        (["--expires", "soon"], "--expires soon: a day such as 2027-01-31 is expected"),
        (["--expires", "2001-01-01"], "that day is over"),
        (["--target-prior", "0.1,0.9", "--unlabelled", "x.npz"], "give one of them"),
        (["--target-prior", "a,b"], "--target-prior a,b: numbers are expected"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str], reason: str) -> None:
    version = add_model(tmp_path, "logit", {"output_0": BINARY})
    ended = headwise("calibrate", version, "--data", "rows.npz", *arguments)
    assert ended.code == 2
    assert reason in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--objective", "nope"], "output 'output_0': objective 'nope' does not exist"),
        (["--target-prior", "0.9"], "output 'output_0': target prior 0.9: a share for each of"),
        (["--target-prior", "0.9,0.1", "--objective", "f1"], "does not hold at those of a target prior"),
    ],
)
def test_a_wish_that_cannot_be_met_is_told_before_any_row_is_read(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    ended = headwise("calibrate", add_model(tmp_path, "logit", {"output_0": BINARY}), "--data", "absent", *arguments)
    assert ended.code == 1
    assert reason in ended.err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["f1"], {"a": "f1"}),
        (["precision>=0.9"], {"a": "precision>=0.9"}),
        (["a=precision>=0.9"], {"a": "precision>=0.9"}),
        (None, {}),
    ],
)
def test_an_objective_may_hold_the_sign_that_names_its_output(given: list[str] | None, told: dict[str, str]) -> None:
    assert Outputs.of(("a",)).objectives(given) == told


def test_of_several_heads_an_objective_names_its_own() -> None:
    both = Outputs.of(("a", "b"))
    assert both.objectives(["b=f1", "a=recall>=0.9"]) == {"a": "recall>=0.9", "b": "f1"}
    with pytest.raises(ConfigurationError, match="which output is meant"):
        both.objectives(["recall>=0.9"])
    with pytest.raises(ConfigurationError, match="output a is there twice"):
        both.objectives(["a=f1", "a=f2"])


def test_an_interrupt_leaves_the_card_and_says_so_in_one_line(tmp_path: Path) -> None:
    """The model server accepts the call and never answers."""
    version = add_model(tmp_path, "logit", {"output_0": BINARY})
    before = (version / CARD_PATH).read_bytes()
    data = tmp_path / "rows.npz"
    np.savez(data, features=np.zeros((4, 4)), targets=np.zeros(4))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [
            sys.executable,
            "-m",
            "headwise",
            "calibrate",
            str(version),
            "--data",
            str(data),
            "--backend",
            target,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            silent.settimeout(60)
            connection, _ = silent.accept()
            with connection:
                running.send_signal(signal.SIGINT)
                out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (130, "", "interrupted: the card is as it was\n")
    assert (version / CARD_PATH).read_bytes() == before
    assert list((version / "assets.extra").iterdir()) == [version / CARD_PATH]
