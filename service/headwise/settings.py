"""Settings: defaults, then a TOML file, then HEADWISE_ variables, then flags. The one reader of the environment."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from headwise.backends.addresses import DNS
from headwise.errors import InvalidSettingsError

EMBEDDED = "embedded"
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/,]*):(?P<port>\d{1,5})", re.ASCII)
_MEBIBYTE = 1024 * 1024
_PREFIX = "HEADWISE_"
_OTHERS = re.compile(
    rf"{_PREFIX}(API_KEY"
    r"|(\w+_)?SERVICE_(HOST|PORT(_\w+)?)|(\w+_)?PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)",
    re.ASCII,
)
"""What commands take as an option, and what Kubernetes tells every pod of services named headwise, or headwise-…."""


class Settings(BaseSettings):
    """How a gateway runs; times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    models: Path = Field(Path("models"), description="The model repository: NAME/VERSION/ folders.")
    model_config_file: Path | None = Field(
        None, description="TensorFlow Serving's model config file, instead of the folder."
    )
    backend: str = Field(
        EMBEDDED,
        description='"embedded", or where TensorFlow Serving listens: HOST:PORT, several of them with commas between, '
        "dns:///NAME:PORT for all addresses of a name, or unix:PATH.",
    )
    http: str = Field("127.0.0.1:8080", description="Where HTTP listens.")
    grpc: str = Field("127.0.0.1:8081", description="Where gRPC listens.")
    workers: int = Field(1, ge=1, description="How many processes answer, behind the same two ports.")
    admin: str | None = Field(
        None,
        description="Where /livez, /readyz and /metrics listen by themselves; /metrics is then not on the HTTP port.",
    )
    keys_file: Path | None = Field(
        None, description="API keys, as `headwise keys create` writes them: no call without one but health."
    )
    allow_anonymous: bool = Field(
        False, description="Whether other machines may call without a key, where no keys_file is set."
    )
    tls_certificate: Path | None = Field(
        None, description="A PEM certificate with its chain: HTTP and gRPC are encrypted. Read again when it changes."
    )
    tls_key: Path | None = Field(None, description="The certificate's key, a PEM file without passphrase.")
    grpc_client_ca: Path | None = Field(
        None, description="PEM certificates: gRPC takes only clients that show a certificate of theirs."
    )
    grpc_reflection: bool | None = Field(
        None, description="Whether gRPC lists its services; left out, where it listens on this machine alone."
    )
    request_timeout: float = Field(
        30.0, gt=0, description="How long a request may take that does not say how long it may take."
    )
    max_request_timeout: float = Field(30.0, gt=0, description="How long any request may take, whatever it says.")
    poll_interval: float = Field(
        1.0,
        gt=0,
        description="How often model folders and the model server are looked at; "
        "with more than a hundred models every 10 ms a model.",
    )
    max_body_bytes: int = Field(16 * _MEBIBYTE, gt=0, description="The largest request body, after inflation.")
    max_rows: int = Field(2_000_000, gt=0, description="The most rows that a request may have.")
    max_answer_bytes: int = Field(256 * _MEBIBYTE, gt=0, description="The largest answer that a model server may give.")
    max_batch_rows: int = Field(
        1024, gt=0, description="How many rows of concurrent requests travel as one call of the model server."
    )
    batch_wait: float = Field(
        0.005,
        ge=0,
        description="At most how long a request waits for a call of its kind under way, before it goes beside it.",
    )
    queue_timeout: float = Field(
        1.0,
        gt=0,
        description="A request is refused when the rows ahead of it would take the model server longer than this.",
    )
    max_in_flight: int = Field(8192, gt=0, description="How many requests a process answers at once.")
    max_in_flight_per_model: int = Field(4096, gt=0, description="How many of them may be for one model.")
    memory_watermark: float = Field(
        0.9,
        gt=0,
        le=1,
        description="The share of its control group's memory from which on a process takes no more requests.",
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
    drain_timeout: float | None = Field(
        None,
        ge=0,
        description="How long requests in flight may take to finish at a stop; left out, `max_request_timeout`.",
    )
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
    log_decisions: bool = Field(
        True, description="Whether a request's line says which labels were answered, and how often."
    )
    traces: bool = Field(
        False,
        description="Whether requests are traced by OpenTelemetry, whose own variables, OTEL_*, say where spans go.",
    )

    @property
    def reflects(self) -> bool:
        """Whether gRPC lists its services."""
        if self.grpc_reflection is not None:
            return self.grpc_reflection
        return _is_loopback(address(self.grpc, "grpc")[0])

    @property
    def drains_for(self) -> float:
        """Seconds that requests in flight have at a stop: as long as any may take, unless less is said."""
        return self.max_request_timeout if self.drain_timeout is None else self.drain_timeout

    @property
    def open_to_all(self) -> tuple[str, ...]:
        """The addresses, as NAME HOST:PORT, that other machines may call without showing who they are."""
        if self.keys_file is not None:
            return ()
        surfaces = {"http": self.http, "admin": self.admin, "grpc": None if self.grpc_client_ca else self.grpc}
        return tuple(
            f"{name} {at}" for name, at in surfaces.items() if at is not None and not _is_loopback(address(at, name)[0])
        )

    @field_validator("http", "grpc", "backend", "admin")
    @classmethod
    def _is_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.field_name == "backend":
            return backend(str(value))
        if value is not None:
            address(value, str(info.field_name))
        return value

    @model_validator(mode="after")
    def _lets_nobody_in_by_oversight(self) -> Settings:
        if self.open_to_all and not self.allow_anonymous:
            raise InvalidSettingsError(
                f"{' and '.join(self.open_to_all)}: every machine that reaches it could call. Set keys_file to a file "
                "of `headwise keys create` (--keys-file), or say that anybody may with allow_anonymous "
                "(--allow-anonymous)"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise InvalidSettingsError("settings tls_certificate and tls_key: one needs the other")
        if self.grpc_client_ca is not None and self.tls_certificate is None:
            raise InvalidSettingsError("setting grpc_client_ca: it needs tls_certificate and tls_key")
        if self.request_timeout > self.max_request_timeout:
            raise InvalidSettingsError(
                f"setting request_timeout: {self.request_timeout:g} s is more than any request may take, "
                f"max_request_timeout, which is {self.max_request_timeout:g} s: raise that, too"
            )
        if self.cors and self.keys_file is not None:
            raise InvalidSettingsError(
                "settings cors and keys_file: a page cannot keep a key to itself; let a proxy that adds the key answer "
                "pages of other origins"
            )
        return self

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
            raise InvalidSettingsError(_refused(error.errors(include_url=False)[0], cls)) from error
        except SettingsError as error:
            raise InvalidSettingsError(f'{error}: a list is written as ["NAME", ...]') from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidSettingsError(f"{config}: {error}") from error
        return found


def _refused(first: Mapping[str, Any], settings: type[Settings]) -> str:
    """What is wrong with a setting; a value of one that there is not may be a secret, and is not repeated."""
    name = ".".join(map(str, first["loc"]))
    secret = not first["loc"] or str(first["loc"][0]) not in settings.model_fields
    return f"setting {name}: {first['msg']}" + ("" if secret else f" (got {first['input']!r})")


def unread(environment: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str | None]]:
    """The variables that look like settings and are none, each with the one that was probably meant."""
    for name in sorted(environment):
        asked = name.upper()
        setting = asked.removeprefix(_PREFIX).lower()
        if asked.startswith(_PREFIX) and setting not in Settings.model_fields and not _OTHERS.fullmatch(asked):
            meant = get_close_matches(setting, Settings.model_fields, 1)
            yield name, f"{_PREFIX}{meant[0].upper()}" if meant else None


def backend(text: str) -> str:
    """The text, if it is "embedded" or says where model servers listen.

    Raises: InvalidSettingsError.
    """
    if text != EMBEDDED:
        for target in text.split(","):
            if not target.removeprefix("unix:") or (target.startswith("dns:") and not target.startswith(DNS)):
                raise InvalidSettingsError(
                    f"setting backend: {target!r} is no HOST:PORT, unix:PATH or {DNS}NAME:PORT of a model server"
                )
            if not target.startswith("unix:"):
                address(target.removeprefix(DNS), "backend")
        if DNS in text and "," in text:
            raise InvalidSettingsError(f"setting backend: {text!r} has a {DNS} name and more; give the name alone")
    return text


def address(text: str, name: str) -> tuple[str, int]:
    """HOST:PORT as a pair; an IPv6 host stands in brackets.

    Raises: InvalidSettingsError.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise InvalidSettingsError(f"setting {name}: {text!r} is no HOST:PORT, without scheme or path")
    return found["host"].strip("[]") or "127.0.0.1", int(found["port"])


def _is_loopback(host: str) -> bool:
    """Whether this machine alone reaches it; of a name other than localhost nobody knows."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
