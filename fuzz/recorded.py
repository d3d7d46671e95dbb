"""What TensorFlow Serving was recorded to be asked and to answer, as bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from support.recordings import groups

_LONGEST = 2000
"""Bytes: mutations of larger messages seldom meet what matters."""


def messages(method: str, side: str) -> Iterator[bytes]:
    """The messages of a method, `request` or `response`, each once."""
    for group in groups("grpc").values():
        found = {case.get(f"{side}_base64", "") for case in group.cases if case["method"].endswith(f"/{method}")}
        yield from (data for text in sorted(found) if 0 < len(data := base64.b64decode(text)) < _LONGEST)
