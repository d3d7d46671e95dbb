"""Flags over environment over file over defaults; what cannot be is refused by name."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headwise.errors import InvalidSettingsError
from headwise.settings import Settings, address, unread


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEADWISE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "headwise.toml"


def test_defaults_serve_the_folder_models_on_loopback() -> None:
    settings = Settings.load()
    assert (settings.models, settings.backend) == (Path("models"), "embedded")
    assert (settings.http, settings.grpc) == ("127.0.0.1:8080", "127.0.0.1:8081")
    assert settings.workers == 1
    assert settings.raw_when_refused is False
    assert settings.on_contradiction == "refuse"


def test_flags_win_over_the_environment_and_that_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('http = "127.0.0.1:1"\ngrpc = "127.0.0.1:2"\nbackend = "file:3"\nrequired_models = ["tumor"]\n')
    monkeypatch.setenv("HEADWISE_HTTP", "127.0.0.2:1")
    monkeypatch.setenv("HEADWISE_GRPC", "127.0.0.2:2")
    settings = Settings.load(file, http="127.0.0.3:1", grpc=None)
    assert (settings.http, settings.grpc, settings.backend) == ("127.0.0.3:1", "127.0.0.2:2", "file:3")
    assert settings.required_models == {"tumor"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HEADWISE_MODLES", "HEADWISE_MODELS"),
        ("HEADWISE_KEY_FILE", "HEADWISE_KEYS_FILE"),
        ("headwise_cores", "HEADWISE_CORS"),
        ("HEADWISE_QWXZ", None),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_one_that_was_meant(name: str, meant: str | None) -> None:
    assert list(unread({name: "a secret", "HEADWISE_MODELS": "x", "OTHER": "y"})) == [(name, meant)]


@pytest.mark.parametrize(
    "name",
    [
        "headwise_models",
        "HEADWISE_API_KEY",
        "HEADWISE_SERVICE_HOST",
        "HEADWISE_SERVICE_PORT",
        "HEADWISE_SERVICE_PORT_HTTP",
        "HEADWISE_PORT",
        "HEADWISE_PORT_8080_TCP",
        "HEADWISE_PORT_8080_TCP_PROTO",
        "HEADWISE_PORT_8080_TCP_PORT",
        "HEADWISE_PORT_8080_TCP_ADDR",
        "HEADWISE_CANARY_PORT_8081_TCP_ADDR",
    ],
)
def test_settings_and_what_others_set_are_not_told(name: str) -> None:
    assert list(unread({name: "x"})) == []


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().http = "elsewhere:1"  # type: ignore[misc]


def test_a_list_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWISE_REQUIRED_MODELS", '["tumor", "wine"]')
    assert Settings.load().required_models == {"tumor", "wine"}
    monkeypatch.setenv("HEADWISE_REQUIRED_MODELS", "tumor,wine")
    with pytest.raises(InvalidSettingsError, match=r'"required_models".*a list is written as \["NAME", \.\.\.\]'):
        Settings.load()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("port = 3\n", "setting port: Extra inputs are not permitted"),
        ("poll_interval = 0\n", "setting poll_interval: .*greater than 0"),
        ("request_timeout = nan\n", "setting request_timeout: .*greater than 0"),
        ("workers = 0\n", "setting workers: .*greater than or equal to 1"),
        ("workers = 1.5\n", "setting workers: .*got 1.5"),
        ('max_body_bytes = "many"\n', "setting max_body_bytes: .*got 'many'"),
        ('log_level = "loud"\n', "setting log_level: .*got 'loud'"),
        ('tfs_nonfinite = "null"\n', "setting tfs_nonfinite"),
        ('http = "8080"\n', "setting http: '8080' is no HOST:PORT"),
        ('grpc = "host:70000"\n', "setting grpc: 'host:70000' is no HOST:PORT"),
        ('backend = "tfserving"\n', "setting backend: 'tfserving' is no HOST:PORT"),
        ("http = \n", r"headwise\.toml: "),
        ("# \udcff\n", r"headwise\.toml: .*codec"),
    ],
)
def test_what_cannot_be_is_refused_by_name(file: Path, text: str, reason: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidSettingsError, match=reason):
        Settings.load(file)


def test_a_value_that_may_be_a_secret_is_not_repeated(file: Path) -> None:
    file.write_text('api_key = "hunter2"\n')
    with pytest.raises(InvalidSettingsError, match="setting api_key") as refused:
        Settings.load(file)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(InvalidSettingsError, match=r"headwise\.toml: no such file"):
        Settings.load(file)


@pytest.mark.parametrize(
    "backend", ["embedded", "tfs:8500", "dns:///tfs:8500", "unix:/run/tfs.sock", "[::1]:8500", "a:8500,b:8500"]
)
def test_every_way_to_name_a_backend_is_taken(backend: str) -> None:
    assert Settings.load(backend=backend).backend == backend


@pytest.mark.parametrize(
    "backend",
    [
        "http://tfs:8500",
        "tfs:8500/v1",
        "a:8500,b",
        "a:8500,",
        "dns:tfs:8500",
        "dns:///a:1,b:2",
        "unix:",
        "foo bar:1",
        "tfs",
        "tfs:99999",
    ],
)
def test_a_backend_that_can_never_answer_is_refused(backend: str) -> None:
    with pytest.raises(InvalidSettingsError, match="setting backend: "):
        Settings.load(backend=backend)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:80", "::1", 80),
        (":8080", "127.0.0.1", 8080),
        ("gateway:0", "gateway", 0),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert address(text, "http") == (host, port)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:http", "host:-1", "host:65536"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(InvalidSettingsError, match=r"setting http: .* is no HOST:PORT"):
        address(text, "http")


@pytest.mark.parametrize(
    "given",
    [
        {"http": "0.0.0.0:80"},
        {"grpc": "[::]:81"},
        {"admin": "10.0.0.1:82"},
        {"http": "gateway:80", "grpc": "gateway:81"},
        {"http": "0.0.0.0:80", "tls_certificate": "c", "tls_key": "k", "grpc_client_ca": "ca"},
    ],
)
def test_what_other_machines_reach_needs_keys_or_a_word(given: dict[str, Any]) -> None:
    named = next(name for name in ("http", "grpc", "admin") if name in given)
    with pytest.raises(InvalidSettingsError, match=rf"{named} .*could call. Set keys_file .*--allow-anonymous"):
        Settings.load(**given)
    assert Settings.load(**given, keys_file=Path("keys.json")).open_to_all == ()
    assert Settings.load(**given, allow_anonymous=True).open_to_all[0] == f"{named} {given[named]}"


def test_a_grpc_port_that_asks_for_certificates_is_not_open() -> None:
    tls: dict[str, Any] = {"tls_certificate": "c", "tls_key": "k", "grpc_client_ca": "ca"}
    assert Settings.load(grpc="0.0.0.0:81", **tls).open_to_all == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", ""])
def test_what_this_machine_alone_reaches_needs_none(host: str) -> None:
    assert Settings.load(http=f"{host}:80", grpc=f"{host}:81", admin=f"{host}:82").open_to_all == ()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tls_certificate": "c"}, "tls_certificate and tls_key: one needs the other"),
        ({"tls_key": "k"}, "tls_certificate and tls_key: one needs the other"),
        ({"grpc_client_ca": "ca"}, "grpc_client_ca: it needs tls_certificate"),
        ({"cors": True, "keys_file": "keys.json"}, "a page cannot keep a key to itself"),
        ({"admin": "8082"}, "setting admin: '8082' is no HOST:PORT"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSettingsError, match=reason):
        Settings.load(**given)


def test_a_request_cannot_have_more_time_by_default_than_any_may_have() -> None:
    with pytest.raises(InvalidSettingsError, match="setting request_timeout: 60 s is more than any request may take"):
        Settings.load(request_timeout=60)
    assert Settings.load(request_timeout=60, max_request_timeout=60).request_timeout == 60


def test_a_stop_waits_for_as_long_as_a_request_may_take_unless_less_is_said() -> None:
    assert Settings.load().drains_for == Settings.load().max_request_timeout
    assert Settings.load(max_request_timeout=90).drains_for == 90
    assert Settings.load(drain_timeout=0).drains_for == 0
