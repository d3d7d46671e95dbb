"""Model repositories for tests: the recorded SavedModels with head cards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "golden" / "tfs_recordings" / "models"

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


def add_model(
    repository: Path, recorded: str, heads: dict[str, dict[str, Any]] | None, *, name: str = "", version: int = 1
) -> Path:
    """Publish a recorded SavedModel as `name`/`version`, by rename, as a trainer would; its folder."""
    target = repository / (name or recorded) / str(version)
    building = target.with_name(f".building-{version}")
    shutil.copytree(RECORDED / recorded / "1", building)
    if heads is not None:
        write_card(building, heads)
    building.rename(target)
    return target


def write_card(folder: Path, heads: dict[str, dict[str, Any]]) -> None:
    """Write a card for serving_default."""
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    card = {"card_version": 1, "signatures": {"serving_default": {"heads": heads}}}
    (extra / "head.json").write_text(json.dumps(card), "utf-8")


def recorded_repository(folder: Path) -> Path:
    """All models of HEADS."""
    for name, heads in HEADS.items():
        add_model(folder, name, heads)
    return folder
