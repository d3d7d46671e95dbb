"""Publishing a version: whole or not at all, and never over another one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwise.errors import ConfigurationError, InvalidRequestError
from headwise.training.publish import drafting, drafting_after, next_version


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def publish(folder: Path, number: int | None = None) -> Path:
    with drafting(folder, number) as draft:
        (draft.folder / "saved_model.pb").write_bytes(b"graph")
    return draft.version


def test_a_draft_is_hidden_until_the_block_ends(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tumor"
    with drafting(folder) as draft:
        (draft.folder / "saved_model.pb").write_bytes(b"graph")
        assert names(folder) == {draft.folder.name}
        assert draft.folder.name.startswith(".")
        with pytest.raises(RuntimeError, match="not published yet"):
            _ = draft.version

    assert draft.version == folder / "1"
    assert names(folder) == {"1"}
    assert names(draft.version) == {"saved_model.pb"}


def test_a_failure_leaves_nothing_behind_not_even_the_folders_that_it_made(tmp_path: Path) -> None:
    def interrupted() -> None:
        with drafting(tmp_path / "models" / "tumor") as draft:
            (draft.folder / "variables").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == set()


def test_a_failure_keeps_the_folder_and_the_versions_that_were_there(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    publish(tmp_path / "tumor")
    for folder in (empty, tmp_path / "tumor"):
        with pytest.raises(OSError, match="disk"), drafting(folder):
            raise OSError("the disk is full")

    assert names(empty) == set()
    assert names(tmp_path / "tumor") == {"1"}


def test_the_next_version_is_one_more_than_the_largest(tmp_path: Path) -> None:
    assert next_version(tmp_path / "missing") == 1
    for name in ("9", "10", "best", "٣٠"):  # the last are decimal digits, but no version to TensorFlow Serving
        (tmp_path / name).mkdir()

    assert next_version(tmp_path) == 11


def test_a_version_is_never_replaced_even_if_it_came_meanwhile(tmp_path: Path) -> None:
    publish(tmp_path, 7)
    with pytest.raises(FileExistsError, match="7 is already there: a version is never replaced"):
        publish(tmp_path, 7)
    with pytest.raises(FileExistsError, match="8 is already there"), drafting(tmp_path, 8):
        (tmp_path / "8").mkdir()

    assert names(tmp_path) == {"7", "8"}
    assert names(tmp_path / "8") == set()


def test_a_version_that_came_meanwhile_moves_the_next_number(tmp_path: Path) -> None:
    with drafting(tmp_path) as draft:
        assert publish(tmp_path).name == "1"
    assert draft.version.name == "2"


def test_the_version_after_one_comes_into_the_same_folder(tmp_path: Path) -> None:
    version = publish(tmp_path / "tumor")
    with drafting_after(version) as draft:
        pass
    assert draft.version == tmp_path / "tumor" / "2"
    with pytest.raises(InvalidRequestError, match="saved: is no models/NAME/VERSION"):
        drafting_after(tmp_path / "saved")


def test_a_negative_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="version is -1"), drafting(tmp_path, -1):
        pass


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("file", "is no folder", id="a file in its place"),
        pytest.param("file/tumor", "no version can be written into it: Not a directory", id="a file above it"),
        pytest.param("/proc/tumor", "no version can be written into it", id="a file system that takes no folders"),
    ],
)
def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=reason), drafting(tmp_path / path):
        pytest.fail("there is nothing to build in")
    assert names(tmp_path) == {"file"}


BUILD_FOR_EVER = """
import pathlib, sys, time
from headwise.training.publish import drafting
with drafting(pathlib.Path(sys.argv[1])) as draft:
    (draft.folder / "variables").mkdir()
    print(draft.folder.name, flush=True)
    time.sleep(60)
"""


def test_the_draft_of_a_killed_process_is_swept_away_by_the_next_and_a_living_one_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as builder:
        try:
            assert builder.stdout is not None
            draft = builder.stdout.readline().strip()
            assert publish(tmp_path).name == "1"
            assert names(tmp_path) == {"1", draft}
        finally:
            builder.kill()

    assert names(tmp_path) == {"1", draft}
    assert publish(tmp_path).name == "2"
    assert names(tmp_path) == {"1", "2"}


def test_a_version_is_readable_by_other_users(tmp_path: Path) -> None:
    """A model server in a container reads it under another user id."""
    usual = tmp_path / "usual"
    usual.mkdir()
    assert publish(tmp_path / "tumor").stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad name!", "of the name 'bad name!': a name is 1 to 128 letters"),
        (".hidden", "begins with a letter or a digit"),
        ("a" * 129, "1 to 128"),
        ("tumor/3", "3 is the number of a version, .*: give --to models/NAME, without the version"),
    ],
)
def test_a_name_that_no_server_serves_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason), drafting(tmp_path / name):
        pytest.fail("it was begun")
    assert names(tmp_path) == set()


def test_the_name_is_that_of_the_link_and_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "bad name!"
    store.mkdir()
    (tmp_path / "tumor").symlink_to(store)
    assert publish(tmp_path / "tumor").name == "1"
    monkeypatch.chdir(tmp_path)
    assert publish(Path()) == Path("1")
    assert publish(Path("half_plus-two.v1")).is_dir()
