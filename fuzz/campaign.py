"""Fuzzes every target for some seconds and says what came of it: python fuzz/campaign.py --seconds 30 [TARGET …]."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests")]

SECONDS_AN_INPUT = 20
"""An input that takes longer is a finding; a millisecond would be usual."""
MEGABYTES = 2048
_MOST_BYTES = 64 * 1024
_FINDINGS = ("crash-*", "timeout-*", "oom-*", "leak-*")
_COVERED = re.compile(r"\bcov: (\d+)")
_EXECUTED = re.compile(r"number_of_executed_units: (\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target's process ended with. covered: edges, after the inputs that were known and at the end."""

    target: str
    code: int
    seconds: int
    executed: int
    covered: tuple[int, int]
    findings: tuple[Path, ...]

    @property
    def is_clean(self) -> bool:
        """Whether it ran, and found nothing."""
        return self.code == 0 and self.executed > 0 and not self.findings

    def __str__(self) -> str:
        before, after = self.covered
        return (
            f"{self.target:<16} {self.executed:>10,} executions {self.executed // max(self.seconds, 1):>7,}/s "
            f"{after:>6} edges ({after - before:+}) {len(self.findings)} findings"
        )


def outcome(target: str, code: int, seconds: int, log: str, findings: Sequence[Path]) -> Outcome:
    """Read what libFuzzer has printed."""
    covered = [int(found) for found in _COVERED.findall(log)] or [0]
    executed = _EXECUTED.search(log)
    return Outcome(
        target, code, seconds, int(executed[1]) if executed else 0, (covered[0], covered[-1]), tuple(findings)
    )


def fuzz(name: str, seconds: int, folder: Path) -> Outcome:
    """Fuzz one target in a process of its own. What it learns stays in `folder`, for the next time."""
    from targets import TARGETS  # noqa: PLC0415  # no headwise where there is no atheris

    target = TARGETS[name]
    folders = [folder / "corpus", folder / "seeds", HERE / "regressions" / name]
    for each in folders:
        each.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (folders[1] / f"{number:04}").write_bytes(seed)
    words = folder / "words.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words), "ascii")
    limits = (f"-max_total_time={seconds}", f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEGABYTES}")
    told = (f"-dict={words}", f"-max_len={_MOST_BYTES}", "-print_final_stats=1", f"-artifact_prefix={folder}/")
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, str(HERE / "one.py"), name, *limits, *told, *map(str, folders)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    found = sorted(path for pattern in _FINDINGS for path in folder.glob(pattern))
    return outcome(name, done.returncode, seconds, (folder / "log").read_text("utf-8", "replace"), found)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main(arguments: Sequence[str], fuzzer: str = "atheris") -> int:
    """Fuzz; 0 if every target ran and nothing was found, 1 if not, 2 where there is no fuzzer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="all, unless some are named")
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--folder", type=Path, default=ROOT / ".fuzz", help="for inputs, logs and findings")
    asked = parser.parse_args(arguments)
    if importlib.util.find_spec(fuzzer) is None:
        here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        print(
            f"this cannot be fuzzed with {here}: atheris is not installed, and has wheels for Python 3.11 to 3.14 on "
            "Linux x86_64 only; the inputs that were found before are run by `make test` everywhere",
            file=sys.stderr,
        )
        return 2
    from targets import TARGETS  # noqa: PLC0415

    if unknown := [name for name in asked.targets if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(TARGETS)}")
    clean = True
    with ThreadPoolExecutor(asked.jobs) as pool:
        for done in pool.map(lambda name: fuzz(name, asked.seconds, asked.folder / name), asked.targets or TARGETS):
            print(done, flush=True)
            clean = clean and done.is_clean
            for finding in done.findings:
                print(f"  again: {sys.executable} {HERE / 'one.py'} {done.target} {finding}")
            if not done.is_clean:
                print(f"  log: {asked.folder / done.target / 'log'}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
