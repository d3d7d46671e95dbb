"""Which models are served and how: TensorFlow Serving's model config file, or a folder of models."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import file_system_storage_path_source_pb2 as policy_pb2
from tensorflow_serving.config import model_server_config_pb2

from headwise.errors import ConfigurationError
from headwise.modelserver.status import StatusError, invalid_argument
from headwise.modelserver.versions import All, Latest, Policy, Specific, version_folders
from headwise.repository.sources import MODEL_NAME

_PLATFORM = "tensorflow"


@dataclass(frozen=True)
class ModelConfig:
    """One model: where its versions are, which of them to serve, and the labels that point to versions."""

    name: str
    base_path: Path
    policy: Policy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = _PLATFORM


ModelSource = Callable[[], tuple[ModelConfig, ...]]


def model_source(folder: Path | None, config_file: Path | None) -> ModelSource:
    """Serve what the config file lists, or what the folder holds; exactly one is given."""
    if config_file is not None:
        return fixed_models(read_model_config_file(config_file))
    assert folder is not None
    return models_in_folder(folder)


def models_in_folder(folder: Path) -> ModelSource:
    """Follow a folder: each sub-folder with a numeric child is a model, whenever it appears.

    Two versions of each stay loaded: the gateway keeps the older one while it examines the newer. The source
    raises ConfigurationError if the folder cannot be listed.
    """

    def source() -> tuple[ModelConfig, ...]:
        try:
            children = sorted(child for child in folder.iterdir() if MODEL_NAME.fullmatch(child.name))
        except OSError as error:
            raise ConfigurationError(f"--models {folder}: cannot be listed: {error.strerror}") from error
        return tuple(ModelConfig(child.name, child.absolute(), Latest(2)) for child in children if _is_model(child))

    return source


def _is_model(folder: Path) -> bool:
    """Whether it holds versions; what cannot be read may, and the manager then leaves that model as it is."""
    try:
        return bool(version_folders(child.name for child in folder.iterdir() if child.is_dir()))
    except NotADirectoryError:
        return False
    except OSError:
        return True


def fixed_models(models: tuple[ModelConfig, ...]) -> ModelSource:
    return lambda: models


def read_model_config_file(path: Path) -> tuple[ModelConfig, ...]:
    """Read a ModelServerConfig in text format; raises ConfigurationError naming the file and the reason."""
    try:
        message = text_format.Parse(path.read_text("utf-8"), model_server_config_pb2.ModelServerConfig())
        return parse_model_configs(message)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except StatusError as error:
        raise ConfigurationError(f"{path}: {error.message}") from error


def parse_model_configs(message: model_server_config_pb2.ModelServerConfig) -> tuple[ModelConfig, ...]:
    """Check a ModelServerConfig and read it; raises StatusError in TensorFlow Serving's words."""
    if message.WhichOneof("config") != "model_config_list":
        raise invalid_argument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    seen: set[str] = set()
    for model in message.model_config_list.config:
        if model.name in seen:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
    return tuple(_parse_model(model) for model in message.model_config_list.config)


def check_platforms(before: Iterable[ModelConfig], after: Iterable[ModelConfig]) -> None:
    """Refuse a platform that changes or that this server has not."""
    known = {model.name: model.platform for model in before}
    for model in after:
        if known.get(model.name, model.platform) != model.platform:
            raise invalid_argument(
                f"Illegal to change a model's platform. For model {model.name} platform was "
                f"{known[model.name]} and new platform requested is {model.platform}"
            )
        if model.platform != _PLATFORM:
            raise invalid_argument(f"Model {model.name} requests unsupported platform {model.platform}")


def _parse_model(model: model_server_config_pb2.ModelConfig) -> ModelConfig:
    if not Path(model.base_path).is_absolute():
        raise invalid_argument(
            f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
        )
    return ModelConfig(
        name=model.name,
        base_path=Path(model.base_path),
        policy=_parse_policy(model.model_version_policy),
        labels=dict(model.version_labels),
        platform=_platform(model),
    )


def _platform(model: model_server_config_pb2.ModelConfig) -> str:
    which = "ModelServerConfig::model_type (deprecated) {} ModelServerConfig::model_platform, model name is {}"
    if model.model_type and model.model_platform:
        raise invalid_argument("Illegal setting both " + which.format("and", model.name))
    if not model.model_type and not model.model_platform:
        raise invalid_argument("Illegal setting neither " + which.format("nor", model.name))
    return str(model.model_platform) or _PLATFORM


def _parse_policy(policy: policy_pb2.FileSystemStoragePathSourceConfig.ServableVersionPolicy) -> Policy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(frozenset(policy.specific.versions))
        case _:
            return Latest(max(policy.latest.num_versions, 1))
