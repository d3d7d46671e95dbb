"""The recordings of TensorFlow Serving, ready to be replayed against a server of ours."""

import importlib.util
import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc

from headwise.tfserving import model_service_pb2

FOLDER = Path(__file__).parents[1] / "golden" / "tfs_recordings"
MODELS = FOLDER / "models"
PLACEHOLDER = "${MODEL_BASE}"
_OPTIONS = Namespace(timeout=30.0, check_encoding=True)


@dataclass(frozen=True)
class Group:
    """One way to start the server, and the cases recorded on it, in their order."""

    name: str
    flags: tuple[str, ...]
    model_config: str
    batching_parameters: str | None
    cases: tuple[dict[str, Any], ...]

    def command_line(self, folder: Path) -> tuple[str, ...]:
        """Write the group's files into `folder` and return the flags of the server."""
        config = folder / "models.config"
        config.write_text(self.model_config.replace(PLACEHOLDER, str(MODELS)), "utf-8")
        batching = folder / "batching.config"
        batching.write_text(self.batching_parameters or "", "utf-8")
        flags = (flag.replace("${BATCHING_FILE}", str(batching)) for flag in self.flags)
        return (f"--model_config_file={config}", *flags)

    def model_names(self) -> list[str]:
        lines = (line.strip() for line in self.model_config.splitlines())
        return [line.split('"')[1] for line in lines if line.startswith("name:")]

    def all_loaded(self, opened: grpc.Channel) -> bool:
        """Whether the server behind the channel has every version of the group's models."""
        call = opened.unary_unary(
            "/tensorflow.serving.ModelService/GetModelStatus",
            request_serializer=model_service_pb2.GetModelStatusRequest.SerializeToString,
            response_deserializer=model_service_pb2.GetModelStatusResponse.FromString,
        )
        for name in self.model_names():
            request = model_service_pb2.GetModelStatusRequest()
            request.model_spec.name = name
            versions = call(request, timeout=10).model_version_status
            if not versions or any(version.state != version.AVAILABLE for version in versions):
                return False
        return True


@cache
def groups(surface: str = "grpc") -> dict[str, Group]:
    """The groups that have cases on the surface, `grpc` or `rest`."""
    recorded = json.loads((FOLDER / f"{surface}.json").read_text("utf-8"))
    return {
        name: Group(
            name=name,
            flags=tuple(group["flags"]),
            model_config=group["model_config"],
            batching_parameters=group.get("batching_parameters_file"),
            cases=cases,
        )
        for name, group in recorded["groups"].items()
        if (cases := tuple(case for case in recorded["cases"] if case["group"] == name))
    }


def difference(surface: str, case: dict[str, Any], target: Any) -> str | None:
    """Replay one case against a gRPC channel or a base URL and say how the answer differs, if it does."""
    return _replay().replay(surface, case | {"model_base": str(MODELS)}, target, _OPTIONS)  # type: ignore[no-any-return]


def is_as_recorded(surface: str, case: dict[str, Any], target: Any, known_differences: Mapping[str, str]) -> bool:
    """Hold one case against the answer of a target; False where it differs and is said to.

    Raises: AssertionError where it differs and nobody said so, or is said to differ and does not.
    """
    found = difference(surface, case, target)
    if reason := known_differences.get(case["name"]):
        assert found, f"{case['name']} passes now; it was said to differ because {reason}"
        return False
    assert found is None, found
    return True


@cache
def _replay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tfs_replay", FOLDER / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
