"""Which models there are, which versions the model server has loaded, and which of them may answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import structlog

from headwise.errors import (
    BackendError,
    BackendRejectedError,
    ConfigurationError,
    HeadConfigError,
    HeadNotFoundError,
    ModelNotFoundError,
    ModelNotReadyError,
)
from headwise.repository.cards import CARD_PATH
from headwise.repository.model_spec import ModelSpec, VersionState, VersionStatus
from headwise.repository.served_model import ServedModel, load
from headwise.repository.sources import ModelLocation, ModelSource
from headwise.tfserving import model_service_pb2

_log = structlog.get_logger(__name__)

NO_VERSION = "the model server knows no version of it"


class StatusSource(Protocol):
    """Whoever knows the states of a model's versions: a backend."""

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """GetModelStatus."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version on disk or in the model server; without a folder on disk its `model` is bare."""

    status: VersionStatus
    model: ServedModel

    @property
    def available(self) -> bool:
        """Loaded by the model server."""
        return self.status.state is VersionState.AVAILABLE

    @property
    def admitted(self) -> bool:
        """May answer a head-aware call: loaded, with a valid card."""
        return self.available and self.model.card is not None

    @property
    def coming(self) -> bool:
        """Will answer once the model server has loaded it."""
        return self.status.state < VersionState.AVAILABLE and self.model.card is not None

    @property
    def problem(self) -> tuple[str, str] | None:
        """Code and reason why head-aware calls do not reach it; None if they do."""
        if self.model.refusal is not None:
            return HeadConfigError.code, str(self.model.refusal)
        if self.status.error:
            return "load-failed", self.status.error
        if not self.available:
            return ModelNotReadyError.code, f"the model server has not loaded it ({self.status.state.name})"
        if self.model.card is None:
            return HeadNotFoundError.code, f"no {CARD_PATH}: only its raw numbers can be read"
        return None

    @property
    def settled(self) -> bool:
        """Nothing will change without somebody's doing: it serves, or it is refused."""
        return self.problem is None or self.problem[0] != ModelNotReadyError.code


