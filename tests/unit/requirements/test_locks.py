"""The locks: every entry hashed, no index named, one version of a package, and what pyproject.toml asks for."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from support.locks import FOLDER, LOCKS, OURS, Pin, pins

PROJECT = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = {
    "gateway.txt": PROJECT["project"]["dependencies"] + EXTRAS["traces"],
    "embedded.txt": PROJECT["project"]["dependencies"] + EXTRAS["embedded"] + EXTRAS["traces"],
    "dev.txt": [
        *PROJECT["project"]["dependencies"],
        *(one for extra in EXTRAS.values() for one in extra),
        *PROJECT["dependency-groups"]["dev"],
    ],
}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_pinned_and_hashed(lock: str) -> None:
    for pin in pins(lock):
        assert [one.operator for one in pin.requirement.specifier] == ["=="], pin.text
        assert pin.hashes > 0, pin.text


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_where_packages_come_from(lock: str) -> None:
    """Who installs chooses the index: an image is built from a mirror as well as from PyPI."""
    text = (FOLDER / lock).read_text("utf-8")
    assert not [word for word in ("index-url", "find-links", "trusted-host", "http://", "https://") if word in text]


def test_a_package_has_one_version_in_what_is_tested_and_what_is_shipped() -> None:
    versions = defaultdict(set)
    for lock in OURS:
        for pin in pins(lock):
            versions[pin.name, str(pin.requirement.marker)].add(pin.version)
    assert {key: found for key, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("lock", OURS)
def test_locks_are_what_the_project_asks_for(lock: str) -> None:
    """Without a resolver: from what pyproject.toml asks for by way of what is installed to every entry, and no further.

    Entries for other systems are passed over: what would ask for them is not installed.
    """
    locked = {pin.name: pin for pin in pins(lock) if pin.here}
    reached: set[NormalizedName] = set()
    _follow(map(Requirement, ASKED[lock]), frozenset(), locked, reached)
    assert {pin.name for pin in locked.values()} - reached == set(), "`make lock`: nothing asks for these any more"


def _follow(
    asked: Iterable[Requirement],
    extras: frozenset[str],
    locked: dict[NormalizedName, Pin],
    reached: set[NormalizedName],
    seen: set[tuple[NormalizedName, frozenset[str]]] | None = None,
) -> None:
    seen = set() if seen is None else seen
    for one in asked:
        if one.marker is not None and not any(one.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        name, wanted = canonicalize_name(one.name), frozenset(one.extras)
        assert name in locked, f"`make lock`: {one} is not locked"
        assert one.specifier.contains(locked[name].version, prereleases=True), (
            f"`make lock`: {one} is not what is locked"
        )
        reached.add(name)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        _follow(map(Requirement, _needs(name)), wanted, locked, reached, seen)


def _needs(name: NormalizedName) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        pytest.fail(f"{name} is not installed: `make .venv/.complete` brings the environment up to its lock")


def test_the_environment_is_that_of_its_lock() -> None:
    """What is tested is what is locked: a package installed by hand would be tested, and never shipped."""
    assert {pin.name: version(pin.name) for pin in pins("dev.txt") if pin.here} == {
        pin.name: pin.version for pin in pins("dev.txt") if pin.here
    }
