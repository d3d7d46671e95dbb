"""Rows of concurrent requests travel as one call, and nobody notices but the model server."""

import asyncio
import weakref
from collections.abc import Hashable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headwise.backends.base import Arrays, RawPrediction
from headwise.batching import Batcher, Limits
from headwise.errors import (
    BackendTimeoutError,
    BackendUnavailableError,
    HeadwiseError,
    InvalidTensorError,
    OverloadedError,
)

pytestmark = pytest.mark.anyio


@dataclass
class Doubling:
    """Answers twice its rows. bad: numbers that fail the call they are in. held: calls wait until it is set."""

    key: Hashable = "m"
    owner: Hashable = None
    bad: frozenset[float] = frozenset()
    failure: Exception = field(default_factory=lambda: InvalidTensorError("a bad row"))
    splits: bool = True
    most: int = 1000
    calls: list[list[float]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    answers: list[tuple[Any, int]] = field(default_factory=list)
    cancelled: int = 0
    held: asyncio.Event | None = None

    def join(self, inputs: Sequence[Any]) -> Arrays:
        if any(one is None for one in inputs):
            raise InvalidTensorError("no rows")
        if len(inputs) > self.most:
            raise InvalidTensorError("too many to join")
        return {"x": np.concatenate([one["x"] for one in inputs])}

    async def call(self, inputs: Arrays, *, deadline: float) -> RawPrediction:
        rows = inputs["x"].reshape(len(inputs["x"]), -1)[:, 0].tolist()
        self.calls.append(rows)
        self.deadlines.append(deadline)
        try:
            if self.held is not None:
                await self.held.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.bad & set(rows):
            raise self.failure
        return RawPrediction(1, {"y": inputs["x"] * 2})

    def may_be_ones_fault(self, error: Exception) -> bool:
        return self.splits and error is self.failure

    def answer(self, raw: RawPrediction, rows: slice, asked: Any, requests: int) -> NDArray[Any]:
        self.answers.append((asked, requests))
        y = raw.outputs["y"][rows]
        if asked == "refuse":
            raise InvalidTensorError(f"{len(y)} rows are refused")
        return y[:, 0] + (asked or 0)


class Slim(Doubling):
    """Keeps nothing of its inputs but how many rows they have."""

    def join(self, inputs: Sequence[Any]) -> Any:
        return sum(len(one["x"]) for one in inputs)

    async def call(self, inputs: Any, **_: Any) -> RawPrediction:
        assert self.held is not None
        await self.held.wait()
        return RawPrediction(1, {"y": np.zeros((inputs, 1))})


def rows(*values: float, dtype: str = "float32", width: int = 1) -> Arrays:
    return {"x": np.repeat(np.array(values, dtype)[:, np.newaxis], width, axis=1)}


async def run(
    batcher: Batcher,
    work: Doubling,
    inputs: Arrays,
    asked: Hashable = None,
    *,
    seconds: float = 5.0,
    together: bool = True,
) -> list[float]:
    deadline = asyncio.get_running_loop().time() + seconds
    x = inputs["x"]
    kind = (work.key, x.dtype, x.shape[1:]) if together else object()
    part = await batcher.run(work, inputs, len(x), asked, size=x.nbytes, kind=kind, deadline=deadline)
    found: list[float] = part.answer[part.start : part.stop].tolist()
    return found


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def begun(batcher: Batcher, work: Doubling, *requests: Arrays, **options: Any) -> list[asyncio.Task[list[float]]]:
    """Requests that wait for their answers."""
    tasks = [asyncio.ensure_future(run(batcher, work, inputs, **options)) for inputs in requests]
    await turns()
    return tasks


async def test_every_call_that_sets_out_is_told_with_its_rows_and_requests() -> None:
    told: list[tuple[Any, int, int]] = []
    batcher = Batcher(departed=lambda *call: told.append(call))
    work = Doubling(owner="m", held=asyncio.Event())
    tasks = await begun(batcher, work, rows(1.0, 2.0), rows(3.0))
    tasks += await begun(batcher, work, rows(4.0))
    assert work.held is not None
    work.held.set()
    await asyncio.gather(*tasks)
    assert told == [("m", 3, 2), ("m", 1, 1)]


async def test_bad_rows_cost_one_call_after_the_other() -> None:
    """A model server takes only so many calls at once, and good mates must not be refused for that."""
    work = Doubling(bad=frozenset({1.0, 6.0, 11.0}))
    under_way = most = 0
    answered = work.call

    async def call(inputs: Arrays, *, deadline: float) -> RawPrediction:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await turns()
            return await answered(inputs, deadline=deadline)
        finally:
            under_way -= 1

    work.call = call  # type: ignore[method-assign]
    batcher = Batcher()
    answers = await asyncio.gather(*(run(batcher, work, rows(n)) for n in range(16)), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, InvalidTensorError)] == [1, 6, 11]
    assert [answer for answer in answers if isinstance(answer, list)] == [[2.0 * n] for n in range(16) if n % 5 != 1]
    assert most == 1


