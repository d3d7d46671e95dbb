"""Model repositories for tests: the recorded SavedModels with head cards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.recordings import MODELS

BINARY = {"task": "binary", "activation": "linear", "labels": ["no", "yes"]}
HEADS: dict[str, dict[str, dict[str, Any]]] = {
    "logit": {"output_0": {**BINARY, "decision": {"rule": "threshold", "thresholds": {"screening": 0.1}}}},
    "softmax4": {"output_0": {"task": "multiclass", "activation": "softmax", "labels": ["a", "b", "c", "d"]}},
    "multilabel": {"output_0": {"task": "multilabel", "activation": "sigmoid", "labels": ["x", "y", "z"]}},
    "image": {"output_0": {"task": "multiclass", "activation": "softmax", "labels": [str(n) for n in range(10)]}},
    "pair": {
        "prob": {"task": "binary", "activation": "sigmoid", "labels": ["off", "on"]},
        "hidden": {"task": "regression", "activation": "linear"},
    },
    "nanout": {"y": {"task": "regression", "activation": "linear"}},
}


def publish(base: Path, version: int, source: str, extra: Mapping[str, bytes] | None = None) -> Path:
    """Put a recorded model, `name/version`, with files for assets.extra under `base/version`: copy, then rename."""
    hidden, shown = base / f".building-{version}", base / str(version)
    shutil.copytree(MODELS / source, hidden)
    for name, content in (extra or {}).items():
        (hidden / "assets.extra").mkdir(exist_ok=True)
        (hidden / "assets.extra" / name).write_bytes(content)
    return hidden.rename(shown)


def add_model(
    repository: Path, recorded: str, heads: dict[str, dict[str, Any]] | None, *, name: str = "", version: int = 1
) -> Path:
    """Publish the first version of a recorded model as `name`/`version`, with a card for serving_default."""
    card = {"card_version": 1, "signatures": {"serving_default": {"heads": heads}}}
    extra = {} if heads is None else {"head.json": json.dumps(card).encode()}
    return publish(repository / (name or recorded), version, f"{recorded}/1", extra)


def recorded_repository(folder: Path) -> Path:
    """All models of HEADS."""
    for name, heads in HEADS.items():
        add_model(folder, name, heads)
    return folder
