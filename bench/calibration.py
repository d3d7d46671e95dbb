"""How headwise's choice of a calibrator compares with other libraries, and with doing nothing.

For each file of predictions and each example model, several seeds and sizes: fit on random rows, test on the rest.

    make bench-calibration
    python bench/calibration.py --data FILE.npz [FILE.npz ...]     p or logits, and y: your own predictions
    python bench/calibration.py --no-peers                         headwise alone, in seconds

The other libraries run in .venv-peers, which the make target builds from requirements/peers.txt; what they measured is
kept under bench/results until the runs change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibrating import ours, plots, tables
from calibrating.runs import Runs
from calibrating.subjects import PREDICTIONS, ROOT, Subject, examples, of_file

RESULTS = ROOT / "bench" / "results"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
SIZES = (50, 200, 1000, 5000)
SEEDS = 10
PEERS_SOURCE = Path(__file__).parent / "calibrating" / "peers.py"


def subjects(data: list[Path], models: bool) -> Iterator[Subject]:
    """The files that were asked for, or all of ours."""
    files = data or sorted(PREDICTIONS.glob("*.npz"))
    yield from (of_file(file) for file in files)
    if models and not data:
        cache = RESULTS / "raw"
        cache.mkdir(parents=True, exist_ok=True)
        yield from examples(cache)


def peers(runs: Runs, python: Path, results: Path, methods: list[str] | None) -> dict[str, Any]:
    """What the other libraries measured on these runs, from an earlier time where neither they nor we changed."""
    folder = results / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{runs.name}.npz"
    runs.save(file)
    asked = json.dumps(methods).encode()
    digest = hashlib.sha256(file.read_bytes() + PEERS_SOURCE.read_bytes() + asked).hexdigest()[:16]
    scores = folder / f"{runs.name}.{digest}.json"
    if not scores.exists():
        written = scores.with_suffix(".part")
        command = [str(python), "-m", "calibrating.peers", str(file), str(written)]
        command += ["--methods", *methods] if methods is not None else []
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        written.replace(scores)
    found: dict[str, Any] = json.loads(scores.read_text("utf-8"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="files of predictions instead of ours")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of calibration rows")
    parser.add_argument("--no-models", action="store_true", help="leave the example models out")
    parser.add_argument("--no-peers", action="store_true", help="headwise alone")
    parser.add_argument("--peers-python", type=Path, default=PEERS, help="what runs the other libraries")
    parser.add_argument("--methods", nargs="+", help="only these of the peers' methods")
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder for what was measured")
    parser.add_argument("--plots", type=Path, help="a folder for the plots, SVG")
    parser.add_argument("--page", type=Path, help="a page of Markdown whose tables are brought up to date")
    arguments = parser.parse_args()
    if not arguments.no_peers and not arguments.peers_python.exists():
        sys.exit(f"no {arguments.peers_python}: `make bench-calibration` builds it, --no-peers does without")

    records: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for subject in subjects(arguments.data, not arguments.no_models):
        runs = subject.runs(arguments.seeds, tuple(arguments.sizes))
        if not runs.sizes:
            print(f"{subject.name}: {len(subject.targets)} rows are too few to fit and to test", file=sys.stderr)
            continue
        measured = ours.measure(subject, runs)
        if not arguments.no_peers:
            found = peers(runs, arguments.peers_python, arguments.results, arguments.methods)
            measured += found["records"]
            missing |= found["missing"]
        records += [{"subject": subject.name, **record} for record in measured]
        print(f"{subject.name}: {len(runs.sizes)} sizes, {arguments.seeds} seeds", file=sys.stderr)
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "calibration.json").write_text(json.dumps(records), "utf-8")

    compared = tables.compared(records)
    written = {
        "methods": tables.methods_table(compared),
        "files": tables.crossed_table(compared, "file or model", lambda record: record["subject"]),
        "sizes": tables.crossed_table(compared, "rows", lambda record: record["size"]),
    }
    print("\n\n".join(written.values()))
    if worst := tables.worst_runs(compared):
        print("\nheadwise's worst runs:\n" + worst)
    for method, why in missing.items():
        print(f"\n{method} was left out: {why}")
    if arguments.plots is not None:
        plots.write(compared, arguments.plots)
    if arguments.page is not None:
        page = arguments.page.read_text("utf-8")
        arguments.page.write_text(tables.filled(page, written), "utf-8")


if __name__ == "__main__":
    main()