async def test_who_has_been_answered_meanwhile_is_not_asked_for_again() -> None:
    work = Doubling(bad=frozenset({1.0}), held=asyncio.Event())
    batcher = Batcher()
    bad, late = await begun(batcher, work, rows(1), rows(2))
    late.cancel()
    await turns()
    work.held.set()  # type: ignore[union-attr]
    with pytest.raises(InvalidTensorError):
        await bad
    assert work.calls == [[1, 2], [1]]


async def test_deadlines_of_less_than_a_millisecond_are_heard() -> None:
    work = Doubling(held=asyncio.Event())
    batcher = Batcher()
    late = [asyncio.ensure_future(run(batcher, work, rows(n), seconds=n * 1e-4)) for n in range(1, 12)]
    async with asyncio.timeout(5):
        for request in late:
            with pytest.raises(BackendTimeoutError):
                await request
            later = asyncio.ensure_future(run(batcher, work, rows(0), seconds=1e-4))
            with pytest.raises(BackendTimeoutError):
                await later


def test_sizes_that_a_call_may_not_have_are_not_filled() -> None:
    assert Limits(rows=256, sizes=(64, 1024)).most_rows(2000) == 64
    assert Limits(rows=256, sizes=(1024,)).most_rows(2000) == 256


async def test_a_request_alone_goes_at_once() -> None:
    work = Doubling(held=asyncio.Event())
    (task,) = await begun(Batcher(), work, rows(1, 2))
    assert work.calls == [[1, 2]]
    work.held.set()  # type: ignore[union-attr]
    assert await task == [2, 4]


async def test_what_comes_in_one_turn_travels_together_in_its_order() -> None:
    work = Doubling()
    answers = await asyncio.gather(*(run(Batcher(), work, rows(n)) for n in range(3)))
    assert work.calls == [[0], [1], [2]], "batchers do not know each other"
    work, batcher = Doubling(), Batcher()
    answers = await asyncio.gather(*(run(batcher, work, rows(n, n + 10)) for n in range(3)))
    assert work.calls == [[0, 10, 1, 11, 2, 12]]
    assert answers == [[0, 20], [2, 22], [4, 24]]


async def test_what_comes_while_a_call_is_under_way_is_the_next_one() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(Limits(wait=60))
    tasks = await begun(batcher, work, rows(1))
    tasks += await begun(batcher, work, rows(2), rows(3))
    tasks += await begun(batcher, work, rows(4))
    assert work.calls == [[1]]
    work.held.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*tasks) == [[2], [4], [6], [8]]
    assert work.calls == [[1], [2, 3, 4]]


