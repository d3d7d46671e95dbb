"""A control group on disk, as the kernel shows one: what a container may have, and what it has."""

from __future__ import annotations

from pathlib import Path

from headwise.admission import Memory
from headwise.admission.memory import limited

_MEBI = 20


class ControlGroup:
    """Of version 2, with a limit in MiB, and one without below it, in which the process is."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder / "cgroup" / "pod"
        self._process = folder / "self"
        (self.folder / "gateway").mkdir(parents=True)
        (self.folder / "memory.max").write_text(f"{limit << _MEBI}\n")
        (self.folder / "gateway" / "memory.max").write_text("max\n")
        self._process.write_text("0::/pod/gateway\n")
        self.use(0)

    def use(self, mebibytes: int, *, files: int = 0) -> None:
        """Have it use so much, and so much of it for files' contents."""
        (self.folder / "memory.current").write_text(f"{(mebibytes + files) << _MEBI}\n")
        (self.folder / "memory.stat").write_text(f"anon {mebibytes << _MEBI}\ninactive_file {files << _MEBI}\n")

    def memory(self) -> Memory:
        """As a gateway in it finds it."""
        found = limited(0.9, proc=self._process, root=self.folder.parent)
        assert found is not None
        found.look()
        return found
