"""Finds versions on disk, loads and unloads them.

Unlike TensorFlow Serving, a model that cannot be loaded or has no version yet never stops the server from
starting and never stops the discovery of others: the gateway asks for readiness model by model. New versions
load before old ones go, and a version that is going finishes its calls first.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from headwise.errors import ConfigurationError
from headwise.modelserver.catalogue import Catalogue, Version
from headwise.modelserver.config import ModelConfig, ModelSource, check_platforms, fixed_models
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError
from headwise.modelserver.versions import Load, aspired, version_folders

log = logging.getLogger(__name__)

Loader = Callable[[str, int, Path], Servable]


@dataclass(frozen=True)
class Lifecycle:
    """How versions come and go; the defaults are TensorFlow Serving's. A poll wait of 0 looks once."""

    poll_wait_s: float = 1.0
    max_load_retries: int = 5
    load_retry_interval_s: float = 60.0
    labels_for_unavailable: bool = False


class ModelManager:
    """Keeps the wanted versions loaded, on one thread of its own: loads run one after the other."""

    def __init__(self, catalogue: Catalogue, load: Loader, lifecycle: Lifecycle) -> None:
        self._catalogue = catalogue
        self._load = load
        self._lifecycle = lifecycle
        self._source: ModelSource = fixed_models(())
        self._configs: tuple[ModelConfig, ...] = ()
        self._unreadable: set[str] = set()
        self._reloading = threading.Lock()
        self._scanning = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)

    def start(self, source: ModelSource) -> None:
        """Take the first models and begin to load them.

        Raises StatusError if their labels cannot be, ConfigurationError if they cannot be listed.
        """
        self._adopt(source)
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Load nothing more and unload everything; wait at most `grace_s` for a load under way."""
        with self._catalogue.changed:
            self._stopping = True
            self._catalogue.changed.notify_all()
        self._wake.set()
        self._thread.join(grace_s)
        self._catalogue.unload_all()

    def reload(self, configs: tuple[ModelConfig, ...]) -> None:
        """Serve these models instead; returns when the new ones among them are settled.

        Raises StatusError if the models are refused (nothing changes then) or a new one cannot be loaded.
        """
        with self._reloading:
            known = {config.name for config in self._configs}
            self._adopt(fixed_models(configs))
            reasons = [self._await(config) for config in configs if config.name not in known]
        failures = [reason for reason in reasons if reason]
        if failures:
            raise StatusError(
                grpc.StatusCode.UNKNOWN,
                f"{len(failures)} model(s) did not become available: {{{''.join(failures)}}}",
            )

    def _adopt(self, source: ModelSource) -> None:
        configs = source()
        check_platforms(self._configs, configs)
        self._catalogue.set_labels(configs, ahead=self._lifecycle.labels_for_unavailable)
        self._source = source
        self._scan()
        self._wake.set()

    def _await(self, config: ModelConfig) -> str | None:
        """Wait until a model is settled; return why it is not available, as TensorFlow Serving lists it."""
        name, catalogue = config.name, self._catalogue
        with catalogue.changed:
            catalogue.changed.wait_for(lambda: self._stopping or catalogue.settled(name))
            if catalogue.available(name):
                return None
            try:
                newest = catalogue.statuses(name, None)[0]
            except StatusError:
                return f"{{{{name: {name}}} due to error: NOT_FOUND: no version in {config.base_path}}}, "
            return f"{{{{name: {name} version: {newest.number}}} due to error: {newest.error}}}, "

    def _scan(self) -> None:
        """Compare the folders with the catalogue."""
        with self._scanning:
            configs = self._configs = self._source()
            for name in set(self._catalogue.names()) - {config.name for config in configs}:
                self._catalogue.want(name, {})
            unreadable = set()
            for config in configs:
                try:
                    folders = _folders(config.base_path)
                except (OSError, ValueError) as error:  # ValueError: no path can be written so; nothing changes
                    unreadable.add(f"versions of {config.name}: {error}")
                else:
                    wanted = aspired(folders, config.policy)
                    self._catalogue.want(config.name, {number: folders[number] for number in wanted})
            self._note_unreadable(unreadable)

    def _work(self) -> None:
        poll_s = self._lifecycle.poll_wait_s
        while not self._stopping:
            self._wake.clear()
            for name in self._catalogue.names():
                while not self._stopping and self._step(name):
                    pass
            woken = self._wake.wait(self._pause_s())
            if poll_s > 0 and not woken:
                self._poll()

    def _pause_s(self) -> float | None:
        """Seconds until the next poll or the next retry; None waits for a reload."""
        retry = self._catalogue.next_retry()
        pauses = [] if retry is None else [max(0.0, retry - time.monotonic())]
        pauses += [self._lifecycle.poll_wait_s] if self._lifecycle.poll_wait_s > 0 else []
        return min(pauses, default=None)

    def _poll(self) -> None:
        try:
            self._scan()
        except ConfigurationError as error:
            self._note_unreadable({f"models: {error}"})

    def _note_unreadable(self, unreadable: set[str]) -> None:
        """Log what cannot be read, and why, when that changes: not at every poll."""
        for line in sorted(unreadable - self._unreadable):
            log.warning("cannot look for %s", line)
        self._unreadable = unreadable

    def _step(self, name: str) -> bool:
        """Do one thing for a model; False when there is nothing to do."""
        begun = self._catalogue.begin(name)
        if begun is None:
            return False
        step, version = begun
        if isinstance(step, Load):
            self._load_version(version)
        else:
            self._catalogue.end(version)
            log.info("unloading %s version %d", name, version.number)
        return True

    def _load_version(self, version: Version) -> None:
        started = time.monotonic()
        try:
            servable = self._load(version.model, version.number, version.path)
        except StatusError as error:
            self._note_failure(version, error)
        except Exception as error:  # noqa: BLE001 whatever a model makes TensorFlow raise fails that model only
            reason = f"{version.path}: {type(error).__name__}: {error}"
            self._note_failure(version, StatusError(grpc.StatusCode.UNKNOWN, reason))
        else:
            self._catalogue.loaded(version, servable)
            log.info("serving %s version %d (%.2f s)", version.model, version.number, time.monotonic() - started)

    def _note_failure(self, version: Version, error: StatusError) -> None:
        interval_s = self._lifecycle.load_retry_interval_s
        retries = self._lifecycle.max_load_retries
        again = self._catalogue.failed(version, error, retries=retries, interval_s=interval_s)
        outcome = f"; next try in {interval_s:g} s" if again else ""
        log.error("cannot load %s version %d: %s%s", version.model, version.number, error, outcome)


def _folders(base_path: Path) -> dict[int, Path]:
    """The version folders of a model."""
    names = [child.name for child in base_path.iterdir() if child.is_dir()]
    return {number: base_path / name for number, name in version_folders(names).items()}