async def test_a_request_does_not_wait_for_longer_than_the_limit() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(Limits(wait=0.02))
    tasks = await begun(batcher, work, rows(1))
    tasks += await begun(batcher, work, rows(2))
    assert work.calls == [[1]]
    async with asyncio.timeout(5):
        while len(work.calls) < 2:  # noqa: ASYNC110  # the batcher's side, without an event
            await asyncio.sleep(0.005)
    work.held.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*tasks) == [[2], [4]]


async def test_a_full_call_goes_while_others_are_under_way_up_to_their_number() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(Limits(rows=2, wait=60, calls=2))
    tasks = await begun(batcher, work, rows(1))
    tasks += await begun(batcher, work, *(rows(n) for n in range(2, 7)))
    assert work.calls == [[1], [2, 3]]
    work.held.set()  # type: ignore[union-attr]
    await asyncio.gather(*tasks)
    assert work.calls == [[1], [2, 3], [4, 5], [6]]


@pytest.mark.parametrize("limits", [Limits(rows=3, wait=60), Limits(size=12, wait=60)], ids=["rows", "bytes"])
async def test_a_call_has_no_more_than_fits_and_a_larger_request_goes_alone(limits: Limits) -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(limits)
    tasks = await begun(batcher, work, rows(0), rows(1, 2), rows(3, 4, 5, 6, 7), rows(8), rows(9))
    work.held.set()  # type: ignore[union-attr]
    await asyncio.gather(*tasks)
    assert work.calls == [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]]


async def test_a_call_fills_a_size_that_the_backend_pads_to() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(Limits(sizes=(2, 4), wait=60))
    tasks = await begun(batcher, work, rows(0))
    tasks += await begun(batcher, work, *(rows(n) for n in range(1, 8)))
    work.held.set()  # type: ignore[union-attr]
    await asyncio.gather(*tasks)
    assert work.calls == [[0], [1, 2, 3, 4], [5, 6], [7]]


@pytest.mark.parametrize(
    "other",
    [rows(2, dtype="float64"), rows(2, width=2), {"x": rows(2)["x"][..., np.newaxis]}],
    ids=["dtype", "shape", "rank"],
)
async def test_tensors_that_cannot_be_joined_travel_apart(other: Arrays) -> None:
    work, batcher = Doubling(), Batcher()
    await asyncio.gather(run(batcher, work, rows(1)), run(batcher, work, rows(3)), begun(batcher, work, other))
    assert [1, 3] in work.calls


async def test_different_work_is_never_mixed() -> None:
    batcher, one, two = Batcher(), Doubling("one"), Doubling("two")
    assert list(await asyncio.gather(run(batcher, one, rows(1)), run(batcher, two, rows(2)))) == [[2], [4]]
    assert (one.calls, two.calls) == ([[1]], [[2]])


async def test_a_request_that_may_not_travel_with_others_goes_alone_at_once() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher()
    tasks = await begun(batcher, work, rows(1), rows(2), rows(3), together=False)
    assert work.calls == [[1], [2], [3]]
    work.held.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*tasks) == [[2], [4], [6]]


async def test_requests_that_ask_alike_are_answered_together_and_others_by_themselves() -> None:
    work, batcher = Doubling(), Batcher()
    asked = [100, 0, 100, 7, 0]
    found = await asyncio.gather(*(run(batcher, work, rows(n, n), asked[n]) for n in range(5)))
    assert found == [[2 * n + asked[n]] * 2 for n in range(5)]
    assert len(work.calls) == 1
    assert work.answers == [(100, 2), (0, 2), (7, 1)]


