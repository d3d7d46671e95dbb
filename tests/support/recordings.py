"""The recordings of TensorFlow Serving, ready to be replayed against a server of ours."""

import importlib.util
import json
from argparse import Namespace
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

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


@cache
def _replay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tfs_replay", FOLDER / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
