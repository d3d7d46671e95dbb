"""How a version comes into a model's folder: built out of sight, shown whole by one rename, never replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from headwise.errors import ConfigurationError, InvalidRequestError
from headwise.repository.locking import locked
from headwise.repository.sources import MODEL_NAME

_DRAFTS = ".export-"


class Draft:
    """A version that nobody sees yet. folder: where to build it. version: its folder, once it is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version: Path | None = None

    @property
    def version(self) -> Path:
        """models/NAME/VERSION; read it behind the `with` block."""
        if self._version is None:
            raise RuntimeError(f"{self.folder} is not published yet")
        return self._version

    def publish(self, target: Path) -> None:
        """Take the place of the version folder, in one step."""
        self.folder.rename(target)
        self._version = target


@contextlib.contextmanager
def drafting(model_folder: Path, number: int | None = None) -> Iterator[Draft]:
    """A draft in `model_folder`, which becomes its version `number` where the block ends without an error.

    number: one that is free; the next free one if left out, chosen when the draft is whole.
    A failure leaves nothing behind, not even the folders that were made for it. A process that was killed
    leaves a hidden draft, which a model server passes over and the next draft sweeps away.

    Raises: FileExistsError if the version is taken, ConfigurationError if the folder cannot be written,
    InvalidRequestError if its name is none that a model can be served under, ValueError if the number is negative.
    """
    if number is not None and number < 0:
        raise ValueError(f"version is {number}: it must be 0 or more")
    _check_name(model_folder)
    _check_free(model_folder, number)
    made = [folder for folder in (model_folder, *model_folder.parents) if not folder.exists()]
    with contextlib.ExitStack() as cleaning:
        cleaning.callback(_remove_empty, made)
        draft = Draft(model_folder / f"{_DRAFTS}{uuid4().hex}")
        cleaning.callback(shutil.rmtree, draft.folder, ignore_errors=True)
        with _said_plainly(model_folder):
            model_folder.mkdir(parents=True, exist_ok=True)
            cleaning.enter_context(_begun(draft.folder))
        yield draft
        with _said_plainly(model_folder), locked(model_folder):
            _check_free(model_folder, number)
            draft.publish(model_folder / str(next_version(model_folder) if number is None else number))


def drafting_after(version: Path) -> contextlib.AbstractContextManager[Draft]:
    """`drafting` for the next version of the model that this is a version of.

    Raises: InvalidRequestError if it is no models/NAME/VERSION; and what `drafting` raises.
    """
    folder = version if version.name else version.absolute()
    if not folder.name.isdecimal():
        raise InvalidRequestError(
            f"{folder}: is no models/NAME/VERSION, beside which the next version could be written"
        )
    return drafting(folder.parent)


def next_version(model_folder: Path) -> int:
    """One more than the largest version there is; TensorFlow Serving serves the largest."""
    names = (entry.name for entry in model_folder.iterdir()) if model_folder.is_dir() else ()
    return 1 + max((int(name) for name in names if name.isascii() and name.isdecimal()), default=0)


def _check_name(model_folder: Path) -> None:
    """The name that a server sees: a link's own, not that of the folder that it leads to."""
    name = Path(os.path.abspath(model_folder)).name  # noqa: PTH100 Path.resolve would follow links
    if name.isascii() and name.isdecimal():
        raise InvalidRequestError(
            f"{model_folder}: {name} is the number of a version, not the name of a model: "
            "give --to models/NAME, without the version"
        )
    if not MODEL_NAME.fullmatch(name):
        raise InvalidRequestError(
            f"{model_folder}: no server serves a model of the name {name!r}: a name is 1 to 128 letters (a to z), "
            "digits, '.', '_' and '-', and begins with a letter or a digit"
        )


def _check_free(model_folder: Path, number: int | None) -> None:
    if number is None:
        return
    target = model_folder / str(number)
    if os.path.lexists(target):
        raise FileExistsError(f"{target} is already there: a version is never replaced, choose another number")


@contextlib.contextmanager
def _said_plainly(model_folder: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        if error.errno is None:  # our own text
            raise
        raise ConfigurationError(
            f"{model_folder}: is no folder: a model's folder such as models/tumor is expected"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{model_folder}: no version can be written into it: {error.strerror}; nothing was changed"
        ) from error


@contextlib.contextmanager
def _begun(draft: Path) -> Iterator[None]:
    """The draft's folder, locked for as long as this process builds it; drafts that nobody builds are swept away."""
    with contextlib.ExitStack() as locks:
        with locked(draft.parent):
            for left in draft.parent.glob(f"{_DRAFTS}*"):
                _sweep(left)
            draft.mkdir()
            locks.enter_context(locked(draft))
        yield


def _sweep(draft: Path) -> None:
    """Remove a draft whose builder is gone: a lock ends with its process."""
    with contextlib.suppress(OSError), locked(draft, wait=False):
        shutil.rmtree(draft, ignore_errors=True)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