async def test_calls_of_all_kinds_are_bounded_and_each_kind_has_its_turn() -> None:
    batcher = Batcher(Limits(rows=1, calls=2, calls_in_all=2, wait=0))
    order: list[str] = []
    all_are_here = asyncio.Event()

    class Noting(Doubling):
        async def call(self, inputs: Arrays, *, deadline: float) -> RawPrediction:
            order.append(str(self.key))
            await all_are_here.wait()
            return await super().call(inputs, deadline=deadline)

    busy, quiet = Noting("busy"), Noting("quiet")
    tasks = [asyncio.ensure_future(run(batcher, busy, rows(n))) for n in range(40)]
    await turns()
    tasks += [asyncio.ensure_future(run(batcher, quiet, rows(n))) for n in range(3)]
    await turns()
    assert order == ["busy", "busy"]
    all_are_here.set()
    await asyncio.gather(*tasks)
    assert order.index("quiet") <= 4, "it need not wait until the busy one has done"
    assert [place for place, key in enumerate(order) if key == "quiet"][-1] < 12


@pytest.mark.parametrize("bad", [0, 5, 63])
async def test_a_bad_row_fails_its_own_request_only(bad: int) -> None:
    work, batcher = Doubling(bad=frozenset({float(bad)})), Batcher()
    found = await asyncio.gather(*(run(batcher, work, rows(n)) for n in range(64)), return_exceptions=True)
    assert [n for n, answer in enumerate(found) if isinstance(answer, InvalidTensorError)] == [bad]
    assert [answer for n, answer in enumerate(found) if n != bad] == [[2 * n] for n in range(64) if n != bad]
    assert len(work.calls) == 13, "the batch is halved six times, not taken apart"


async def test_inputs_that_cannot_be_read_fail_their_own_request_only() -> None:
    work, batcher = Doubling(), Batcher()
    deadline = asyncio.get_running_loop().time() + 5
    bad = batcher.run(work, None, 1, None, kind=("m", np.dtype("f4"), (1,)), deadline=deadline)
    found = await asyncio.gather(run(batcher, work, rows(1)), bad, run(batcher, work, rows(2)), return_exceptions=True)
    assert [str(answer) for answer in found] == ["[2.0]", "no rows", "[4.0]"]
    assert work.calls == [[1, 2]]


async def test_inputs_that_can_be_read_apart_only_travel_apart() -> None:
    work, batcher = Doubling(most=2), Batcher()
    found = await asyncio.gather(*(run(batcher, work, rows(n)) for n in range(5)))
    assert found == [[2 * n] for n in range(5)]
    assert max(map(len, work.calls)) == 2


async def test_a_failure_that_is_nobodys_fault_is_everybodys_at_once() -> None:
    down = BackendUnavailableError("down")
    work, batcher = Doubling(bad=frozenset({1.0}), failure=down, splits=False), Batcher()
    found = await asyncio.gather(*(run(batcher, work, rows(n)) for n in range(4)), return_exceptions=True)
    assert found == [down] * 4
    assert len(work.calls) == 1


async def test_an_answer_that_is_refused_is_looked_at_request_by_request() -> None:
    work, batcher = Doubling(), Batcher()
    found = await asyncio.gather(
        run(batcher, work, rows(1), "refuse"),
        run(batcher, work, rows(2)),
        run(batcher, work, rows(3, 4), "refuse"),
        return_exceptions=True,
    )
    assert [str(answer) for answer in found] == ["1 rows are refused", "[4.0]", "2 rows are refused"]
    assert len(work.calls) == 1


async def test_an_error_that_nobody_expected_reaches_all_who_wait() -> None:
    class Broken(Doubling):
        def answer(self, *_: object) -> NDArray[Any]:
            raise ZeroDivisionError

    work, batcher = Broken(), Batcher()
    found = await asyncio.gather(*(run(batcher, work, rows(n)) for n in range(3)), return_exceptions=True)
    assert [type(answer) for answer in found] == [ZeroDivisionError] * 3


async def test_a_deadline_is_one_requests_own() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(Limits(wait=60))
    now = asyncio.get_running_loop().time()
    patient = await begun(batcher, work, rows(1), rows(2), seconds=30)
    hasty = await begun(batcher, work, rows(3), seconds=0.02)
    with pytest.raises(BackendTimeoutError, match=r"did not answer within 0\.0"):
        await hasty[0]
    work.held.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*patient) == [[2], [4]]
    await turns()
    assert work.calls == [[1, 2]], "what nobody waits for any more is not asked"
    assert work.deadlines[0] == pytest.approx(now + 30, abs=5)


