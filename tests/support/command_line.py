"""`headwise …` inside the test's process: what it printed, and its exit code."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from headwise.cli import main


@dataclass(frozen=True)
class Ended:
    """A finished command."""

    code: int
    out: str
    err: str


def headwise(*arguments: object) -> Ended:
    """Run a command to its end."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with _arguments(*map(str, arguments)), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return Ended(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _arguments(*arguments: str) -> Iterator[None]:
    before, sys.argv = sys.argv, ["headwise", *arguments]
    try:
        yield
    finally:
        sys.argv = before
