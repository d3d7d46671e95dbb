"""What the images are made of: valid CycloneDX with every entry of the lock, and licences that we may ship."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sbom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.locks import pins

PERMISSIVE = frozenset(
    {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0", "0BSD", "Zlib", "CC0-1.0"}
)
OF_FILES = frozenset({"MPL-2.0"})
"""It asks for changes of its own files alone; certifi and orjson have it, and are not changed."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `make sbom` writes, by image."""
    folder = tmp_path_factory.mktemp("dist")
    sbom.main(folder)
    return {image: json.loads((folder / f"sbom.{image}.cdx.json").read_text("utf-8")) for image in sbom.LOCKS}


images = pytest.mark.parametrize("image", sbom.LOCKS)


@images
def test_it_is_valid(documents: dict[str, Any], image: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(documents[image])) is None


@images
def test_it_has_every_entry_of_the_lock_with_its_hashes(documents: dict[str, Any], image: str) -> None:
    told = {
        (one["name"], one["version"]): len(one["externalReferences"][0]["hashes"])
        for one in documents[image]["components"]
    }
    assert told == {(pin.name, pin.version): pin.hashes for pin in pins(sbom.LOCKS[image])}


def test_it_says_who_needs_whom(documents: dict[str, Any]) -> None:
    document = documents["gateway"]
    names = {one["bom-ref"]: one["name"] for one in document["components"]}
    needs = {
        names.get(one["ref"], "headwise"): {names[ref] for ref in one["dependsOn"]} for one in document["dependencies"]
    }
    assert {"fastapi", "numpy", "grpcio"} <= needs["headwise"]
    assert "starlette" in needs["fastapi"]


def test_the_gateway_is_made_of_what_we_may_ship(documents: dict[str, Any]) -> None:
    here = {(pin.name, pin.version) for pin in pins("gateway.txt") if pin.here}
    for one in documents["gateway"]["components"]:
        if (one["name"], one["version"]) in here:
            told = licences(one)
            assert told, f"{one['name']} names no licence: read its file, and write it into requirements/sbom.py"
            assert told <= PERMISSIVE | OF_FILES, f"{one['name']} is licensed under {', '.join(sorted(told))}"


def licences(component: dict[str, Any]) -> set[str]:
    """The SPDX names of a component's licences, each of an expression; names that are none where there is an id."""
    found = set()
    for one in component.get("licenses", []):
        if "expression" in one:
            found |= set(re.findall(r"[\w.+-]+", one["expression"])) - {"AND", "OR"}
        elif "id" in one["license"]:
            found.add(one["license"]["id"])
    return found


def test_a_package_of_another_version_than_is_installed_has_no_licence(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("numpy==0.0.1 --hash=sha256:" + "0" * 64 + "\n")
    (one,) = sbom.bom(lock)["components"]
    assert "licenses" not in one