async def test_within_a_call_each_waits_until_its_own_deadline() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher()
    tasks = [asyncio.ensure_future(run(batcher, work, rows(n), seconds=s)) for n, s in enumerate((0.02, 30.0, 0.04))]
    for number in (0, 2):
        with pytest.raises(BackendTimeoutError):
            await tasks[number]
    assert not tasks[1].done()
    work.held.set()  # type: ignore[union-attr]
    assert await tasks[1] == [2]


async def test_a_cancelled_request_leaves_the_batch_before_it_goes() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher(Limits(wait=60))
    tasks = await begun(batcher, work, rows(1))
    tasks += await begun(batcher, work, rows(2), rows(3))
    tasks[1].cancel()
    await turns()
    work.held.set()  # type: ignore[union-attr]
    assert await tasks[2] == [6]
    assert work.calls == [[1], [3]]


async def test_a_call_ends_when_nobody_waits_for_it() -> None:
    work, batcher = Doubling(held=asyncio.Event()), Batcher()
    tasks = await begun(batcher, work, rows(1), rows(2))
    tasks[0].cancel()
    await turns()
    assert work.cancelled == 0, "the other still waits"
    tasks[1].cancel()
    await turns()
    assert work.cancelled == 1
    assert await run(batcher, Doubling(), rows(3)) == [6]


async def test_a_kind_that_is_asked_no_more_is_forgotten() -> None:
    batcher = Batcher()
    await asyncio.gather(*(run(batcher, Doubling(n), rows(n)) for n in range(5)))
    await turns()
    assert batcher.kinds == 0


REQUESTS = st.lists(
    st.tuples(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.sampled_from([0, 1, "refuse"]), st.booleans()),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(REQUESTS, st.integers(1, 12), st.sampled_from([(), (2, 8)]), st.sets(st.integers(0, 1000), max_size=5))
def test_every_request_gets_what_it_would_get_alone(
    requests: Sequence[tuple[list[int], Any, bool]], most: int, sizes: tuple[int, ...], bad: set[int]
) -> None:
    async def all_of_them() -> list[Any]:
        batcher = Batcher(Limits(rows=most, sizes=sizes, wait=0.001))
        work = Doubling(bad=frozenset(map(float, bad)))
        tasks = []
        for values, asked, pause in requests:
            tasks.append(asyncio.ensure_future(run(batcher, work, rows(*values), asked)))
            if pause:
                await turns(3)
        return await asyncio.gather(*tasks, return_exceptions=True)

    for (values, asked, _), answer in zip(requests, asyncio.run(all_of_them()), strict=True):
        if bad & set(values) or asked == "refuse":
            assert isinstance(answer, HeadwiseError)
        else:
            assert answer == [2 * value + asked for value in values]


async def test_who_waits_behind_calls_that_hang_is_refused_long_before_the_deadline() -> None:
    work = Doubling(held=asyncio.Event())
    batcher = Batcher(Limits(queue=0.05, wait=0.0))
    quick = Doubling()
    await asyncio.gather(run(batcher, quick, rows(0)))
    hanging = await begun(batcher, work, rows(1)) + await begun(batcher, work, rows(2))
    behind = await begun(batcher, work, rows(3), seconds=30)
    async with asyncio.timeout(2):
        with pytest.raises(OverloadedError):
            await behind[0]
    work.held.set()  # type: ignore[union-attr]
    assert await asyncio.gather(*hanging) == [[2.0], [4.0]]


@pytest.mark.parametrize("under_way", [False, True], ids=["waiting", "under way"])
@pytest.mark.parametrize("leaves", [False, True], ids=["at the deadline", "caller left"])
async def test_who_is_gone_leaves_nothing_behind_while_calls_hang(under_way: bool, leaves: bool) -> None:
    """Admission has let them go: what they sent must not stay until a call that hangs is back."""
    work, batcher = Slim(held=asyncio.Event()), Batcher(Limits(wait=60))
    mates = [] if under_way else await begun(batcher, work, rows(1), seconds=30)
    sent = [rows(2), rows(3)]
    kept = [weakref.ref(inputs["x"]) for inputs in sent]
    tasks = [asyncio.ensure_future(run(batcher, work, one, seconds=30 if leaves else 0.02)) for one in sent]
    mates += await begun(batcher, work, rows(4), seconds=30)
    sent.clear()
    if leaves:
        assert {task.cancel() for task in tasks} == {True}
    await asyncio.wait(tasks)
    assert all(leaves or isinstance(task.exception(), BackendTimeoutError) for task in tasks)
    tasks.clear()
    async with asyncio.timeout(2):
        while any(one() is not None for one in kept) or batcher.waiting > (not under_way):  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.005)
    work.held.set()  # type: ignore[union-attr]
    assert [len(answer) for answer in await asyncio.gather(*mates)] == [1] * len(mates)


