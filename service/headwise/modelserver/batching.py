"""Server-side batching: concurrent calls of one signature run as one, as in TensorFlow Serving.

Two differences, both for the callers' good: calls whose tensors differ in dtype or in shape beyond the batch
travel apart, where TensorFlow Serving fails them all; and when a joint run fails, each call runs again alone,
so that a bad row fails its own call only.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from headwise.modelserver.batching_parameters import BatchingParameters
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, failed_precondition, invalid_argument
from headwise.modelserver.tensors import Array

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """One caller's rows, waiting for company."""

    feeds: Mapping[str, Array]
    rows: int
    deadline: float | None
    due: float
    answer: "Future[list[Array]]" = field(default_factory=Future)


class BatchScheduler:
    """Queues calls by what may run together and runs them in batches; `run` waits for the answer."""

    def __init__(self, parameters: BatchingParameters) -> None:
        self._parameters = parameters
        self._queues: dict[Key, deque[Call]] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(parameters.num_batch_threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Run what is queued, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def run(
        self, servable: Servable, feeds: Mapping[str, Array], fetches: Sequence[str], deadline: float | None
    ) -> list[Array]:
        """Run with whatever else is waiting; an empty batch has nothing to share and runs at once."""
        rows = _count_rows(feeds)
        if rows == 0:
            return servable.run(feeds, fetches, deadline)
        if rows > self._parameters.input_limit:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {self._parameters.input_limit}"
            )
        size = self._parameters.execution_limit
        parts = [
            Call(
                {name: array[at : at + size] for name, array in feeds.items()},
                min(size, rows - at),
                deadline,
                time.monotonic() + self._parameters.timeout_s,
            )
            for at in range(0, rows, size)
        ]
        shapes = tuple((name, array.dtype, array.shape[1:]) for name, array in sorted(feeds.items()))
        self._enqueue((servable, tuple(fetches), shapes), parts)
        answers = _await(parts)
        return answers[0] if len(answers) == 1 else [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]

    def _enqueue(self, key: Key, calls: list[Call]) -> None:
        with self._changed:
            if self._stopping:
                raise StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
            queue = self._queues.setdefault(key, deque())
            room = self._parameters.max_enqueued_batches * self._parameters.execution_limit
            if sum(call.rows for call in queue) + sum(call.rows for call in calls) > max(room, calls[0].rows):
                raise StatusError(
                    grpc.StatusCode.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            queue.extend(calls)
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                taken = self._take()
                while taken is None:
                    if self._stopping and not self._queues:
                        return
                    self._changed.wait(self._next_due())
                    taken = self._take()
                if self._queues:
                    self._changed.notify()  # another thread looks after the rest meanwhile
            key, calls = taken
            self._execute(key, [call for call in calls if call.answer.set_running_or_notify_cancel()])

    def _take(self) -> tuple[Key, list[Call]] | None:
        """Take a batch that is full or whose oldest call has waited long enough; its queue is then the last in turn."""
        now, limit = time.monotonic(), self._parameters.execution_limit
        for key, queue in self._queues.items():
            if not (self._stopping or queue[0].due <= now or sum(call.rows for call in queue) >= limit):
                continue
            batch, rows = [], 0
            while queue and rows + queue[0].rows <= limit:
                batch.append(queue.popleft())
                rows += batch[-1].rows
            del self._queues[key]
            if queue:
                self._queues[key] = queue
            return key, batch
        return None

    def _next_due(self) -> float | None:
        """Seconds until the next batch must run, or None while nothing waits."""
        if not self._queues:
            return None
        return max(0.0, min(queue[0].due for queue in self._queues.values()) - time.monotonic())

    def _execute(self, key: Key, calls: list[Call]) -> None:
        """Answer every call, whatever happens: somebody waits for each."""
        servable, fetches, _ = key
        try:
            answers = self._run_together(servable, fetches, calls) if calls else []
        except Exception as error:  # noqa: BLE001 a thread that ended would leave its callers waiting
            if len(calls) > 1:
                for call in calls:
                    self._execute(key, [call])
            else:
                calls[0].answer.set_exception(error)
            return
        for call, arrays in zip(calls, answers, strict=True):
            call.answer.set_result(arrays)

    def _run_together(self, servable: Servable, fetches: Sequence[str], calls: list[Call]) -> list[list[Array]]:
        rows = sum(call.rows for call in calls)
        size = self._parameters.padded(rows)
        feeds = {name: _pad(np.concatenate([call.feeds[name] for call in calls]), size) for name in calls[0].feeds}
        deadlines = [call.deadline for call in calls if call.deadline is not None]
        deadline = max(deadlines) if len(deadlines) == len(calls) else None
        arrays = servable.run(feeds, fetches, deadline)
        _check_outputs(arrays, size)
        cuts = np.cumsum([call.rows for call in calls])
        pieces = [np.split(array[:rows], cuts[:-1]) for array in arrays]
        return [list(piece) for piece in zip(*pieces, strict=True)]


def _await(parts: Sequence[Call]) -> list[list[Array]]:
    """Wait for every part's answer, at most until the deadline; parts that nobody waits for any more never run."""
    try:
        return [part.answer.result(_left_s(part.deadline)) for part in parts]
    except TimeoutError as error:
        reason = "The deadline was exceeded before the call's batch was answered"
        raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, reason) from error
    finally:
        for part in parts:
            part.answer.cancel()


def _left_s(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _count_rows(feeds: Mapping[str, Array]) -> int:
    if any(array.ndim == 0 for array in feeds.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {len(array) for array in feeds.values()}
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop() if sizes else 0


def _check_outputs(arrays: Sequence[Array], size: int) -> None:
    if any(array.ndim == 0 for array in arrays):
        raise failed_precondition("Batched output tensor has 0 dimensions")
    if any(len(array) != size for array in arrays):
        raise failed_precondition(
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
            "input tensors"
        )


def _pad(array: Array, size: int) -> Array:
    """Repeat the first row up to an allowed size, as TensorFlow does: it is a row the model can take."""
    missing = size - len(array)
    return array if missing == 0 else np.concatenate([array, np.repeat(array[:1], missing, axis=0)])
