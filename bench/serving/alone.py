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


class RawTensorFlow:
    """One caller of a SavedModel's signature in a process of its own, which waits for its input between runs."""

    def __init__(self, subject: Subject) -> None:
        about = (str(subject.version), subject.input, subject.output)
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "serving.raw_tensorflow", *about],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> RawTensorFlow:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def measure(self, rows: int, seconds: float) -> dict[str, Any]:
        """Calls with so many rows each.

        Raises: LoadError.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(rows, seconds, file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise LoadError("the raw TensorFlow caller ended") from error
        for line in self._process.stdout:
            if line.startswith("{"):
                figures: dict[str, Any] = json.loads(line)
                return figures
        raise LoadError("the raw TensorFlow caller ended")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{BENCH}:{ROOT / 'service'}", "TF_CPP_MIN_LOG_LEVEL": "2"}


def _run(module: str, *arguments: str) -> dict[str, Any]:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", module, *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise LoadError(f"{module} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures
