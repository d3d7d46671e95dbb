"""Which model a request means, and what is known of its versions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from headwise.savedmodel.signature import DEFAULT_SIGNATURE


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model by name, with at most one of version and label; neither means the newest."""

    name: str
    version: int | None = None
    label: str | None = None
    signature_name: str = DEFAULT_SIGNATURE

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name} version {self.version}"
        return f"{self.name} label {self.label}" if self.label is not None else self.name


class VersionState(IntEnum):
    """The life of a version in the model server, as ModelService numbers it."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50

    @classmethod
    def _missing_(cls, value: object) -> VersionState:  # noqa: ARG003  # enum calls it so
        """A state that a newer model server may have."""
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """What the model server says of a version; `error` is empty unless it failed."""

    version: int
    state: VersionState
    error: str = ""
