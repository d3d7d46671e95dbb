"""The program as a whole: help, version, exit codes, and what it does not load."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headwise import __version__
from support.command_line import headwise

VERBS = (
    "serve",
    "model-server",
    "inspect",
    "attach",
    "export",
    "evaluate",
    "calibrate",
    "card",
    "rewrite",
    "bake",
    "predict",
)


def plain(text: str) -> str:
    """Without colours and frames."""
    return re.sub(r"\x1b\[[0-9;]*m|[│─╭╮╰╯]", "", text)


def test_help_names_every_verb() -> None:
    ended = headwise("--help")
    assert ended.code == 0
    for verb in VERBS:
        assert verb in plain(ended.out)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    ended = headwise(verb, "--help")
    assert ended.code == 0
    assert f"headwise {verb}" in plain(ended.out)


def test_serve_lists_its_flags_with_their_defaults() -> None:
    shown = " ".join(plain(headwise("serve", "--help").out).split())
    for flag in ("--models", "--model-config-file", "--backend", "--http", "--grpc", "--config"):
        assert flag in shown
    for default in ("models", "embedded", "127.0.0.1:8080", "127.0.0.1:8081"):
        assert f"[default: ({default})]" in shown


def test_model_server_says_where_it_listens_by_default() -> None:
    shown = " ".join(plain(headwise("model-server", "--help").out).split())
    assert "[default: (127.0.0.1:8500)]" in shown


def test_a_misspelt_verb_is_guessed() -> None:
    ended = headwise("inspct")
    assert ended.code == 2
    assert "Did you mean 'inspect'?" in plain(ended.err)


def test_the_version_is_printed() -> None:
    assert (headwise("--version").out, headwise("--version").code) == (f"headwise {__version__}\n", 0)


@pytest.mark.parametrize("arguments", [["fly"], ["serve", "--wings"], ["inspect"], ["predict", "http://x"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert headwise(*arguments).code == 2


def test_a_form_that_there_is_not_is_refused_as_other_choices_are(tmp_path: Path) -> None:
    ended = headwise("rewrite", tmp_path, "--to", "three")
    assert ended.code == 2
    assert ended.err == "headwise: --to three: it must be one of one-unit, two-unit\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--models", "/no/such/folder"], "/no/such/folder: no such folder; name the model repository"),
        (["--http", "nowhere"], "setting http: 'nowhere' is no HOST:PORT"),
        (["--backend", "tfserving"], "setting backend: 'tfserving' is no HOST:PORT"),
        (["--config", "/no/such.toml"], "/no/such.toml: no such file"),
        (["--model-config-file", "/no/[/such].config"], "/no/[/such].config: no model config file"),
    ],
)
def test_serve_refuses_what_it_cannot_do_with_2_and_without_a_traceback(arguments: list[str], text: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "headwise", "serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def modules_of(*arguments: str) -> set[str]:
    """What a command has imported when it ends."""
    code = (
        "import contextlib, sys\n"
        "from headwise.cli import main\n"
        f"sys.argv = ['headwise', *{arguments!r}]\n"
        "with contextlib.suppress(SystemExit): main()\n"
        "print(*sorted(name for name in sys.modules if name.count('.') <= 2), file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(ended.stderr.split())


def test_help_loads_neither_tensorflow_nor_the_gateway() -> None:
    loaded = modules_of("--help")
    unwanted = {"tensorflow", "tensorflow_serving", "keras", "grpc", "fastapi", "uvicorn", "headwise.gateway"}
    assert loaded & unwanted == set()
    assert "headwise.cli" in loaded


def test_a_verb_loads_no_other_verb() -> None:
    loaded = modules_of("inspect", "--help")
    assert "headwise.cli.inspect" in loaded
    assert {name for name in VERBS if f"headwise.cli.{name.replace('-', '_')}" in loaded} == {"inspect"}


def test_a_refusal_is_shown_as_it_is_brackets_and_all(tmp_path: Path) -> None:
    odd = tmp_path / "[bold]" / "1"
    ended = headwise("inspect", odd)
    assert ended.code == 1
    assert f"headwise: {odd}: No such file" in ended.err


def test_a_refusal_is_one_line_where_answers_are_lines() -> None:
    ended = headwise("predict", "http://127.0.0.1:9", "m", "--data", "/no/such.npz", "--json")
    assert (ended.code, ended.out.count("\n")) == (1, 1)
    assert json.loads(ended.out)["error"]["code"] == "invalid-request"
