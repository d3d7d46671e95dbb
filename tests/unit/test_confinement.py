"""The model server gets the environment that it needs, and gives up what it does not, before it is what it is."""

import json
import os
import pwd
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from headwise.confinement import Confinement, passed_on
from headwise.errors import ConfigurationError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has what it gives up")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def test_what_is_secret_stays_with_the_gateway() -> None:
    kept = {"PATH": "/bin", "LC_ALL": "C", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "2", "PYTHONPATH": "x"}
    secret = {"HEADWISE_HTTP": "1", "AWS_SECRET_ACCESS_KEY": "2", "HOME": "/root", "MY_PATH": "3", "path": "4"}
    assert passed_on({**kept, **secret}) == kept


def test_where_traces_go_is_passed_on_where_they_are_on_and_no_key_of_a_collector() -> None:
    where = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    }
    secret = {
        "OTEL_EXPORTER_OTLP_HEADERS": "1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "2",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "3",
        "OTEL_SERVICE_NAME": "the gateway's",
    }
    assert passed_on({**where, **secret}, traces=True) == where
    assert passed_on(where) == {}


def test_without_settings_it_is_the_gateways_user_with_any_memory() -> None:
    assert Confinement.of(None, None) == Confinement(None, None)


@pytest.mark.parametrize("text", ["7:8", "0007:0008"])
def test_numbers_need_no_entry(text: str) -> None:
    assert Confinement.of(text, None, root=True).user == (7, 8)


def test_a_name_and_a_lone_number_have_the_group_of_their_entry() -> None:
    entry = pwd.getpwall()[-1]
    for text in (entry.pw_name, str(entry.pw_uid)):
        assert Confinement.of(text, None, root=True).user == (entry.pw_uid, entry.pw_gid)


@pytest.mark.parametrize("text", ["nobody-of-that-name", "4294967290", "99999999999999999999", "1:", ":1", "1:x", ""])
def test_who_is_nobody_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"setting model_server_user: .* is no user of this system; write"):
        Confinement.of(text, None, root=True)


def test_only_root_can_start_it_as_somebody_else() -> None:
    with pytest.raises(ConfigurationError, match=r"setting model_server_user: only root may .*leave the setting out"):
        Confinement.of("1:1", None, root=False)


def test_memory_is_limited_on_linux_alone() -> None:
    assert Confinement.of(None, 1 << 30, platform="linux").memory == 1 << 30
    with pytest.raises(ConfigurationError, match=r"setting model_server_memory: only Linux .*darwin; leave it out"):
        Confinement.of(None, 1 << 30, platform="darwin")


STATUS = ("/bin/cat", "/proc/self/status", "/proc/self/limits", "/proc/self/oom_score_adj")


def become(confinement: Confinement, *program: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        confinement.command(program), capture_output=True, text=True, timeout=60, check=False, **options
    )


def fields(text: str) -> dict[str, str]:
    """What /proc/PID/status says."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


@LINUX
def test_it_gives_up_what_it_does_not_need() -> None:
    done = become(Confinement(memory=123 << 20), *STATUS)
    status = fields(done.stdout)
    assert (status["NoNewPrivs"], status["Umask"]) == ("1", "0077")
    limits = {line[:26].strip(): line[26:].split()[:2] for line in done.stdout.splitlines()}
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max data size"] == [str(123 << 20)] * 2
    assert done.stdout.splitlines()[-1] == "500"
    assert resource.getrlimit(resource.RLIMIT_DATA)[1] != 123 << 20, "only the child"


@LINUX
@ROOT
def test_it_is_somebody_else_in_every_way() -> None:
    status = fields(become(Confinement(user=(65532, 65531)), *STATUS, extra_groups=[7]).stdout)
    assert status["Uid"].split() == ["65532"] * 4
    assert status["Gid"].split() == ["65531"] * 4
    assert status["Groups"] == ""
    assert status["CapEff"] == status["CapPrm"] == "0" * 16


def test_what_cannot_be_done_is_a_line(tmp_path: Path) -> None:
    done = become(Confinement(), str(tmp_path / "missing"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"headwise: {tmp_path}/missing cannot be started confined: ")
    assert done.stderr.count("\n") == 1


def test_a_confinement_travels_as_json() -> None:
    found = Confinement(user=(1, 2), memory=3)
    *_, told, program = found.command(["x"])
    assert (json.loads(told), program) == (json.loads(json.dumps(asdict(found))), "x")
