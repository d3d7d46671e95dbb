"""A file is replaced in one step, or everything stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwise.repository.replacement import replace_file


def test_a_file_is_written_with_its_folder_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    for data in (b"old", b"new"):
        replace_file(file, data)
        assert file.read_bytes() == data
    assert list(tmp_path.rglob("*")) == [file.parent, file]


@pytest.mark.parametrize("name", ["there/directory", "there/" + "x" * 255, "new/" + "x" * 255])
def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    (tmp_path / "there" / "directory").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match=r"Is a directory|File name too long"):
        replace_file(tmp_path / name, b"data")
    assert sorted(tmp_path.rglob("*")) == before
