"""Bounds on the requests that a process works on, and refusal beyond them, before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from headwise.admission.memory import Memory
from headwise.errors import OverloadedError, PayloadTooLargeError

LARGE = 64 * 1024
"""Bytes from which on memory is promised: what is less, between two looks, is no matter."""

_NOTHING = nullcontext()


class Admission:
    """in_flight, per_model: requests at once, of all models and of one. How long they wait is the batcher's to bound.

    memory: of the process's control group; None: not watched. rows: of one request, `most_rows`. refused: told why a
    request is. promised: bytes that requests will take which no look has seen yet.
    """

    def __init__(
        self,
        in_flight: int = 8192,
        per_model: int = 4096,
        memory: Memory | None = None,
        rows: int = 2_000_000,
        *,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._refused = refused
        self._most = in_flight
        self._most_per_model = per_model
        self.most_rows = rows
        self._memory = memory
        self._models: dict[str, int] = {}
        self.promised = 0
        self.in_flight = 0

    @property
    def by_model(self) -> Mapping[str, int]:
        """The requests that are being answered, by the name that they ask for; any thread may ask."""
        return dict(self._models)

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
            self._refused("in-flight")
            raise OverloadedError(f"{self.in_flight} requests are being answered, no more are taken at once")
        if here >= self._most_per_model:
            self._refused("in-flight-of-model")
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
        if rows > self.most_rows:
            raise PayloadTooLargeError(
                f"the request has {rows} rows, {self.most_rows} are taken (max_rows): send fewer rows a request"
            )

    def check_memory(self, size: int = 0, own: int = 0) -> None:
        """Ask before memory is taken for a request. One is always taken: else nothing could ever free any.

        size: bytes that it will take, where they are so many that the last look does not suffice. own: of those that
        are promised, what is promised to it.

        Raises: OverloadedError.
        """
        memory = self._memory
        if memory is None or not (self.in_flight or self.promised > own):
            return
        if size:
            memory.look()
        if memory.would_be_short(self.promised + size):
            self._refused("memory")
            raise OverloadedError(f"memory runs short: {memory}")

    def memory_for(self, size: int) -> AbstractContextManager[object]:
        """So many bytes are promised to one until the end of the block.

        Raises, on entry: as `check_memory`.
        """
        return _NOTHING if size < LARGE else Promise(self).memory_for(size)

    def promise(self, size: int, own: int = 0) -> None:
        """Promise so many bytes more to one that has `own`; fewer where it is negative.

        Raises: as `check_memory`.
        """
        if size > 0:
            self.check_memory(size, own)
        self.promised += size


class Promise:
    """Memory that a request will take, as far as it is known, until it has been taken: then the next look sees it."""

    __slots__ = ("_admission", "size")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0

    def grow(self, size: int) -> None:
        """Let it be so many bytes in all, if they are more than it has.

        Raises: OverloadedError.
        """
        more = size - self.size
        if size >= LARGE and more > 0:
            self._admission.promise(more, self.size)
            self.size = size

    @contextmanager
    def memory_for(self, size: int) -> Iterator[None]:
        """So many bytes more, until the end of the block.

        Raises: OverloadedError.
        """
        before = self.size
        self.grow(before + size)
        try:
            yield
        finally:
            self._admission.promise(before - self.size)
            self.size = before

    def end(self) -> None:
        """It has been taken, or will not be."""
        self._admission.promise(-self.size)
        self.size = 0


class _Room(NamedTuple):
    admission: Admission
    model: str

    def __enter__(self) -> None:
        self.admission.enter(self.model)

    def __exit__(self, *_: object) -> None:
        self.admission.leave(self.model)
