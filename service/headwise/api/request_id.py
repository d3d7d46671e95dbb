"""The id that a request carries through answers and logs."""

from __future__ import annotations

import random
import re

HEADER = "x-request-id"

_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def request_id(given: str | None) -> str:
    """The caller's own id if it is harmless to log, else a new one."""
    return given if given and _PATTERN.fullmatch(given) else f"{random.getrandbits(128):032x}"  # a name, no secret  # nosec B311
