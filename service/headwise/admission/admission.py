"""Bounds on the requests that a process works on, and refusal beyond them, before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from headwise.admission.memory import Memory
from headwise.errors import OverloadedError, PayloadTooLargeError


class Admission:
    """in_flight, per_model: requests at once, of all models and of one. How long they wait is the batcher's to bound.

    memory: of the process's control group; None: not watched. rows: of one request.
    """

    def __init__(
        self, in_flight: int = 8192, per_model: int = 4096, memory: Memory | None = None, rows: int = 1_000_000
    ) -> None:
        self._most = in_flight
        self._most_per_model = per_model
        self._most_rows = rows
        self._memory = memory
        self._models: dict[str, int] = {}
        self._promised = 0
        self.in_flight = 0

    def room(self, model: str) -> _Room:
        """Room for one request, in a `with` statement until it is answered.

        Raises, on entry: OverloadedError.
        """
        return _Room(self, model)

    def enter(self, model: str) -> None:
        """Take room; see `room`."""
        if self._memory is not None:
            self.check_memory()
        here = self._models.get(model, 0)
        if self.in_flight >= self._most:
            raise OverloadedError(f"{self.in_flight} requests are being answered, no more are taken at once")
        if here >= self._most_per_model:
            raise OverloadedError(f"{here} requests for {model} are being answered, no more are taken at once")
        self.in_flight += 1
        self._models[model] = here + 1

    def leave(self, model: str) -> None:
        """Give it back."""
        self.in_flight -= 1
        here = self._models.pop(model) - 1
        if here:
            self._models[model] = here

    def check_rows(self, rows: int) -> None:
        """Whether one request may have so many rows.

        Raises: PayloadTooLargeError.
        """
        if rows > self._most_rows:
            raise PayloadTooLargeError(
                f"the request has {rows} rows, {self._most_rows} are taken (max_rows): send fewer rows a request"
            )

    def check_memory(self, size: int = 0) -> None:
        """Ask before memory is taken for a request. One is always taken: else nothing could ever free any.

        size: bytes that it will take, where they are so many that the last look does not suffice.

        Raises: OverloadedError.
        """
        memory = self._memory
        if memory is None or not (self.in_flight or self._promised):
            return
        if size:
            memory.look()
        if memory.would_be_short(self._promised + size):
            raise OverloadedError(f"memory runs short: {memory}")

    @contextmanager
    def memory_for(self, size: int) -> Iterator[None]:
        """So many bytes are promised to one until the end of the block.

        Raises: as `check_memory`.
        """
        self.check_memory(size)
        self._promised += size
        try:
            yield
        finally:
            self._promised -= size


class _Room(NamedTuple):
    admission: Admission
    model: str

    def __enter__(self) -> None:
        self.admission.enter(self.model)

    def __exit__(self, *_: object) -> None:
        self.admission.leave(self.model)
