"""What changes is read again, once a second at most; what goes bad is counted, told once, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headwise.access.last_good import LastGood
from headwise.errors import ConfigurationError


class Watched:
    """A file of a number, and all that is known of its readings."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = 0.0
        self.readings = 0
        self.failed: list[str] = []
        file.write_text("1")
        self.value = LastGood([file], self._read, what="number", failed=self.failed.append, clock=lambda: self.now)

    def _read(self) -> int:
        self.readings += 1
        try:
            return int(self.file.read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.file.name} is bad") from error

    def later(self) -> int:
        self.now += 1.0
        return self.value()

    def replace(self, text: str) -> None:
        draft = self.file.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.file)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "number")


def test_a_file_that_changed_is_read_at_the_next_look(watched: Watched) -> None:
    watched.replace("2")
    assert watched.value() == 1, "nobody looks twice in a second"
    assert watched.later() == 2
    assert (watched.later(), watched.readings) == (2, 2), "what did not change is not read"


def test_what_goes_bad_is_told_once_and_changes_nothing(watched: Watched) -> None:
    with capture_logs() as log:
        watched.replace("bad")
        assert [watched.later() for _ in range(3)] == [1] * 3
        watched.file.unlink()
        assert [watched.later() for _ in range(3)] == [1] * 3
        watched.replace("3")
        assert watched.later() == 3
    assert watched.failed == ["number", "number"]
    assert [entry["event"] for entry in log] == ["number not reloaded"] * 2 + ["number reloaded"]


def test_a_link_that_moves_is_seen_as_kubernetes_moves_it(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "number").write_text(text)
    data = tmp_path / "..data"
    data.symlink_to("a")
    (tmp_path / "number").symlink_to("..data/number")
    now = [0.0]
    value = LastGood(
        [tmp_path / "number"],
        (tmp_path / "number").read_text,
        what="number",
        failed=print,
        clock=lambda: now[0],
    )
    (tmp_path / "next").symlink_to("b")
    (tmp_path / "next").replace(data)
    now[0] = 1.0
    assert value() == "2"


def test_what_is_bad_at_the_start_is_refused(tmp_path: Path) -> None:
    def read() -> int:
        raise ConfigurationError("bad")

    with pytest.raises(ConfigurationError):
        LastGood([tmp_path / "none"], read, what="number", failed=print)
