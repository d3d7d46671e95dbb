"""Replaces and adds files in one step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4


def replace_file(file: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file, and its folder where there is none: a reader sees the old file or the new one, never a part.

    mode: of the file; None leaves it to the umask.

    Raises: OSError; nothing is left behind then, neither a draft nor an empty folder.
    """
    with made_folder(file.parent), _draft(file, data, mode) as draft:
        draft.replace(file)


def add_file(file: Path, data: bytes) -> None:
    """As `replace_file`, but never over a file that is there.

    Raises: FileExistsError if it is there; OSError.
    """
    with made_folder(file.parent), _draft(file, data) as draft:
        os.link(draft, file)


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """The folder, made where there is none, and removed again where the block fails and left it empty."""
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def sweep_drafts(file: Path) -> None:
    """Remove what killed writers of a file left beside it; only while nobody else can be writing it.

    file: its name may be a pattern.
    """
    for draft in file.parent.glob(f".{file.name}.*"):
        with contextlib.suppress(OSError):
            draft.unlink()


@contextlib.contextmanager
def _draft(file: Path, data: bytes, mode: int | None = None) -> Iterator[Path]:
    """The data beside its file under a hidden name, on the disk; gone behind the block."""
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            if mode is not None:
                os.fchmod(descriptor, mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())  # else a power failure could leave the new name with nothing behind it
        yield draft
    finally:
        with contextlib.suppress(OSError):  # the first failure is the one to tell
            draft.unlink(missing_ok=True)
