"""Callers who go away are heard while they wait, and only then; everybody else is left alone."""

import asyncio

import pytest
from starlette.types import Message, Receive

from headwise.api.rest.watch import Watch

pytestmark = pytest.mark.anyio


def caller() -> tuple[Receive, asyncio.Event, asyncio.Event]:
    """What a server hands over; an event that makes the caller leave, and one that somebody listened."""
    left, heard = asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        heard.set()
        await left.wait()
        return {"type": "http.disconnect"}

    return receive, left, heard


def waiting(watch: Watch, receive: Receive, answer: asyncio.Event) -> asyncio.Task[bool]:
    """A request that is answered when the event says so; whether its caller was gone."""

    async def request() -> bool:
        task = asyncio.current_task()
        assert task is not None
        watch.begin(task, receive)
        try:
            await answer.wait()
        except asyncio.CancelledError:
            if not watch.end(task):
                raise
            return True
        return watch.end(task)

    return asyncio.create_task(request())


async def test_who_leaves_is_not_waited_for() -> None:
    receive, left, listened = caller()
    request = waiting(Watch(), receive, asyncio.Event())
    await asyncio.wait_for(listened.wait(), 5)
    left.set()
    async with asyncio.timeout(5):
        assert await request is True


async def test_a_quick_answer_is_not_listened_beside() -> None:
    receive, _, listened = caller()
    watch, answer = Watch(), asyncio.Event()
    request = waiting(watch, receive, answer)
    answer.set()
    assert await request is False
    # Somebody who comes later is heard; who was answered is not.
    later, _, heard = caller()
    other = waiting(watch, later, answer := asyncio.Event())
    await asyncio.wait_for(heard.wait(), 5)
    answer.set()
    assert await other is False
    assert not listened.is_set()


async def test_a_slow_answer_reaches_who_stays() -> None:
    receive, left, listened = caller()
    answer = asyncio.Event()
    request = waiting(Watch(), receive, answer)
    await asyncio.wait_for(listened.wait(), 5)
    answer.set()
    assert await request is False
    left.set()
    await asyncio.sleep(0)
    assert not request.cancelled()


async def test_only_who_leaves_is_cancelled() -> None:
    watch = Watch()
    gone, left, listened = caller()
    stays, _, heard = caller()
    answer = asyncio.Event()
    one, other = waiting(watch, gone, asyncio.Event()), waiting(watch, stays, answer)
    await asyncio.wait_for(listened.wait(), 5)
    await asyncio.wait_for(heard.wait(), 5)
    left.set()
    assert await one is True
    assert not other.done()
    answer.set()
    assert await other is False


async def test_another_cancellation_is_no_caller_who_left() -> None:
    receive, _, listened = caller()
    request = waiting(Watch(), receive, asyncio.Event())
    await asyncio.wait_for(listened.wait(), 5)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
