"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwise.calibration.report.writing import write_all


def test_files_are_replaced_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    write_all({tmp_path / "a": b"new", tmp_path / "b": b"other"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"new", "b": b"other"}


def test_one_that_cannot_be_written_leaves_all_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    missing = tmp_path / "none" / "b"
    with pytest.raises(FileNotFoundError) as caught:
        write_all({tmp_path / "a": b"new", missing: b"other"})
    assert caught.value.filename == str(missing), "the file that was asked for, not its draft"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one is the system's to say
        write_all({tmp_path / "a": b"new"})
    assert caught.value.filename == str(tmp_path / "a")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
