"""Which models there are, which versions the model server has loaded, and which of them may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headwise.errors import (
    GoldenRecordsError,
    HeadConfigError,
    HeadNotFoundError,
    HeadwiseError,
    ModelLoadError,
    ModelNotReadyError,
)
from headwise.repository.model_spec import VersionState, VersionStatus
from headwise.repository.served_model import ServedModel

NO_VERSION = "the model server knows no version of it"


@dataclass(frozen=True, slots=True)
class Version:
    """A version on disk or in the model server; without a folder on disk its `model` is bare.

    unserved: on disk, but the model server has not named it for a while: its configuration leaves it out.
    unproven: why its golden records keep it out: they fail (GoldenRecordsError), or have not been run yet.
    """

    status: VersionStatus
    model: ServedModel
    unserved: bool = False
    unproven: ModelNotReadyError | None = None

    @property
    def available(self) -> bool:
        """Loaded by the model server."""
        return self.status.state is VersionState.AVAILABLE

    @property
    def admitted(self) -> bool:
        """May answer a head-aware call: loaded, with a valid card, its golden records held."""
        return self.available and self.model.card is not None and self.unproven is None

    @property
    def answers(self) -> bool:
        """Something of it answers: a head, or raw numbers where no card declares one."""
        return self.available and self.model.refusal is None and self.unproven is None

    @property
    def call_error(self) -> ModelNotReadyError | None:
        """Why no head-aware call may ask it though its card is valid: it was not loaded, or is not proved."""
        if self.unproven is not None:
            return type(self.unproven)(f"{self.model} is kept out: {self.unproven}")
        if not self.status.error or self.model.refusal is not None:
            return None
        return ModelLoadError(f"{self.model} could not be loaded: {self.status.error}")

    @property
    def coming(self) -> bool:
        """Will answer once the model server has loaded it, or its golden records have been run."""
        if self.unserved or self.model.card is None:
            return False
        proving = self.unproven is not None and not isinstance(self.unproven, GoldenRecordsError)
        return self.status.state < VersionState.AVAILABLE or proving

    @property
    def problem(self) -> tuple[str, str] | None:  # noqa: PLR0911  # one line a reason, the first that holds
        """Code and reason why head-aware calls do not reach it; None if they do."""
        if self.model.refusal is not None:
            return HeadConfigError.code, str(self.model.refusal)
        if self.status.error:
            return ModelLoadError.code, self.status.error
        if self.unserved:
            return ModelNotReadyError.code, "the model server's configuration does not serve it"
        if not self.available:
            return ModelNotReadyError.code, f"the model server has not loaded it ({self.status.state.name})"
        if self.model.card is None:
            return HeadNotFoundError.code, self.model.no_card
        waiting = self.model.waiting
        if self.unproven is not None:
            more = "" if waiting is None else f"; what is on disk now is refused: {waiting}"
            return self.unproven.code, f"{self.unproven}{more}"
        if waiting is not None:
            code = waiting.code if isinstance(waiting, GoldenRecordsError) else HeadConfigError.code
            return code, f"the last good card answers on, what is on disk now is refused: {waiting}"
        return None

    @property
    def state(self) -> str:
        """What becomes of it, as metrics tell it: one of VERSION_STATES."""
        if self.admitted:
            return "serving" if self.model.waiting is None else "outdated"
        if self.unserved:
            return "unserved"
        if self.answers:
            return "raw"
        return "pending" if self.problem is not None and self.problem[0] == ModelNotReadyError.code else "refused"

    @property
    def settled(self) -> bool:
        """Nothing will change without somebody's doing: it serves, or it is refused."""
        return self.unserved or self.problem is None or self.problem[0] != ModelNotReadyError.code


@dataclass(frozen=True, slots=True)
class Model:
    """versions: newest first."""

    name: str
    versions: tuple[Version, ...]
    labels: Mapping[str, int] = field(default_factory=dict)

    def version(self, number: int) -> Version | None:
        """A version by its number, None if it is not known."""
        return next((version for version in self.versions if version.status.version == number), None)

    @property
    def newest_admitted(self) -> Version | None:
        """What a head-aware call without version reaches."""
        return next((version for version in self.versions if version.admitted), None)

    def nothing_admitted(self, signature_name: str) -> HeadwiseError:
        """Why no version answers: one with a card is still to come, or the newest is refused or has no card."""
        if not any(version.coming for version in self.versions):
            for version in self.versions:
                if version.unproven is not None and version.call_error is not None:
                    return version.call_error
                if version.available or version.model.refusal is not None:
                    try:
                        version.model.signature(signature_name)
                    except HeadwiseError as error:
                        return error
            for version in self.versions:
                if version.call_error is not None:
                    return version.call_error
        reasons = (f"version {v.status.version}: {v.problem[1]}" for v in self.versions if v.problem)
        return ModelNotReadyError(f"model {self.name} is not ready: {'; '.join(reasons) or NO_VERSION}")

    @property
    def ready(self) -> bool:
        """Something answers: a head, or raw numbers of a model that declares none."""
        return any(version.answers for version in self.versions)

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
