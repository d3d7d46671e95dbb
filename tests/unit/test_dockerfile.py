"""service/Dockerfile: pinned, hash-locked, without TensorFlow in the gateway, run by nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "service/Dockerfile"

Instruction = tuple[str, str]

images = pytest.mark.parametrize("image", ["gateway", "model-server"])


@cache
def instructions() -> tuple[Instruction, ...]:
    """Keyword and arguments, a continued line made one."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line]
    return tuple((keyword, arguments) for keyword, arguments in lines)


@cache
def stages() -> dict[str, tuple[str, tuple[Instruction, ...]]]:
    """Stage names, in order, to what each is built from and its instructions."""
    starts = [at for at, (keyword, _) in enumerate(instructions()) if keyword == "FROM"]
    found = {}
    for start, end in zip(starts, [*starts[1:], len(instructions())], strict=True):
        parent, name = instructions()[start][1].split(" AS ")
        found[name] = (parent, instructions()[start + 1 : end])
    return found


def lineage(stage: str) -> Iterator[Instruction]:
    """The instructions that shape an image, those of the stages it is built from first."""
    parent, own = stages()[stage]
    if parent in stages():
        yield from lineage(parent)
    yield from own


def last(stage: str, keyword: str) -> str:
    return [arguments for found, arguments in lineage(stage) if found == keyword][-1]


def test_the_base_image_is_pinned_to_a_patch_release_and_can_be_replaced() -> None:
    assert re.fullmatch(r"BASE_IMAGE=python:3\.\d+\.\d+-slim-\w+", instructions()[0][1])
    assert {parent for parent, _ in stages().values()} - stages().keys() == {"${BASE_IMAGE}"}


def test_the_gateway_is_what_is_built_without_a_target() -> None:
    assert list(stages())[-1] == "gateway"


@pytest.mark.parametrize(("stage", "lock"), [("gateway", "gateway"), ("model-server", "embedded"), ("train", "train")])
def test_every_package_is_pinned_with_its_hashes(stage: str, lock: str) -> None:
    packages = re.split(r"\n(?=\S)", (ROOT / f"requirements/{lock}.txt").read_text("utf-8").strip())
    assert [package for package in packages if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:", package, re.DOTALL)] == []
    assert "PIP_REQUIRE_HASHES=1" in last(f"{stage}-packages", "ENV")
    assert f"requirements/{lock}.txt /tmp/requirements.txt" in last(f"{stage}-packages", "COPY")


def test_the_gateway_holds_no_tensorflow() -> None:
    lock = (ROOT / "requirements/gateway.txt").read_text("utf-8")
    assert re.findall(r"^(?:tensorflow|keras|scipy)\S*==", lock, re.MULTILINE) == []
    sources = {arguments.split()[0] for keyword, arguments in lineage("gateway") if keyword == "COPY"}
    assert sources == {"--from=gateway-packages", "--from=source"}


@images
def test_an_image_runs_as_nobody_and_hears_sigterm_itself(image: str) -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last(image, "USER"))
    assert last(image, "STOPSIGNAL") == "SIGTERM"
    assert json.loads(last(image, "ENTRYPOINT")) == ["python", "-m", "headwise"]


def test_the_training_image_is_the_model_servers_with_the_recipes_and_a_folder_of_its_users() -> None:
    assert stages()["train"][0] == "model-server"
    assert json.loads(last("train", "ENTRYPOINT")) == ["python", "/opt/recipes/train.py", "--models", "/srv/models"]
    assert last("train", "COPY") == f"--from=recipes --chown={last('train', 'USER')} /srv/models /srv/models"


@images
def test_an_image_is_checked_without_a_shell(image: str) -> None:
    _, command = last(image, "HEALTHCHECK").split("CMD ", 1)
    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    compile(code, "healthcheck", "exec")


def test_the_build_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        arguments.split()[0]
        for _, own in stages().values()
        for keyword, arguments in own
        if keyword == "COPY" and not arguments.startswith("--from")
    }
    assert "*" in lines
    assert let_through == copied
