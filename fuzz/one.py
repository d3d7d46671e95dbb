"""Fuzzes one target until it is told to stop, or finds something: python fuzz/one.py TARGET [libFuzzer's arguments]."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from random import Random

import atheris
import structlog

HERE = Path(__file__).parent
GENERATED = ["headwise.v1", "headwise.v2", "headwise.tfserving"]

sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
# What is fuzzed must be imported here, nowhere before: else its branches are not counted.
with atheris.instrument_imports(include=["headwise"], exclude=GENERATED):
    from targets import TARGETS


def main(name: str, *arguments: str) -> None:
    """Run libFuzzer, which ends the process."""
    target = TARGETS[name]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)  # libFuzzer's own seed: a run can be repeated
        changed = target.mutated(data, random) if random.random() < 0.5 else None
        return atheris.Mutate(data, most) if changed is None or len(changed) > most else changed

    atheris.Setup([sys.argv[0], *arguments], target.run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
