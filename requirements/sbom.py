"""Writes what the images that serve are made of as CycloneDX, from their locks: python requirements/sbom.py [FOLDER].

Names, versions and hashes are those of the lock. Licences and dependencies are those that are installed beside this
script; a package that is not (it is for another system) has neither.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import headwise

ROOT = Path(__file__).parents[1]
LOCKS: Mapping[str, str] = {"gateway": "gateway.txt", "model-server": "embedded.txt"}
"""Image to lock."""

UNSAID: Mapping[str, str] = {"protobuf": "BSD-3-Clause", "pysimdjson": "MIT", "python-rapidjson": "MIT"}
"""Packages whose metadata names no licence that a program could read; these are those of their licence files."""


def bom(lock: Path) -> dict[str, Any]:
    """The document of one lock."""
    document = _cyclonedx("requirements", str(lock))
    installed = _installed()
    refs = {ref: of["name"] for ref, of in installed["components"].items()}
    locked = {canonical(one["name"]): one["bom-ref"] for one in document["components"]}
    for one in document["components"]:
        name = canonical(one["name"])
        known = installed["by_name"].get((name, one["version"]))
        if known is not None:
            one["licenses"] = [{"expression": UNSAID[name]}] if name in UNSAID else known.get("licenses", [])
    root = document["metadata"]["component"]
    root["version"] = headwise.__version__
    document["dependencies"] = [
        {"ref": root["bom-ref"], "dependsOn": _within(installed["needs"]["root-component"], refs, locked)},
        *(
            {"ref": one["bom-ref"], "dependsOn": _within(installed["needs"].get(ref, ()), refs, locked)}
            for one in document["components"]
            if (ref := installed["refs"].get((canonical(one["name"]), one["version"]))) is not None
        ),
    ]
    return document


def canonical(name: str) -> str:
    """A package's name as indexes have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _within(needed: Any, refs: Mapping[str, str], locked: Mapping[str, str]) -> list[str]:
    """The packages that are needed and locked; the environment has extras that the lock leaves out."""
    names = (canonical(refs[ref]) for ref in needed)
    return sorted(locked[name] for name in names if name in locked)


@cache
def _installed() -> dict[str, Any]:
    """What is installed: components by reference and by name and version, and what each needs."""
    document = _cyclonedx("environment", sys.executable)
    components = {one["bom-ref"]: one for one in document["components"]}
    keys = {ref: (canonical(one["name"]), one["version"]) for ref, one in components.items()}
    return {
        "components": components,
        "by_name": {key: components[ref] for ref, key in keys.items()},
        "refs": {key: ref for ref, key in keys.items()},
        "needs": {one["ref"]: one.get("dependsOn", ()) for one in document["dependencies"]},
    }


def _cyclonedx(*arguments: str) -> dict[str, Any]:
    """Run the tool; what it writes is the same each time."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *arguments),
            *("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--no-validate", "-o", "-"),
        ],
        capture_output=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def main(folder: Path = ROOT / "dist") -> None:
    """Write one document an image."""
    folder.mkdir(parents=True, exist_ok=True)
    for image, lock in LOCKS.items():
        file = folder / f"sbom.{image}.cdx.json"
        document = bom(ROOT / "requirements" / lock)
        file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        print(f"{file}: {len(document['components'])} packages")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
