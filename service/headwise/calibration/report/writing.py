"""Files that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write files beside their names first, and rename them when all are written; their folders must be there.

    Raises: OSError naming the file; a file that was there before is as it was, unless renaming itself fails.
    """
    drafts = {file: file.with_name(f".{file.name}.{uuid4().hex}") for file in files}
    at = None
    try:
        for at, data in files.items():
            drafts[at].write_bytes(data)
        for at, draft in drafts.items():
            draft.replace(at)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(at)) from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
