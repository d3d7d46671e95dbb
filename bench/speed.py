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
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from serving import tables
from serving.experiments import Scale, closed_loop
from serving.sides import HEADWISE, NOOP, PLAIN, ROOT, SIDES
from serving.stage import Stage
from serving.subjects import Subject

RESULTS = ROOT / "bench" / "results"
QUICK = (HEADWISE, PLAIN, NOOP)


def machine() -> dict[str, Any]:
    """Where it was measured."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def example(name: str) -> Subject:
    """An example model of this repository."""
    folder = ROOT / "models" / name
    if not (folder / "1").exists():
        sys.exit(f"no model {folder}: `make models` trains it")
    with np.load(folder / "holdout.npz", allow_pickle=False) as held_out:
        (rows,) = (held_out[key] for key in held_out if key != "targets")
    return Subject(name, folder / "1", rows[:64].astype(np.float32))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="headwise, the plain gateway and the no-op; short runs")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each cell and side")
    parser.add_argument("--seconds", type=int, default=2, help="of one run")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64, 256])
    parser.add_argument("--subjects", nargs="+", default=["tumor", "digits"])
    parser.add_argument("--sides", nargs="+", help="only these")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder for what was measured")
    arguments = parser.parse_args()
    wanted = arguments.sides or (QUICK if arguments.quick else [side.name for side in SIDES])
    scale = Scale(arguments.seconds, arguments.rounds, tuple(arguments.connections), tuple(arguments.subjects))
    facts = machine()
    records: list[dict[str, Any]] = []
    subjects = [example(name) for name in scale.subjects]
    with tempfile.TemporaryDirectory(prefix="headwise-bench-") as scratch, ExitStack() as open_:
        stage = open_.enter_context(
            Stage.of(Path(scratch, "stage"), {subject.name: subject.version for subject in subjects})
        )
        for subject in subjects:
            with ExitStack() as turns:
                sides, missing = stage.start([side for side in SIDES if side.name in wanted], subject, turns)
                for name, why in missing.items():
                    say(f"{name} is not measured: {why}")
                for cell in closed_loop(stage, subject, sides, scale):
                    started = time.monotonic()
                    found = [{**record, "cores": facts["cores"]} for record in cell.records(scale.rounds)]
                    records += found
                    say(f"{cell.title}: {time.monotonic() - started:.0f} s")
                    say(tables.compared(found, "subject", "connections") + "\n")
    arguments.results.mkdir(parents=True, exist_ok=True)
    whole = {"machine": facts, "records": records}
    (arguments.results / "serving.json").write_text(json.dumps(whole, indent=1), "utf-8")


if __name__ == "__main__":
    main()
