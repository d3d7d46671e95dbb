"""The file of API keys: read strictly, changed in one step."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from headwise.access.keys import Key, Ring
from headwise.errors import ConfigurationError
from headwise.repository.locking import locked
from headwise.repository.replacement import replace_file, sweep_drafts

_PRIVATE = 0o600


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1]
    keys: tuple[Key, ...]


def read_ring(file: Path) -> Ring:
    """All keys of a file.

    Raises: ConfigurationError that names file and place, and never what stands there.
    """
    try:
        return Ring(_Document.model_validate_json(file.read_bytes()).keys)
    except OSError as error:
        raise ConfigurationError(f"{file}: the keys cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        # Without the chain: pydantic's own text has what stands there, which may be a key.
        raise ConfigurationError(f"{file}: {f'{place}: ' if place else ''}{first['msg']}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from error


def change(file: Path, changed: Callable[[tuple[Key, ...]], tuple[Key, ...]], *, begin: bool = False) -> None:
    """Replace the keys of a file by what is made of them. begin: where there is no file, one is begun.

    A new file is its owner's alone; one that is there keeps its mode.

    Raises: ConfigurationError; what `changed` raises.
    """
    try:
        with locked(file.parent):
            sweep_drafts(file)
            there = file.exists()
            keys = changed(() if begin and not there else read_ring(file).keys)
            document = _Document(version=1, keys=Ring(keys).keys).model_dump_json(indent=2, exclude_none=True)
            mode = stat.S_IMODE(file.stat().st_mode) if there else _PRIVATE
            replace_file(file, f"{document}\n".encode(), mode=mode)
    except OSError as error:
        raise ConfigurationError(f"{file}: the keys cannot be written: {error.strerror}") from error
