"""Replaces a file in one step."""

from __future__ import annotations

import contextlib
from pathlib import Path
from uuid import uuid4


def replace_file(file: Path, data: bytes) -> None:
    """Write a file, and its folder where there is none: a reader sees the old file or the new one, never a part.

    Raises: OSError; nothing is left behind then, neither a draft nor an empty folder.
    """
    folder = file.parent
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        draft.write_bytes(data)
        draft.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):  # the first failure is the one to tell
            draft.unlink(missing_ok=True)
        if is_new:
            folder.rmdir()
        raise