async def test_who_gave_up_is_not_in_the_way_of_who_comes() -> None:
    """The rows ahead of a request are those that somebody waits for, and those that the model server works on."""
    work, batcher = Doubling(), Batcher(Limits(queue=0.2, wait=60))
    answered = work.call

    async def slow(inputs: Arrays, *, deadline: float) -> RawPrediction:
        await asyncio.sleep(0.02 * len(inputs["x"]))
        return await answered(inputs, deadline=deadline)

    work.call = slow  # type: ignore[method-assign]
    await run(batcher, work, rows(0))
    await asyncio.gather(*await begun(batcher, work, rows(0)), *await begun(batcher, work, rows(1, 2, 3, 4)))
    work.call, work.held = answered, asyncio.Event()  # type: ignore[method-assign]
    mates = await begun(batcher, work, rows(1)) + await begun(batcher, work, rows(2))
    await asyncio.sleep(0.05)
    assert work.calls[-2:] == [[1], [2]], "as many as there may be"
    gone = await begun(batcher, work, rows(*range(1000)))
    with pytest.raises(OverloadedError):
        await run(batcher, work, rows(3))
    gone[0].cancel()
    await asyncio.wait(gone)
    await asyncio.sleep(0.1)
    mates += await begun(batcher, work, rows(3))
    work.held.set()
    assert await asyncio.gather(*mates) == [[2.0], [4.0], [6.0]]


class Broken:
    """A trace that cannot be written."""

    def share(self, *_: object) -> Any:
        raise RuntimeError("no spans")


async def test_an_error_that_nobody_expected_is_told_and_jams_nothing() -> None:
    work, batcher = Doubling(), Batcher(Limits(calls=1))
    deadline = asyncio.get_running_loop().time() + 5
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no spans"):
            await batcher.run(work, rows(1), 1, None, kind="m", deadline=deadline, trace=Broken())  # type: ignore[arg-type]
    assert (await batcher.run(work, rows(1), 1, None, kind="m", deadline=deadline)).stop == 1
    await turns()
    assert batcher.kinds == 0


async def test_a_call_does_not_know_whose_request_woke_the_batcher() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    seen = []

    class Asking(Doubling):
        async def call(self, inputs: Arrays, *, deadline: float) -> RawPrediction:
            seen.append(whose.get())
            return await super().call(inputs, deadline=deadline)

    batcher = Batcher()

    async def ask(name: str) -> None:
        whose.set(name)
        deadline = asyncio.get_running_loop().time() + 5
        await batcher.run(Asking(), {"x": np.ones((1, 1))}, 1, None, kind="m", deadline=deadline)

    await asyncio.gather(*(asyncio.create_task(ask(name)) for name in ("a", "b")))
    assert set(seen) == {"nobody's"}
