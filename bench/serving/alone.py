"""Measured without any server, each in a process of its own: the head maths, a pass over memory, a TensorFlow call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from serving.load import LoadError
from serving.made_models import CLASSES
from serving.sides import BENCH, ROOT
from serving.subjects import Subject

HEAD_ROWS = (1, 64)
"""Rows a batch: one fits the caches, 64 rows of 100,000 classes do not."""
ACTIVATIONS = ("softmax", "linear")


def heads(seconds: int) -> Iterator[tuple[Mapping[str, Any], Callable[[], dict[str, Any]]]]:
    """For each width, activation and batch: what tells it from others, and what measures it."""
    for classes in CLASSES:
        for activation in ACTIVATIONS:
            for rows in HEAD_ROWS:
                key = {"classes": classes, "activation": activation, "rows": rows, "side": "headwise"}
                yield key, _head(classes, activation, rows, seconds / 4)


def _head(classes: int, activation: str, rows: int, seconds: float) -> Callable[[], dict[str, Any]]:
    return lambda: _run("serving.head_alone", str(classes), activation, str(rows), str(seconds))


def raw_tensorflow(subject: Subject, rows: int, seconds: int) -> Callable[[], dict[str, Any]]:
    """One caller of the SavedModel's signature in its own process."""
    arguments = (str(subject.version), subject.input, subject.output, str(rows), str(seconds))
    return lambda: _run("serving.raw_tensorflow", *arguments)


def _run(module: str, *arguments: str) -> dict[str, Any]:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": f"{BENCH}:{ROOT / 'service'}", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise LoadError(f"{module} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures
