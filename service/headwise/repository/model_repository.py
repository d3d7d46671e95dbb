"""Looks at the disk and asks the model server; keeps what it found as one snapshot."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import structlog

from headwise.errors import (
    BackendError,
    BackendRejectedError,
    ConfigurationError,
    ModelNotFoundError,
    ModelNotReadyError,
    UnreadableModelError,
)
from headwise.repository.cards import CARD_PATH
from headwise.repository.golden_file import GOLDEN_PATH, read_golden
from headwise.repository.model_spec import ModelSpec, VersionState, VersionStatus
from headwise.repository.proofs import Key, Proofs, Prove, Reading, Verdict
from headwise.repository.served_model import ServedModel, load
from headwise.repository.snapshot import Model, Snapshot, Version
from headwise.repository.sources import ModelLocation, ModelSource
from headwise.tfserving import model_service_pb2

_log = structlog.get_logger(__name__)

_QUESTIONS = 4


class StatusSource(Protocol):
    """Whoever knows the states of a model's versions: a backend."""

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """GetModelStatus."""


class ModelRepository:
    """Keeps the newest snapshot. Reading is synchronous; `refresh` looks at the disk and asks the model server.

    prove: runs golden records. failed: told when a version that was read goes bad on disk. timeout: seconds for one
    question. patience: seconds after which a version that the model server does not name is not one that it will load
    next.
    """

    def __init__(
        self,
        source: ModelSource,
        statuses: StatusSource,
        prove: Prove,
        *,
        failed: Callable[[], None] = lambda: None,
        timeout: float = 2.0,
        patience: float = 10.0,
    ) -> None:
        self._source = source
        self._statuses = statuses
        self._timeout = timeout
        self._patience = patience
        self._proofs = Proofs(prove)
        self._failed = failed
        self._loaded: dict[Path, tuple[tuple[tuple[int, int], ...], Reading]] = {}
        self._locations: Mapping[str, ModelLocation] | None = None
        self._unlisted = ""
        self._missed: dict[tuple[str, int], float] = {}
        self._lock = asyncio.Lock()
        self._looked = 0.0
        self.snapshot = Snapshot()

    def find(self, name: str, shown: Snapshot | None = None) -> Model:
        """A model by name. shown: what a caller may know of who may not know of all.

        Raises: ModelNotFoundError, with names that look alike; ModelNotReadyError while nothing is known yet.
        """
        model = self.snapshot.models.get(name)
        if model is None:
            if not self._looked:
                raise ModelNotReadyError("the gateway is still looking at its models for the first time: try again")
            close = get_close_matches(name, (shown or self.snapshot).models, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else "; GET /v1/models lists what is there"
            raise ModelNotFoundError(f"there is no model {name!r}{hint}")
        return model

    def served(self, name: str, version: int) -> ServedModel | None:
        """A version's signatures and card, None if it is not known."""
        model = self.snapshot.models.get(name)
        found = model.version(version) if model else None
        return found.model if found else None

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
            folders, on_disk = await asyncio.to_thread(self._read, locations)
            error = None
            statuses: dict[str, tuple[VersionStatus, ...]] = {}
            try:
                # Whether the model server is there matters without models too.
                names = tuple(locations) or ("any",)
                statuses = dict(zip(names, await self._ask_all(names), strict=True))
            except BackendError as problem:
                error = str(problem)
                self._missed.clear()  # while it says nothing it leaves nothing out
            self._missed = {key: since for key, since in self._missed.items() if key[0] in locations}
            reported = {name: statuses.get(name, self._last_statuses(name)) for name in locations}
            verdicts = await self._proofs.look(self._to_prove(on_disk, reported))
            models = {
                name: Model(
                    name,
                    self._versions(name, folders[name], on_disk[name], reported[name], verdicts),
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

    async def _ask_all(self, names: Sequence[str]) -> list[tuple[VersionStatus, ...]]:
        """The statuses of every model, a few questions at a time: a model server takes only so many calls at once.

        Raises: BackendError, the first that one met.
        """
        room = asyncio.Semaphore(_QUESTIONS)

        async def ask(name: str) -> tuple[VersionStatus, ...]:
            async with room:
                return await self._ask(name)

        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(ask(name)) for name in names]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in asked]

    async def _ask(self, name: str) -> tuple[VersionStatus, ...]:
        try:
            answer = await self._statuses.status(ModelSpec(name), timeout=self._timeout)
        except BackendRejectedError as error:
            if error.status == "NOT_FOUND":
                return ()
            # One call that it refuses (TensorFlow Serving does when it is busy) says nothing of the model.
            _log.warning("model status refused", model=name, status=error.status, reason=error.detail)
            return self._last_statuses(name)
        return tuple(
            VersionStatus(version.version, VersionState(version.state), version.status.error_message)
            for version in answer.model_version_status
        )

    def _to_prove(
        self, on_disk: Mapping[str, Mapping[int, Reading]], reported: Mapping[str, tuple[VersionStatus, ...]]
    ) -> dict[Key, Reading]:
        """The versions that are loaded, as they stand on disk, or stood there when their folder was last seen."""
        loaded = (
            (name, status.version)
            for name, statuses in reported.items()
            for status in statuses
            if status.state is VersionState.AVAILABLE
        )
        return {
            (name, number): on_disk[name].get(number)
            or self._proofs.reading((name, number))
            or Reading(self.served(name, number) or ServedModel(name, number, {}))
            for name, number in loaded
        }

    def _read(
        self, locations: Mapping[str, ModelLocation]
    ) -> tuple[dict[str, dict[int, Path]], dict[str, dict[int, Reading]]]:
        """Every version folder by model, and what was read of those that have their graph."""
        folders = {name: location.versions() for name, location in locations.items()}
        written = {
            name: {version: folder for version, folder in versions.items() if _is_written(folder)}
            for name, versions in folders.items()
        }
        read = {
            name: {version: self._load(name, version, folder) for version, folder in versions.items()}
            for name, versions in written.items()
        }
        present = {folder for versions in written.values() for folder in versions.values()}
        self._loaded = {folder: kept for folder, kept in self._loaded.items() if folder in present}
        return folders, read

    def _load(self, name: str, version: int, folder: Path) -> Reading:
        """Read what changed. What goes bad under a serving version is reported; the last good reading stays."""
        stamp = tuple(_stamp(folder / file) for file in ("saved_model.pb", CARD_PATH, GOLDEN_PATH))
        known = self._loaded.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        reading = _reading(name, version, folder)
        if (refusal := reading.model.refusal) is not None:
            kept = known is not None and known[1].model.card is not None
            _log.warning("version refused", model=name, version=version, reason=str(refusal), last_good_kept=kept)
            if known is not None:
                self._failed()
            if known is not None and kept:
                reading = Reading(replace(known[1].model, waiting=refusal), known[1].golden)
        self._loaded[folder] = (stamp, reading)
        return reading

    def _last_statuses(self, name: str) -> tuple[VersionStatus, ...]:
        model = self.snapshot.models.get(name)
        return tuple(version.status for version in model.versions) if model else ()

    def _versions(
        self,
        name: str,
        folders: Mapping[int, Path],
        on_disk: Mapping[int, Reading],
        statuses: tuple[VersionStatus, ...],
        verdicts: Mapping[Key, Verdict],
    ) -> tuple[Version, ...]:
        """What the model server reports, and folders newer than all of that, which it will load next.

        What it gave up on stays while its folder does, be there a graph in it or not.
        """
        reported = {status.version: status for status in statuses}
        newest = max(reported, default=-1)
        reported |= {v: VersionStatus(v, VersionState.UNKNOWN) for v in on_disk if v > newest}
        unknown = [number for number, status in reported.items() if status.state is VersionState.UNKNOWN]
        self._missed = {key: since for key, since in self._missed.items() if key[0] != name or key[1] in unknown} | {
            (name, number): self._missed.get((name, number), time.monotonic()) for number in unknown
        }
        found = {number: verdicts.get((name, number)) or self._unjudged(name, number, on_disk) for number in reported}
        return tuple(
            Version(
                status,
                found[number].model,
                unproven=found[number].unproven,
                unserved=time.monotonic() - self._missed.get((name, number), math.inf) > self._patience,
            )
            for number, status in sorted(reported.items(), reverse=True)
            if status.state is not VersionState.END or (status.error and number in folders)
        )

    def _unjudged(self, name: str, number: int, on_disk: Mapping[int, Reading]) -> Verdict:
        """A version that is not loaded: there is nothing to run its golden records on."""
        if number in on_disk:
            return Verdict(on_disk[number].model)
        return Verdict(self.served(name, number) or ServedModel(name, number, {}))


def _reading(name: str, version: int, folder: Path) -> Reading:
    model = load(name, version, folder)
    if model.card is None:
        return Reading(model)
    try:
        return Reading(model, read_golden(folder))
    except UnreadableModelError as error:
        return Reading(ServedModel(name, version, model.signatures, refusal=error))


def _is_written(folder: Path) -> bool:
    """Whether a version has its graph yet: not every exporter publishes by a rename."""
    return (folder / "saved_model.pb").exists()


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
