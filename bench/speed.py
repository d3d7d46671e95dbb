"""headwise beside what a user would pick instead, and beside what is possible, in one run.

    make bench                                  everything; about half an hour
    make bench-quick                            headwise, a plain FastAPI gateway and a no-op; two minutes
    python bench/speed.py --only closed         one part, with the peers that are installed

bench/README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from serving import made_models, plots, report, tables
from serving.plan import Part, parts
from serving.sides import BENCH, HEADWISE, NOOP, PLAIN, ROOT, SIDES, Side
from serving.stage import Flags, Stage
from serving.subjects import Subject
from serving.turns import Scale

RESULTS = BENCH / "results"
QUICK_SIDES, QUICK_PARTS = (HEADWISE, PLAIN, NOOP), ("closed", "stall")
PARTS = ("closed", "open", "sizes", "heads", "head alone", "batches", "fairness", "stall", "models")
MADE_FOR = {"sizes", "heads", "stall"}
NAMED = ("grpcio", "numpy", "protobuf", "tensorflow", "uvicorn", "uvloop", "httptools")


def machine(scale: Scale) -> dict[str, Any]:
    """Where and how it was measured."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in NAMED),
        "peers": ", ".join(peer_versions()),
        "rounds": scale.rounds,
        "seconds of a run": scale.seconds,
        "memory, float32 read and float64 written": f"{memory_bandwidth():.1f} GB/s",
    }


def peer_versions() -> list[str]:
    """As their environments are locked."""
    packages = {
        "bentoml": "bentoml",
        "fastapi": "fastapi",
        "litserve": "litserve",
        "mlserver": "mlserver",
        "rayserve": "ray",
    }
    found = []
    for environment, package in packages.items():
        lock = (ROOT / "requirements" / "serving" / f"{environment}.txt").read_text("utf-8")
        found += [f"{package} {version}" for version in re.findall(rf"^{package}==(\S+)", lock, re.MULTILINE)]
    return found


def memory_bandwidth() -> float:
    """GB/s of one pass over memory that no cache holds, as head maths has it; the best of five."""
    source = np.ones(2**26, np.float32)
    target = np.empty(source.shape, np.float64)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        np.copyto(target, source)
        taken.append(time.perf_counter() - started)
    return (source.nbytes + target.nbytes) / min(taken) / 1e9


def example(folder: Path) -> Subject:
    """A model with its held-out rows, as the recipes leave them."""
    if not (folder / "1").exists():
        sys.exit(f"no model {folder}: `make models` trains it")
    with np.load(folder / "holdout.npz", allow_pickle=False) as held_out:
        (rows,) = (held_out[key] for key in held_out if key != "targets")
    return Subject(folder.name, folder / "1", _typed(rows[:64]))


def _typed(rows: Any) -> Any:
    """As somebody typed them: the shortest numbers that are the same float32."""
    return np.array([float(str(number)) for number in rows.reshape(-1)]).reshape(rows.shape)


def made(folder: Path) -> list[Subject]:
    """Models that only the benchmark has."""
    environment = {**os.environ, "PYTHONPATH": str(BENCH), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-m", "serving.made_models", str(folder)]
    subprocess.run(command, check=True, env=environment, capture_output=True)  # noqa: S603 - our own command
    return [Subject(name, folder / name / "1", made_models.rows(name)) for name in made_models.SHAPES]


def _with_workers(side: Side, flags: str) -> Side:
    """Ours with the number of workers that the flags ask for."""
    found = re.search(r"--workers[ =](\d+)", flags)
    return replace(side, workers=found[1]) if side.name == HEADWISE and found is not None else side


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(plan: list[Part], stage: Stage, scale: Scale, cores: int, keep: Any) -> None:
    """All parts, saying how far it is; `keep` gets each cell's records."""
    left = sum(part.estimate(scale.rounds) for part in plan)
    pace, begun, done = 1.0, time.monotonic(), 0.0
    for at, part in enumerate(plan, 1):
        say(f"[{at}/{len(plan)}] {part.name}: about {max(1, round(left * pace / 60))} minutes left")
        for cell in part.cells():
            started = time.monotonic()
            records = [{**record, "cores": cores} for record in cell.records(scale.rounds)]
            keep(records)
            say(f"  {cell.title}: {time.monotonic() - started:.0f} s")
            say(tables.table(records, tables.LAYOUTS[part.name][1]) + "\n")
        estimate = part.estimate(scale.rounds)
        left, done = left - estimate, done + estimate
        pace = (time.monotonic() - begun) / done
    for name, why in stage.missing.items():
        say(f"not measured: {name}: {why}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="headwise, the plain gateway and the no-op; a few parts")
    parser.add_argument("--rounds", type=int, help="runs of each cell and side; 3, quick 2")
    parser.add_argument("--seconds", type=int, default=2, help="of one run")
    parser.add_argument("--connections", type=int, nargs="+", help="of the closed loop")
    parser.add_argument("--subjects", nargs="+", help="example models; the first is used where one is enough")
    parser.add_argument("--sides", nargs="+", choices=[side.name for side in SIDES], help="only these")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="only these parts")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="where the example models are")
    parser.add_argument("--serve-flags", default="", help="more of `headwise serve`, such as '--workers 2'")
    parser.add_argument("--model-server-flags", default="", help="more of `headwise model-server`")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder for what was measured")
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # through every `with`, which stops the servers
    asked = arguments()
    names = asked.sides or (QUICK_SIDES if asked.quick else [side.name for side in SIDES])
    only = asked.only or (QUICK_PARTS if asked.quick else PARTS)
    scale = Scale(
        asked.seconds,
        asked.rounds or (2 if asked.quick else 3),
        tuple(asked.connections or ((1, 64) if asked.quick else (1, 8, 64, 256))),
    )
    subjects = [
        example(asked.models / name) for name in asked.subjects or (["tumor"] if asked.quick else ["tumor", "digits"])
    ]
    sides = [_with_workers(side, asked.serve_flags) for side in SIDES if side.name in names]
    flags = Flags(tuple(asked.serve_flags.split()), tuple(asked.model_server_flags.split()))
    facts, records = {**machine(scale), "headwise serve": asked.serve_flags or "as it comes"}, []
    asked.results.mkdir(parents=True, exist_ok=True)

    def keep(found: list[dict[str, Any]]) -> None:
        records.extend(found)
        whole = {"machine": facts, "missing": stage.missing, "records": records}
        (asked.results / "serving.json").write_text(json.dumps(whole, indent=1) + "\n", "utf-8")

    with tempfile.TemporaryDirectory(prefix="headwise-bench-") as folder:
        scratch = Path(folder)
        everything = [*subjects, *(made(scratch / "made") if MADE_FOR & set(only) else ())]
        with Stage(scratch / "stage", everything, sides, flags) as stage:
            plan = parts(stage, scratch, sides, scale, [subject.name for subject in subjects])
            run([part for part in plan if part.name in only], stage, scale, facts["cores"], keep)
    drawn = plots.write(records, asked.results)
    (asked.results / "serving.md").write_text(report.page(facts, records, stage.missing, drawn), "utf-8")
    say(f"written: {asked.results / 'serving.md'}, serving.json, {', '.join(drawn)}")


if __name__ == "__main__":
    main()
