"""Settings: defaults, then a TOML file, then HEADWISE_ variables, then flags. The one reader of the environment."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from headwise.errors import InvalidSettingsError

EMBEDDED = "embedded"
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/,]*):(?P<port>\d{1,5})", re.ASCII)
_LOOPBACKS = frozenset({"127.0.0.1", "::1", "localhost"})
_TARGETS = ("dns:", "unix:")
_MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """How a gateway runs; times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="HEADWISE_", frozen=True, extra="forbid")

    models: Path = Field(Path("models"), description="The model repository: NAME/VERSION/ folders.")
    model_config_file: Path | None = Field(
        None, description="TensorFlow Serving's model config file, instead of the folder."
    )
    backend: str = Field(
        EMBEDDED,
        description='"embedded", or the address of a TensorFlow Serving: HOST:PORT, dns:///NAME:PORT, unix:PATH.',
    )
    http: str = Field("127.0.0.1:8080", description="Where HTTP listens.")
    grpc: str = Field("127.0.0.1:8081", description="Where gRPC listens.")
    workers: int = Field(1, ge=1, description="How many processes answer, behind the same two ports.")
    grpc_reflection: bool | None = Field(
        None, description="Whether gRPC lists its services; left out, where it listens on this machine alone."
    )
    request_timeout: float = Field(30.0, gt=0, description="How long a request may take.")
    poll_interval: float = Field(
        1.0,
        gt=0,
        description="How often model folders and the model server are looked at; "
        "with more than a hundred models every 10 ms a model.",
    )
    max_body_bytes: int = Field(16 * _MEBIBYTE, gt=0, description="The largest request body, after inflation.")
    max_batch_rows: int = Field(
        1024, gt=0, description="How many rows of concurrent requests travel as one call of the model server."
    )
    batch_wait: float = Field(
        0.005,
        ge=0,
        description="At most how long a request waits for a call of its kind under way, before it goes beside it.",
    )
    allowed_batch_sizes: tuple[PositiveInt, ...] = Field(
        (), description="Numbers of rows that the model server pads to (its `allowed_batch_sizes`): calls fill them."
    )
    unbatched_models: frozenset[str] = Field(
        frozenset(), description="Models whose rows depend on the others of their call: their requests travel alone."
    )
    header_timeout: float = Field(10.0, gt=0, description="At most how long a request's head may take to come: a 408.")
    body_timeout: float = Field(
        30.0, gt=0, description="At most how long a body may take to come, of a stream each next part: a 408."
    )
    write_timeout: float = Field(
        30.0, gt=0, description="At most how long a caller may take nothing of an answer that waits for it."
    )
    keep_alive_timeout: int = Field(75, gt=0, description="How long an HTTP connection is kept between requests.")
    drain_delay: float = Field(
        0.0,
        ge=0,
        description="How long a gateway that is told to stop (SIGTERM) says so and serves on, before it closes.",
    )
    drain_timeout: float = Field(10.0, ge=0, description="How long requests in flight may take to finish at a stop.")
    model_server_user: str | None = Field(
        None, description="Whose rights the embedded model server has: NAME, UID or UID:GID; needs a gateway of root."
    )
    model_server_memory: int | None = Field(
        None, gt=0, description="How much memory the embedded model server may have for data (Linux); 1 GiB at least."
    )
    required_models: frozenset[str] = Field(frozenset(), description="Models without which /readyz answers 503.")
    tfs_nonfinite: Literal["error", "bare"] = Field(
        "error",
        description="NaN and infinity on TensorFlow Serving's paths: a 502, or bare words as TFS writes them.",
    )
    cors: bool = Field(
        False, description="Whether pages of other origins may call, as TFS's --rest_api_enable_cors_support."
    )
    raw_when_refused: bool = Field(
        False, description="Whether a model whose card is refused still answers on TensorFlow Serving's raw paths."
    )
    on_contradiction: Literal["refuse", "warn"] = Field(
        "refuse",
        description="Numbers that contradict the head card: a 502, or an answer with a warning in it.",
    )
    log_format: Literal["json", "console"] = Field("console", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")

    @property
    def reflects(self) -> bool:
        """Whether gRPC lists its services."""
        if self.grpc_reflection is not None:
            return self.grpc_reflection
        return address(self.grpc, "grpc")[0] in _LOOPBACKS

    @field_validator("http", "grpc", "backend")
    @classmethod
    def _is_address(cls, value: str, info: ValidationInfo) -> str:
        if info.field_name == "backend":
            return backend(value)
        address(value, str(info.field_name))
        return value

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # the sources it leaves out stay out
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Settings:
        """Read all sources; flags that are None count as not given.

        Raises: InvalidSettingsError naming the setting and the reason.
        """

        class WithFile(cls, toml_file=config):  # type: ignore[misc, valid-type, call-arg]  # a class made at run time
            pass

        if config is not None and not config.is_file():
            raise InvalidSettingsError(f"{config}: no such file")
        try:
            found: Settings = WithFile(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            raise InvalidSettingsError(f"setting {name}: {first['msg']} (got {first['input']!r})") from error
        except SettingsError as error:
            raise InvalidSettingsError(f'{error}: a list is written as ["NAME", ...]') from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidSettingsError(f"{config}: {error}") from error
        return found


def backend(text: str) -> str:
    """The text, if it is "embedded" or says where a model server listens.

    Raises: InvalidSettingsError.
    """
    if text != EMBEDDED and not text.startswith(_TARGETS):
        address(text, "backend")
    return text


def address(text: str, name: str) -> tuple[str, int]:
    """HOST:PORT as a pair; an IPv6 host stands in brackets.

    Raises: InvalidSettingsError.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise InvalidSettingsError(f"setting {name}: {text!r} is no HOST:PORT, without scheme or path")
    return found["host"].strip("[]") or "127.0.0.1", int(found["port"])
