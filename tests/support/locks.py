"""The locks, read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

FOLDER = Path(__file__).parents[2] / "requirements"
LOCKS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.txt") if "override" not in path.name)
OURS = ("gateway.txt", "embedded.txt", "dev.txt")
"""The locks that `pyproject.toml` asks for."""

_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry of a lock."""

    requirement: Requirement
    hashes: int
    text: str

    @property
    def name(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        return specifier.version

    @property
    def here(self) -> bool:
        """Whether this system and Python need it."""
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def pins(lock: str) -> Iterator[Pin]:
    """The entries of a lock."""
    text = (FOLDER / lock).read_text("utf-8")
    for entry in text.replace("\\\n", " ").splitlines():
        if entry and not entry.startswith("#"):
            wanted = entry.split(" --hash")[0]
            yield Pin(Requirement(wanted.strip()), len(_HASH.findall(entry)), entry)
