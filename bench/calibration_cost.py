"""What calibration costs: one row through each calibrator, one fit, one choice.

A row's cost is the difference to the same head without calibrator, taken in turn within each round; medians over the
rounds, CPU time of this process.

    make bench-calibration-cost
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from headwise.calibration.choice import TASKS, choose
from headwise.calibration.fitting.fitters import FITTERS
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads import Head
from headwise.heads.calibrators import CALIBRATORS
from headwise.heads.links import log_softmax
from headwise.heads.scores import Form

CLASSES = 10
LABELS = tuple(f"class {number}" for number in range(CLASSES))
FORMS = (Form.MULTICLASS, Form.MULTILABEL)
CALLS = 200


def samples(form: Form, rows: int) -> Samples:
    """Logits that are twice too large for their targets."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (rows, CLASSES))
    if form is Form.MULTILABEL:
        return Samples(2 * logits, random.random(logits.shape) < 1 / (1 + np.exp(-logits)), form, CLASSES)
    targets = np.argmax(logits + random.gumbel(size=logits.shape), axis=1)
    return Samples(log_softmax(2 * logits), targets, form, CLASSES)


def cpu(call: Callable[[], object], calls: int = 1) -> float:
    """CPU seconds a call."""
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls


def row_cost(plain: Head, calibrated: Head, rounds: int) -> float:
    """Microseconds that one row costs more."""
    row = np.random.default_rng(1).normal(size=(1, CLASSES)).astype(np.float32)

    def difference() -> float:
        before = cpu(lambda: plain.predict(row), CALLS)
        return cpu(lambda: calibrated.predict(row), CALLS) - before

    return 1e6 * statistics.median(difference() for _ in range(rounds))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(f"{CLASSES} classes or labels; medians of {rounds} rounds")
    print("form         method                fit of 1,000 rows   one row more")
    for form in FORMS:
        known = samples(form, 1000)
        plain = Head(TASKS[form], "linear", LABELS)
        for method, fit in FITTERS.items():
            if form not in CALIBRATORS[method].FORMS:
                continue
            try:
                calibrator = fit(known)
            except CalibrationError as error:
                print(f"{form.name.lower():12} {method:20} {error}")
                continue
            fitting = 1e3 * statistics.median(cpu(partial(fit, known)) for _ in range(rounds))
            row = row_cost(plain, Head(TASKS[form], "linear", LABELS, calibration=calibrator), rounds)
            print(f"{form.name.lower():12} {method:20} {fitting:15.1f} ms {row:11.1f} µs")
    print("\nform         rows   the whole choice")
    for form in FORMS:
        for rows in (200, 999, 1000):
            of = samples(form, rows)
            choice = statistics.median(cpu(partial(choose, of)) for _ in range(min(rounds, 3)))
            print(f"{form.name.lower():12} {rows:4} {choice:12.2f} s")


if __name__ == "__main__":
    main()
