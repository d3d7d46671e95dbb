"""What is known of every version: its state, who is using it, and which one a request means."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tensorflow_serving.apis import model_pb2

from headwise.modelserver.config import ModelConfig
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, failed_precondition, invalid_argument, not_found
from headwise.modelserver.versions import Load, State, Unload, next_step

_PENDING = (State.START, State.LOADING)
_SETTLED = (State.AVAILABLE, State.END)


@dataclass(eq=False)
class Version:
    """The record of one version; only the catalogue changes it, under its lock.

    LOADING with `retry_at` ahead is the pause between two tries.
    """

    model: str
    number: int
    path: Path
    aspired: bool = True
    state: State = State.START
    error: StatusError | None = None
    servable: Servable | None = None
    calls: int = 0
    failures: int = 0
    retry_at: float = 0.0


class Catalogue:
    """The versions of all models; `changed` guards them and is notified of every new state."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._models: dict[str, dict[int, Version]] = {}
        self._labels: dict[str, dict[str, int]] = {}

    # What should be there

    def names(self) -> list[str]:
        with self.changed:
            return list(self._models)

    def want(self, name: str, wanted: Mapping[int, Path]) -> None:
        """Want exactly these versions of a model: unknown ones START, others may go.

        One that ended starts again if it was not wanted in between; one that failed does not.
        """
        with self.changed:
            versions = self._models.setdefault(name, {})
            for number, path in wanted.items():
                known = versions.get(number)
                if known is None or (known.state is State.END and not known.aspired):
                    versions[number] = Version(name, number, path)
            for number, version in versions.items():
                version.aspired = number in wanted and version.state is not State.UNLOADING

    def set_labels(self, configs: Iterable[ModelConfig], *, ahead: bool) -> None:
        """Point labels at versions that serve; with `ahead`, new ones may point to what does not yet."""
        with self.changed:
            for config in configs:
                available, used = self.available(config.name), self._labels.get(config.name, {})
                for label, number in config.labels.items():
                    if number not in available and not (ahead and used.get(label, number) == number):
                        raise failed_precondition(
                            f"Request to assign label to version {number} of model {config.name}, "
                            "which is not currently available for inference"
                        )
            self._labels = {config.name: dict(config.labels) for config in configs}

    # What happens to a version

    def begin(self, name: str) -> tuple[Load | Unload, Version] | None:
        """Decide what to do next for a model and mark it as begun; for the one thread that then does it."""
        with self.changed:
            versions = self._models[name]
            for version in versions.values():
                _reconsider(version)
            wanted = frozenset(number for number, version in versions.items() if version.aspired)
            step = next_step({number: version.state for number, version in versions.items()}, wanted)
            if step is None:
                return None
            version = versions[step.version]
            self._enter(version, State.LOADING if isinstance(step, Load) else State.UNLOADING)
            return step, version

    def loaded(self, version: Version, servable: Servable) -> None:
        with self.changed:
            version.servable = servable
            self._enter(version, State.AVAILABLE)

    def failed(self, version: Version, error: StatusError, *, retries: int, interval_s: float) -> bool:
        """Note a failed load; True if it will be tried again."""
        with self.changed:
            version.failures += 1
            if version.failures <= retries and version.aspired:
                version.retry_at = time.monotonic() + interval_s
                return True
            version.error = error
            self._enter(version, State.END)
            return False

    def end(self, version: Version) -> bool:
        """End an unloading version that no call uses; False if one does: the last call then ends it."""
        with self.changed:
            servable = version.servable
            if version.calls or servable is None:
                return False
            version.servable = None
        servable.close()
        with self.changed:
            self._enter(version, State.END)
        return True

    def next_retry(self) -> float | None:
        """The `time.monotonic()` moment of the next retry."""
        with self.changed:
            versions = [version for model in self._models.values() for version in model.values()]
            return min((v.retry_at for v in versions if v.state is State.LOADING), default=None)

    def unload_all(self) -> None:
        for name in self.names():
            self.want(name, {})
            while begun := self.begin(name):
                self.end(begun[1])

    # What calls ask

    @contextmanager
    def lease(self, spec: model_pb2.ModelSpec) -> Iterator[Servable]:
        """Borrow the version that a request names; it is not unloaded before it is given back."""
        with self.changed:
            version = self._find(spec)
            version.calls += 1
            servable = version.servable
        assert servable is not None
        try:
            yield servable
        finally:
            with self.changed:
                version.calls -= 1
                going = version.state is State.UNLOADING
            if going:
                self.end(version)

    def statuses(self, name: str, number: int | None) -> list[Version]:
        """Every version ever seen, largest first, or the one that is asked for."""
        with self.changed:
            versions = self._models.get(name, {})
            if number is not None and number not in versions:
                raise not_found(f"Could not find version {number} of model {name}")
            if not versions:
                raise not_found(f"Could not find any versions of model {name}")
            return [versions[n] for n in sorted(versions, reverse=True) if number in (None, n)]

    def available(self, name: str) -> dict[int, Version]:
        versions = self._models.get(name, {})
        return {number: version for number, version in versions.items() if version.state is State.AVAILABLE}

    def settled(self, name: str) -> bool:
        return all(version.state in _SETTLED for version in self._models.get(name, {}).values())

    def _find(self, spec: model_pb2.ModelSpec) -> Version:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        available = self.available(spec.name)
        match spec.WhichOneof("version_choice"):
            case "version":
                number = spec.version.value
            case "version_label":
                number = self._labelled(spec.name, spec.version_label)
            case _ if available:
                number = max(available)
            case _:
                raise not_found(f"Servable not found for request: Latest({spec.name})")
        if number not in available:
            raise not_found(f"Servable not found for request: Specific({spec.name}, {number})")
        return available[number]

    def _labelled(self, name: str, label: str) -> int:
        labels = self._labels.get(name, {})
        if label not in labels:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return labels[label]

    def _enter(self, version: Version, state: State) -> None:
        version.state = state
        self.changed.notify_all()


def _reconsider(version: Version) -> None:
    """Drop a load that is no longer wanted, take up one whose retry is due."""
    if version.state in _PENDING and not version.aspired:
        version.state = State.END
    elif version.state is State.LOADING and version.retry_at <= time.monotonic():
        version.state = State.START