@dataclass(frozen=True, slots=True)
class Model:
    """versions: newest first."""

    name: str
    versions: tuple[Version, ...]
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def newest_admitted(self) -> Version | None:
        """What a head-aware call without version reaches."""
        return next((version for version in self.versions if version.admitted), None)

    @property
    def ready(self) -> bool:
        """Something answers: a head, or raw numbers of a model that declares none."""
        return any(version.available and version.model.refusal is None for version in self.versions)

    @property
    def settled(self) -> bool:
        """It answers, or it will not without somebody's doing."""
        return self.ready or (bool(self.versions) and all(version.settled for version in self.versions))

    @property
    def problem(self) -> tuple[str, str] | None:
        """Code and reason of its newest version that does not answer; None if the newest does."""
        if not self.versions:
            return ModelNotReadyError.code, NO_VERSION
        found = self.versions[0].problem
        return None if found is None else (found[0], f"version {self.versions[0].status.version}: {found[1]}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All models at one moment. backend_error: why the model server did not answer, None if it did."""

    models: Mapping[str, Model] = field(default_factory=dict)
    backend_error: str | None = "the model server has not been asked yet"

    def unready(self, required: frozenset[str] = frozenset()) -> str | None:
        """Why not everything is settled and every required model ready; None if it is."""
        if self.backend_error is not None:
            return self.backend_error
        if loading := sorted(name for name, model in self.models.items() if not model.settled):
            return f"loading: {', '.join(loading)}"
        ready = {name for name, model in self.models.items() if model.ready}
        if missing := sorted(required - ready):
            return f"required and not ready: {', '.join(missing)}"
        return None


class ModelRepository:
    """Keeps the newest snapshot. Reading is synchronous; `refresh` looks at the disk and asks the model server."""

    def __init__(self, source: ModelSource, statuses: StatusSource, *, timeout: float = 2.0) -> None:
        self._source = source
        self._statuses = statuses
        self._timeout = timeout
        self._loaded: dict[Path, tuple[tuple[tuple[int, int], ...], ServedModel]] = {}
        self._locations: Mapping[str, ModelLocation] | None = None
        self._unlisted = ""
        self._lock = asyncio.Lock()
        self._looked = 0.0
        self.snapshot = Snapshot()

    def find(self, name: str) -> Model:
        """A model by name.

        Raises: ModelNotFoundError, with names that look alike.
        """
        model = self.snapshot.models.get(name)
        if model is None:
            close = get_close_matches(name, self.snapshot.models, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else "; GET /v1/models lists what is there"
            raise ModelNotFoundError(f"there is no model {name!r}{hint}")
        return model

    def served(self, name: str, version: int) -> ServedModel | None:
        """A version's signatures and card, None if it is not known."""
        model = self.snapshot.models.get(name)
        found = (v.model for v in model.versions if v.status.version == version) if model else ()
        return next(iter(found), None)

    async def refresh(self) -> Snapshot:
        """Look again; callers that wait for the same look share it.

        Raises: ConfigurationError if the models have never been listed.
        """
        called = time.monotonic()
        async with self._lock:
            if self._looked > called:
                return self.snapshot
            began = time.monotonic()
            locations = await self._list()
            on_disk = await asyncio.to_thread(self._read, locations)
            error = None
            statuses: dict[str, tuple[VersionStatus, ...]] = {}
            try:
                for name in locations:
                    statuses[name] = await self._ask(name)
            except BackendError as problem:
                error = str(problem)
            models = {
                name: Model(
                    name,
                    self._versions(name, on_disk[name], statuses.get(name, self._last_statuses(name))),
                    location.labels,
                )
                for name, location in locations.items()
            }
            self.snapshot, self._looked = Snapshot(models, error), began
            return self.snapshot

    async def _list(self) -> Mapping[str, ModelLocation]:
        """The models of the source; while it cannot be read, those of its last good reading."""
        try:
            self._locations, self._unlisted = await asyncio.to_thread(self._source.locations), ""
        except ConfigurationError as error:
            if self._locations is None:
                raise
            if self._unlisted != str(error):
                self._unlisted = str(error)
                _log.warning("models not listed anew", reason=self._unlisted)
        return self._locations

    async def _ask(self, name: str) -> tuple[VersionStatus, ...]:
        try:
            answer = await self._statuses.status(ModelSpec(name), timeout=self._timeout)
        except BackendRejectedError as error:
            if error.status == "NOT_FOUND":
                return ()
            raise
        return tuple(
            VersionStatus(version.version, VersionState(version.state), version.status.error_message)
            for version in answer.model_version_status
        )

    def _read(self, locations: Mapping[str, ModelLocation]) -> dict[str, dict[int, ServedModel]]:
        folders = {name: location.versions() for name, location in locations.items()}
        read = {
            name: {version: self._load(name, version, folder) for version, folder in versions.items()}
            for name, versions in folders.items()
        }
        present = {folder for versions in folders.values() for folder in versions.values()}
        self._loaded = {folder: kept for folder, kept in self._loaded.items() if folder in present}
        return read

    def _load(self, name: str, version: int, folder: Path) -> ServedModel:
        """Read what changed. A card that goes bad under a serving version is reported; the last good one stays."""
        stamp = tuple(_stamp(folder / file) for file in ("saved_model.pb", CARD_PATH))
        known = self._loaded.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        model = load(name, version, folder)
        if model.refusal is not None:
            kept = known is not None and known[1].refusal is None
            _log.warning("card refused", model=name, version=version, reason=str(model.refusal), last_good_kept=kept)
            if known is not None and kept:
                model = known[1]
        self._loaded[folder] = (stamp, model)
        return model

    def _last_statuses(self, name: str) -> tuple[VersionStatus, ...]:
        model = self.snapshot.models.get(name)
        return tuple(version.status for version in model.versions) if model else ()

    def _versions(
        self, name: str, on_disk: Mapping[int, ServedModel], statuses: tuple[VersionStatus, ...]
    ) -> tuple[Version, ...]:
        """What the model server reports, and folders newer than all of that, which it will load next."""
        reported = {status.version: status for status in statuses}
        newest = max(reported, default=-1)
        reported |= {v: VersionStatus(v, VersionState.UNKNOWN) for v in on_disk if v > newest}
        return tuple(
            Version(status, on_disk.get(number) or self.served(name, number) or ServedModel(name, number, {}))
            for number, status in sorted(reported.items(), reverse=True)
            if status.state is not VersionState.END or (status.error and number in on_disk)
        )


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
