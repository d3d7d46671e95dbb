"""A keys file is read whole or refused with file and place; it never shows what it holds, and never stands half."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headwise.access.key_file import change, read_ring
from headwise.access.keys import Ring
from headwise.errors import ConfigurationError
from support.access import make_key

SECRET = "hw_aaaaaaaa_" + "S" * 43
GOOD: dict[str, Any] = {
    "id": "abcdefgh",
    "name": "billing",
    "sha256": "0" * 64,
    "scopes": ["model:tumor:predict"],
    "created": "2030-01-01T00:00:00Z",
    "expires": None,
    "rate": "100/second",
}


def written(file: Path, **changes: Any) -> Path:
    key = {name: value for name, value in {**GOOD, **changes}.items() if value != "left out"}
    file.write_text(json.dumps({"version": 1, "keys": [key]}))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_file_is_read_as_it_was_written(file: Path) -> None:
    keys = (make_key("model:*:*")[0], make_key("model:a*:predict", rate="5/day", certificate="robot")[0])
    change(file, lambda none: (*none, *keys), begin=True)
    assert read_ring(file).keys == keys
    assert json.loads(file.read_text())["version"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"owner": "me"}, r"keys\.0\.owner: Extra inputs"),
        ({"sha256": SECRET}, r"keys\.0\.sha256: "),
        ({"sha256": "0" * 63}, r"keys\.0\.sha256: "),
        ({"sha256": "left out"}, r"keys\.0: .*either sha256 or certificate"),
        ({"certificate": "robot"}, r"keys\.0: .*either sha256 or certificate"),
        ({"id": "ABCDEFGH"}, r"keys\.0\.id: "),
        ({"name": ""}, r"keys\.0\.name: "),
        ({"scopes": []}, r"keys\.0\.scopes: "),
        ({"scopes": ["model:tumor:read"]}, r"keys\.0\.scopes\.0: .*predict, metadata, admin"),
        ({"scopes": [{"model": "*", "verb": "*"}]}, r"keys\.0\.scopes\.0: .*a text is expected"),
        ({"scopes": "model:*:*"}, r"keys\.0\.scopes: "),
        ({"created": "left out"}, r"keys\.0\.created: Field required"),
        ({"created": "2030-01-01T00:00:00"}, r"keys\.0\.created: .*timezone"),
        ({"expires": "soon"}, r"keys\.0\.expires: "),
        ({"expires": 1893456000}, r"keys\.0\.expires: "),
        ({"rate": "many"}, r"keys\.0\.rate: .*NUMBER/PERIOD"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_place_and_not_shown(
    file: Path, changes: dict[str, Any], reason: str
) -> None:
    written(file, **changes)
    with pytest.raises(ConfigurationError, match=rf"keys\.json: {reason}") as refused:
        read_ring(file)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'{"version": 2, "keys": []}', "version: "),
        (b'{"keys": []}', "version: Field required"),
        (b'{"version": 1, "keys": [], "more": 1}', "more: Extra"),
        (b"\xff", "JSON|utf"),
    ],
)
def test_a_document_that_is_none_is_refused(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"keys\.json: .*({reason})"):
        read_ring(file)


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"keys\.json: the keys cannot be read: No such file"):
        read_ring(file)


def test_a_key_that_is_there_twice_is_refused(file: Path) -> None:
    file.write_text(json.dumps({"version": 1, "keys": [GOOD, GOOD]}))
    with pytest.raises(ConfigurationError, match=r"keys\.json: id abcdefgh is there twice"):
        read_ring(file)


def test_a_new_file_is_its_owners_alone_and_one_that_is_there_keeps_its_mode(file: Path) -> None:
    change(file, lambda none: (*none, make_key("model:*:*")[0]), begin=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    change(file, lambda kept: kept)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_writers_at_once_lose_no_key_and_leave_no_draft(file: Path) -> None:
    def add(_: int) -> None:
        change(file, lambda kept: (*kept, make_key("model:*:*")[0]), begin=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    assert len(read_ring(file).keys) == 12
    assert [found.name for found in file.parent.iterdir()] == ["keys.json"]


def test_only_who_begins_a_file_may_find_none(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        change(file, lambda kept: kept)
    assert list(file.parent.iterdir()) == []


def test_a_bad_file_is_not_written_over(file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(ConfigurationError):
        change(file, lambda kept: kept)
    assert file.read_text() == "mine"


def test_an_empty_file_of_keys_lets_nobody_in(file: Path) -> None:
    change(file, lambda none: none, begin=True)
    assert read_ring(file).keys == Ring(()).keys
