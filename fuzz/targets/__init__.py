"""What is fuzzed: each target turns bytes into a call of headwise. A HeadwiseError is an answer, all else a finding."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from headwise.errors import HeadwiseError
from targets import backend_replies, cards, json_bodies, saved_models, tensors


@dataclass(frozen=True, slots=True)
class Target:
    """reads: what is done with the bytes. seeds: bytes that are read without complaint, or nearly so.

    mutated: other bytes of the same form; None where they have none. words: what a dictionary suggests.
    """

    reads: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    mutated: Callable[[bytes, Random], bytes | None]
    words: tuple[bytes, ...] = ()

    def run(self, data: bytes) -> None:
        """Read the bytes once.

        Raises: whatever nobody has raised on purpose; warnings too, such as numpy's of an overflow.
        """
        with warnings.catch_warnings(), suppress(HeadwiseError):
            warnings.simplefilter("error")
            self.reads(data)


TARGETS: Mapping[str, Target] = {
    name: Target(module.read, module.seeds, module.mutated, module.WORDS)
    for name, module in {
        "json_bodies": json_bodies,
        "tensors": tensors,
        "cards": cards,
        "saved_models": saved_models,
        "backend_replies": backend_replies,
    }.items()
}
