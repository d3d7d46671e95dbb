"""A model server's word on versions, for tests of the repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headwise.errors import BackendRejectedError, ConfigurationError, HeadwiseError
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec, VersionState
from headwise.repository.snapshot import Model
from headwise.repository.sources import ModelLocation
from headwise.tfserving import model_service_pb2


@dataclass
class Statuses:
    """What the model server says: states and errors by model and version, or that it says nothing."""

    by_model: dict[str, dict[int, tuple[VersionState, str]]] = field(default_factory=dict)
    failure: HeadwiseError | None = None
    asked: int = 0

    def says(self, name: str, **states: VersionState) -> None:
        """Version states as v1=…, v2=…."""
        self.by_model[name] = {int(version[1:]): (state, "") for version, state in states.items()}

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        self.asked += 1
        assert timeout > 0
        if self.failure is not None:
            raise self.failure
        if spec.name not in self.by_model:
            raise BackendRejectedError("NOT_FOUND", f"Could not find any versions of model {spec.name}")
        answer = model_service_pb2.GetModelStatusResponse()
        for version, (state, error) in self.by_model[spec.name].items():
            status = answer.model_version_status.add(version=version, state=state.value)
            status.status.error_message = error
        return answer


@dataclass
class Listed:
    """A source whose list, or whose failure, a test sets."""

    found: Mapping[str, ModelLocation] | ConfigurationError

    def locations(self) -> Mapping[str, ModelLocation]:
        if isinstance(self.found, ConfigurationError):
            raise self.found
        return self.found


async def found(repository: ModelRepository, name: str = "m") -> Model:
    await repository.refresh()
    return repository.find(name)


def states(model: Model) -> dict[int, VersionState]:
    return {version.status.version: version.status.state for version in model.versions}


def admitted(model: Model) -> int | None:
    return model.newest_admitted.status.version if model.newest_admitted else None
