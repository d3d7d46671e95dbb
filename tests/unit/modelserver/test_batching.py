"""Concurrent calls of one signature run as one."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from headwise.modelserver.batching import BatchScheduler
from headwise.modelserver.batching_parameters import BatchingParameters
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, invalid_argument
from headwise.modelserver.tensors import Array

LONG_S = 30.0


class Doubler(Servable):
    """Answers twice its input, refuses a 13, breaks on a 14, waits until it may, notes the sizes of its runs."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.runs = threading.Event()
        self.may_run = threading.Event()
        self.may_run.set()

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], _deadline: float | None) -> list[Array]:
        self.runs.set()
        assert self.may_run.wait(LONG_S)
        x = feeds["x"]
        self.sizes.append(len(x))
        if 13 in x:
            raise invalid_argument("thirteen")
        if 14 in x:
            raise MemoryError("fourteen")
        return [x * 2 for _ in fetches]


@contextmanager
def scheduler(parameters: BatchingParameters) -> Iterator[BatchScheduler]:
    running = BatchScheduler(parameters)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def concurrent_calls(
    batches: BatchScheduler, model: Servable, inputs: Sequence[Array]
) -> Iterator[list[Future[list[Array]]]]:
    with ThreadPoolExecutor(len(inputs)) as pool:
        yield [pool.submit(batches.run, model, {"x": x}, ["y"], None) for x in inputs]


def test_calls_that_wait_together_run_together_and_keep_their_rows() -> None:
    model = Doubler()
    inputs = [np.full(2, number) for number in range(4)]
    with (
        scheduler(BatchingParameters(8, 8, LONG_S, num_batch_threads=1)) as batches,
        concurrent_calls(batches, model, inputs) as answers,
    ):
        for x, answer in zip(inputs, answers, strict=True):
            np.testing.assert_array_equal(answer.result()[0], x * 2)
    assert model.sizes == [8]


def test_a_call_runs_alone_when_its_time_is_over() -> None:
    model = Doubler()
    with scheduler(BatchingParameters(8, 8, 0.01, allowed_sizes=(4, 8))) as batches:
        (answer,) = batches.run(model, {"x": np.array([5, 6, 7])}, ["y"], None)
    assert answer.tolist() == [10, 12, 14]
    assert model.sizes == [4]


def test_a_bad_row_fails_its_own_call_only() -> None:
    model = Doubler()
    inputs = [np.array([1]), np.array([13]), np.array([3])]
    with (
        scheduler(BatchingParameters(3, 3, LONG_S, num_batch_threads=1)) as batches,
        concurrent_calls(batches, model, inputs) as (first, second, third),
    ):
        assert first.result()[0].tolist() == [2]
        with pytest.raises(StatusError, match="thirteen"):
            second.result()
        assert third.result()[0].tolist() == [6]


def test_calls_of_different_shape_or_dtype_travel_apart() -> None:
    model = Doubler()
    inputs: list[Array] = [np.ones((1, 2)), np.ones((1, 3)), np.ones((1, 2), np.int32)]
    with (
        scheduler(BatchingParameters(8, 8, 0.05)) as batches,
        concurrent_calls(batches, model, inputs) as answers,
    ):
        assert [answer.result()[0].shape for answer in answers] == [(1, 2), (1, 3), (1, 2)]
    assert model.sizes == [1, 1, 1]


def test_a_large_call_is_split_where_the_parameters_say_so() -> None:
    model = Doubler()
    with scheduler(BatchingParameters(input_limit=10, execution_limit=4)) as batches:
        (answer,) = batches.run(model, {"x": np.arange(10)}, ["y"], None)
    assert answer.tolist() == list(range(0, 20, 2))
    assert sum(model.sizes) == 10
    assert max(model.sizes) <= 4


