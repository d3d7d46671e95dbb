"""What the embedded model server runs with: a SavedModel is a program, and needs few of the gateway's rights.

The gateway starts this file, which gives up what is not needed, for good, and becomes the model server. Nothing of it
is done between fork and exec, where threads of the gateway may hold locks.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import re
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from headwise.errors import ConfigurationError

PASSED_ON = (
    "PATH",
    "LANG",
    "LC_*",
    "TZ",
    "TMPDIR",
    "PYTHON*",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",  # another malloc
    "TF_*",
    "XLA_*",
    "OMP_*",
    "KMP_*",
    "MKL_*",
    "CUDA_*",
    "NVIDIA_*",
    "GRPC_*",
    "COVERAGE_PROCESS_*",  # the tests' coverage
)
"""Variables of the environment that the model server gets; no other, so that what is secret stays with the gateway."""
FOR_TRACES = (
    "OTEL_EXPORTER_OTLP_*ENDPOINT",
    "OTEL_EXPORTER_OTLP_*INSECURE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_*TIMEOUT",
    "OTEL_EXPORTER_OTLP_*COMPRESSION",
    "OTEL_BSP_*",
    "OTEL_TRACES_SAMPLER*",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
)
"""Those that it gets besides where traces are on: neither headers, which hold a collector's keys, nor private keys."""

_NO_NEW_PRIVILEGES = 38
"""PR_SET_NO_NEW_PRIVS of prctl(2)."""
_OUT_OF_MEMORY_FIRST = "500"
"""Of 1000; the kernel should take the model server before the gateway, which starts another."""
_ROOT = os.geteuid() == 0
_USER = re.compile(r"(?P<uid>\d+)(:(?P<gid>\d+))?", re.ASCII)


def passed_on(environment: Mapping[str, str], *, traces: bool = False) -> dict[str, str]:
    """The part of an environment that the model server gets."""
    patterns = (*PASSED_ON, *FOR_TRACES) if traces else PASSED_ON
    return {
        name: value for name, value in environment.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


@dataclass(frozen=True, slots=True)
class Confinement:
    """user: uid and gid, None for those of the gateway. memory: bytes of data and heap, None for any."""

    user: tuple[int, int] | None = None
    memory: int | None = None

    @classmethod
    def of(
        cls, user: str | None, memory: int | None, *, platform: str = sys.platform, root: bool = _ROOT
    ) -> Confinement:
        """What the settings say.

        Raises: ConfigurationError where it cannot be done here.
        """
        if memory is not None and platform != "linux":
            raise ConfigurationError(
                f"setting model_server_memory: only Linux holds a process to it, this is {platform}; leave it out"
            )
        return cls(None if user is None else _user(user, root=root), memory)

    def command(self, program: Sequence[str]) -> list[str]:
        """What starts a program so."""
        return [sys.executable, "-m", "headwise.confinement", json.dumps(asdict(self)), *program]

    def apply(self) -> None:
        """Give up, for this process and those that it starts."""
        os.umask(0o077)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core holds what callers sent
        if self.memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.memory, self.memory))
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # where /proc is not to be written to, the kernel chooses for itself
                Path("/proc/self/oom_score_adj").write_text(_OUT_OF_MEMORY_FIRST, "ascii")
        if self.user is not None:
            uid, gid = self.user
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        if sys.platform == "linux" and ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError("prctl: no_new_privs cannot be set")


def _user(text: str, *, root: bool) -> tuple[int, int]:
    """NAME, UID or UID:GID; without a group that of the user.

    Raises: ConfigurationError.
    """
    if not root:
        raise ConfigurationError(
            f"setting model_server_user: only root may start a process as {text!r}; start the gateway as root, "
            "or leave the setting out: the model server then runs as the user of the gateway"
        )
    found = _USER.fullmatch(text)
    if found is not None and found["gid"]:
        return int(found["uid"]), int(found["gid"])
    try:
        entry = pwd.getpwuid(int(text)) if found else pwd.getpwnam(text)
    except (KeyError, OverflowError) as error:
        raise ConfigurationError(
            f"setting model_server_user: {text!r} is no user of this system; write a user's name, UID or UID:GID"
        ) from error
    return entry.pw_uid, entry.pw_gid


def main(confinement: str, *program: str) -> None:
    """Become the program, confined."""
    told = json.loads(confinement)
    user = None if told["user"] is None else (told["user"][0], told["user"][1])
    Confinement(user, told["memory"]).apply()
    os.execv(program[0], program)  # noqa: S606  # nosec B606  # the gateway's own command


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"headwise: {sys.argv[2]} cannot be started confined: {error}")
