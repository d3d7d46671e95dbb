"""Which versions have proved themselves by their golden records, and which card each of them answers by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from headwise.diagnostics.golden import GoldenRecord
from headwise.errors import BackendError, GoldenRecordsError, ModelNotReadyError
from headwise.repository.served_model import ServedModel

_log = structlog.get_logger(__name__)

Key = tuple[str, int]
"""A model's name and a version of it."""

Prove = Callable[[ServedModel, tuple[GoldenRecord, ...]], Awaitable[str | None]]
"""Runs golden records through the backend: what differs, None if all hold; BackendError where it cannot be told."""

PROVING = "proving its golden records"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A version folder as it was read once. golden: what a version with a card must answer before it takes traffic."""

    model: ServedModel
    golden: tuple[GoldenRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """model: signatures and card to answer by. unproven: why it may not answer, None if it may."""

    model: ServedModel
    unproven: ModelNotReadyError | None = None


@dataclass(slots=True, eq=False)
class _Trial:
    """One run of a reading's records. unproven: None once they held."""

    reading: Reading
    unproven: ModelNotReadyError | None
    task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Passed, or failed for good; a run that the backend could not answer is none."""
        return self.unproven is None or isinstance(self.unproven, GoldenRecordsError)


class Proofs:
    """Runs the records of each version that is loaded, and again when it is read or loaded anew.

    grace: seconds that one look waits for runs; those that take longer go on, and a later look finds them done.
    """

    def __init__(self, prove: Prove, *, grace: float = 0.5) -> None:
        self._prove = prove
        self._grace = grace
        self._trials: dict[Key, _Trial] = {}
        self._good: dict[Key, ServedModel] = {}

    def reading(self, key: Key) -> Reading | None:
        """What a version was last looked at with, None if it was not loaded then."""
        trial = self._trials.get(key)
        return None if trial is None else trial.reading

    async def look(self, loaded: Mapping[Key, Reading]) -> Mapping[Key, Verdict]:
        """A verdict on each version that the model server has loaded, by what is on disk now."""
        for key in self._trials.keys() - loaded.keys():
            self._end(self._trials.pop(key))
            self._good.pop(key, None)
        for key, reading in loaded.items():
            trial = self._trials.get(key)
            if trial is None or trial.reading is not reading:
                self._end(trial)
                trial = self._trials[key] = _begun(reading)
            if trial.task is None and not trial.over:
                trial.task = asyncio.create_task(self._run(trial))
        running = [trial.task for trial in self._trials.values() if trial.task is not None]
        if running:
            await asyncio.wait(running, timeout=self._grace)
        return {key: self._verdict(key, self._trials[key]) for key in loaded}

    async def _run(self, trial: _Trial) -> None:
        model = trial.reading.model
        try:
            found = await self._prove(model, trial.reading.golden)
            trial.unproven = None if found is None else GoldenRecordsError(f"its golden records fail (HW120): {found}")
        except BackendError as error:
            reason = f"{PROVING}; the last try: {error}"
            if str(trial.unproven) != reason:
                _log.warning("golden records not run", model=model.name, version=model.version, reason=str(error))
            trial.unproven = ModelNotReadyError(reason)
        except Exception as error:  # noqa: BLE001  # a version that cannot be proved is kept out; the others go on
            _log.exception(
                "golden records not run", model=model.name, version=model.version, reason=type(error).__name__
            )
            trial.unproven = GoldenRecordsError("its golden records could not be run: a fault of headwise, see its log")
        finally:
            trial.task = None

    def _verdict(self, key: Key, trial: _Trial) -> Verdict:
        """A card that fails under a version that answers leaves it the card that it answers by."""
        if trial.unproven is None:
            self._good[key] = trial.reading.model
            return Verdict(trial.reading.model)
        good = self._good.get(key)
        if good is None or good.card is None:
            return Verdict(trial.reading.model, trial.unproven)
        return Verdict(replace(good, waiting=trial.reading.model.waiting or trial.unproven) if trial.over else good)

    @staticmethod
    def _end(trial: _Trial | None) -> None:
        if trial is not None and trial.task is not None:
            trial.task.cancel()


def _begun(reading: Reading) -> _Trial:
    must_prove = reading.golden and reading.model.card is not None
    return _Trial(reading, ModelNotReadyError(PROVING) if must_prove else None)