def test_a_full_queue_refuses() -> None:
    model = Doubler()
    model.may_run.clear()
    with scheduler(BatchingParameters(1, 1, 0, max_enqueued_batches=1, num_batch_threads=1)) as batches:
        with concurrent_calls(batches, model, [np.array([1])] * 3) as answers:
            refused = next(answer for answer in answers if _refused(answer))
            model.may_run.set()
        error = refused.exception()
    assert isinstance(error, StatusError)
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert "queue" in error.message


def test_an_empty_batch_is_answered() -> None:
    with scheduler(BatchingParameters(8, 8, LONG_S)) as batches:
        (answer,) = batches.run(Doubler(), {"x": np.empty(0)}, ["y"], None)
    assert answer.shape == (0,)


def test_a_stopped_scheduler_refuses_instead_of_waiting_for_ever() -> None:
    with scheduler(BatchingParameters(8, 8, LONG_S)) as batches:
        pass
    with pytest.raises(StatusError, match="stopping"):
        batches.run(Doubler(), {"x": np.ones(1)}, ["y"], None)


def test_whatever_a_run_raises_reaches_its_caller_and_the_next_batch_runs() -> None:
    model, inputs = Doubler(), [np.array([14]), np.array([2])]
    with scheduler(BatchingParameters(2, 2, LONG_S, num_batch_threads=1)) as batches:
        with concurrent_calls(batches, model, inputs) as (broken, other):
            assert isinstance(broken.exception(LONG_S), MemoryError)
            assert other.result(LONG_S)[0].tolist() == [4]
        assert batches.run(model, {"x": np.array([1, 2])}, ["y"], None)[0].tolist() == [2, 4]


def test_a_caller_waits_no_longer_than_its_deadline_and_its_rows_do_not_run() -> None:
    model = Doubler()
    model.may_run.clear()
    with (
        scheduler(BatchingParameters(2, 2, 0, num_batch_threads=1)) as batches,
        concurrent_calls(batches, model, [np.array([1])]) as (running,),
    ):
        assert model.runs.wait(LONG_S)
        with pytest.raises(StatusError) as caught:
            batches.run(model, {"x": np.array([2, 3])}, ["y"], time.monotonic() + 0.05)
        model.may_run.set()
        assert running.result(LONG_S)[0].tolist() == [2]
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert sum(model.sizes) == 1


def test_a_busy_model_does_not_starve_another() -> None:
    other = Doubler()

    class Busy(Doubler):
        """Leaves the other time to come."""

        def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], deadline: float | None) -> list[Array]:
            other.runs.wait(0.2)
            return super().run(feeds, fetches, deadline)

    busy = Busy()
    other.sizes = busy.sizes
    with (
        scheduler(BatchingParameters(input_limit=20, execution_limit=2, num_batch_threads=1)) as batches,
        concurrent_calls(batches, busy, [np.arange(1, 11)]) as (long,),
    ):
        assert batches.run(other, {"x": np.array([5])}, ["y"], None)[0].tolist() == [10]
        assert long.result(LONG_S)[0].tolist() == list(range(2, 22, 2))
    assert sorted(busy.sizes) == [1, 2, 2, 2, 2, 2]
    assert busy.sizes[-1] == 2, "the other model ran last"


def test_every_part_of_a_split_call_finds_a_thread() -> None:
    together = threading.Barrier(3)

    class Meeting(Doubler):
        """Runs only where three runs are under way."""

        def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], deadline: float | None) -> list[Array]:
            together.wait(LONG_S)
            return super().run(feeds, fetches, deadline)

    with scheduler(BatchingParameters(input_limit=6, execution_limit=2, num_batch_threads=3)) as batches:
        for _ in range(20):  # the threads may be awake the first time
            (answer,) = batches.run(Meeting(), {"x": np.arange(6)}, ["y"], None)
            assert answer.tolist() == [0, 2, 4, 6, 8, 10]


def _refused(answer: Future[list[Array]]) -> bool:
    try:
        return answer.exception(0.5) is not None
    except TimeoutError:
        return False
