"""headwise keys: a key is shown once, its file never shows it, and what is wrong is said before anything is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headwise.access.caller import Credentials
from headwise.access.key_file import read_ring
from headwise.errors import UnauthenticatedError
from support.command_line import Ended, headwise

SCOPE = ("--scope", "model:tumor:predict")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def create(file: Path, *more: str) -> Ended:
    return headwise("keys", "create", "--file", file, "--name", "billing", *SCOPE, *more)


def listed(file: Path) -> list[dict[str, Any]]:
    done = headwise("keys", "list", "--file", file, "--json")
    assert done.code == 0
    found: list[dict[str, Any]] = json.loads(done.out)["keys"]
    return found


def test_the_key_stands_alone_on_standard_output_and_works(file: Path) -> None:
    done = create(file)
    text = done.out.removesuffix("\n")
    assert done.code == 0
    assert read_ring(file).find(Credentials(text)).name == "billing"
    assert "shown this once" in done.err
    assert text not in done.err
    assert text not in file.read_text()
    assert text.rpartition("_")[2] not in file.read_text()


def test_a_list_tells_all_but_what_keys_are_known_by(file: Path) -> None:
    text = create(file, "--scope", "model:wine*:*", "--rate", "100/second", "--expires", "90d").out.strip()
    (key,) = listed(file)
    assert key.keys() == {"id", "name", "certificate", "scopes", "created", "expires", "rate"}
    assert (key["scopes"], key["rate"]) == (["model:tumor:predict", "model:wine*:*"], "100/second")
    table = headwise("keys", "list", "--file", file).out
    kept = json.loads(file.read_text())["keys"][0]["sha256"]
    for shown in (json.dumps(key), table):
        assert text.split("_")[1] in shown
        assert kept not in shown
        assert text not in shown


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("2999-12-31", datetime(3000, 1, 1, tzinfo=UTC)),
        ("2999-12-31T12:00:00+02:00", datetime(2999, 12, 31, 10, tzinfo=UTC)),
        ("2999-12-31T12:00:00", datetime(2999, 12, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_key_ends_with_the_day_or_at_the_time_that_is_given(file: Path, given: str, end: datetime) -> None:
    create(file, "--expires", given)
    assert read_ring(file).keys[0].expires == end


def test_days_count_from_now(file: Path) -> None:
    create(file, "--expires", "90d")
    (key,) = read_ring(file).keys
    assert key.expires is not None
    assert key.expires - key.created == timedelta(days=90)
    assert abs(key.created - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_certificate_stands_for_a_key_and_no_secret_is_made(file: Path) -> None:
    done = create(file, "--certificate", "robot")
    (key,) = listed(file)
    assert done.out.strip() == key["id"]
    assert key["certificate"] == "robot"
    assert read_ring(file).find(Credentials(certificate="robot")).id == key["id"]


def test_a_revoked_key_is_gone_and_the_others_stay(file: Path) -> None:
    first, second = create(file).out.strip(), create(file).out.strip()
    assert headwise("keys", "revoke", first.split("_")[1], "--file", file).code == 0
    ring = read_ring(file)
    with pytest.raises(UnauthenticatedError):
        ring.find(Credentials(first))
    assert ring.find(Credentials(second)).id == second.split("_")[1]


def test_a_key_that_is_not_there_cannot_be_revoked(file: Path) -> None:
    text = create(file).out.strip()
    done = headwise("keys", "revoke", "nosuchid", "--file", file)
    assert done.code == 1
    assert f"has no key 'nosuchid'; its keys are {text.split('_')[1]}" in done.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--scope", "tumor"], "model:NAME:VERB is expected"),
        (["--scope", "model:tumor:read"], "predict, metadata, admin"),
        (["--rate", "often"], "NUMBER/PERIOD is expected"),
        (["--expires", "soon"], "90d or a date"),
        (["--expires", "2020-01-01"], "that is over"),
        (["--name", ""], "--name: "),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(file: Path, more: list[str], said: str) -> None:
    done = create(file, *more)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not file.exists()


@pytest.mark.parametrize("verb", [["list"], ["revoke", "abcdefgh"]])
def test_a_file_that_is_not_there_is_told(file: Path, verb: list[str]) -> None:
    done = headwise("keys", *verb, "--file", file)
    assert done.code == 2
    assert "No such file" in done.err
