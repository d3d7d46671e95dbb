"""What the tripwires cost: a head's answer with all of its checks, and with the checks taken out.

Both run in turn in one process, round by round; the table has medians over the rounds. `answer` is Head.answer without
checks; `body` is all that headwise does with a model's numbers, from the array to the JSON with all probabilities.

The checks pass over the numbers twice, once for their range and once for the sums of their rows. A softmax without
calibration passes over them twice as well, to copy them and for the argmax: of that little they are about a third.

    make bench-tripwires
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.rest.classify_response import classification
from headwise.gateway import BatchAnswer, HeadAnswer
from headwise.heads import Activation, Head, Prediction, Temperature, contract
from headwise.heads.links import Float64, log_softmax
from headwise.repository.served_model import ServedModel
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Place, Tripwires

CLASSES = 1000
BATCHES = (1, 32, 256)
ACTIVATIONS: tuple[Activation, ...] = ("softmax", "log_softmax", "linear")
MODEL = ServedModel("bench", 1, {})
PLACE = Place("bench", 1, "", "serving_default", "output_0")


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians in microseconds a batch."""

    bare: float
    checks: float
    body: float


@contextmanager
def without_checks() -> Iterator[None]:
    """Heads believe every number."""
    checked = contract.admit, contract.row_sum_error

    def admit(output: NDArray[Any], *_: object, **__: object) -> tuple[Float64, float, tuple[str, ...]]:
        return np.array(output, dtype=np.float64, order="C"), 0.0, ()

    def row_sum_error(*_: object, **__: object) -> tuple[float, tuple[str, ...]]:
        return 0.0, ()

    contract.admit, contract.row_sum_error = admit, row_sum_error
    try:
        yield
    finally:
        contract.admit, contract.row_sum_error = checked


def outputs(activation: Activation, batch: int, dtype: str) -> NDArray[Any]:
    """(batch, CLASSES) as a network might give it."""
    logits = np.random.default_rng(0).normal(scale=3.0, size=(batch, CLASSES))
    values = {"linear": logits, "log_softmax": log_softmax(logits), "softmax": np.exp(log_softmax(logits))}
    return values[activation].astype(dtype)


def measure(head: Head, output: NDArray[Any], rounds: int) -> Costs:
    """The difference is taken within each round, where both sides met the same machine."""
    tripwires = Tripwires(Metrics())

    def checked() -> Prediction:
        prediction = head.answer(output)
        tripwires.judge(PLACE, head, prediction)
        return prediction

    def body() -> Sequence[bytes]:
        answer = HeadAnswer(head, head.answer(output), output)
        return classification(BatchAnswer(MODEL, {"output_0": answer}).whole, "id", frozenset({"probabilities"}))

    calls = max(1, 1024 // len(output))
    bare, checks, bodies = [], [], []
    for number in range(rounds):
        if number % 2:
            with_checks = timed(checked, calls)
        with without_checks():
            bare.append(timed(lambda: head.answer(output), calls))
            bodies.append(timed(body, max(1, calls // 16)))
        if not number % 2:
            with_checks = timed(checked, calls)
        checks.append(with_checks - bare[-1])
    return Costs(statistics.median(bare), statistics.median(checks), statistics.median(bodies))


def timed(call: Callable[[], object], calls: int) -> float:
    """Microseconds of CPU time a call: other programs disturb it less than the clock on the wall."""
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--dtype", default="float32", choices=["float16", "float32", "float64"])
    arguments = parser.parse_args()
    labels = tuple(f"class {number}" for number in range(CLASSES))
    print(f"{CLASSES} classes, {arguments.dtype}, {arguments.rounds} rounds; CPU microseconds a batch")
    print("activation   calibrated  batch    answer   checks  of answer  of body")
    for activation in ACTIVATIONS:
        for calibration in (None, Temperature(1.3)):
            head = Head("multiclass", activation, labels, calibration=calibration)
            for batch in BATCHES:
                costs = measure(head, outputs(activation, batch, arguments.dtype), arguments.rounds)
                print(
                    f"{activation:12} {calibration.method if calibration else '':11} {batch:5} {costs.bare:9.1f} "
                    f"{costs.checks:8.1f} {costs.checks / costs.bare:10.1%} {costs.checks / costs.body:8.1%}"
                )


if __name__ == "__main__":
    main()
