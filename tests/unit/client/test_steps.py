"""Retries: what is tried again, how often, after how long, and by whose clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from headwise.client.steps import ATTEMPTS, LONGEST_WAIT, MOST_TOKENS, Flow, Reply, Retries, Send, Wait, run, run_async
from headwise.errors import BackendTimeoutError, BackendUnavailableError, ModelNotFoundError

DOWN = Reply(error=BackendUnavailableError("down"), retryable=True)
GONE = Reply(error=ModelNotFoundError("gone"))
GOOD = Reply(b"good")


@dataclass
class Scripted:
    """Answers from a list; the last one again and again."""

    replies: list[Reply]
    sent: list[Send] = field(default_factory=list)

    def send(self, request: Send) -> Reply:
        self.sent.append(request)
        return self.replies[min(len(self.sent), len(self.replies)) - 1]

    def close(self) -> None:
        pass


@dataclass
class ScriptedAsync(Scripted):
    async def send(self, request: Send) -> Reply:  # type: ignore[override]  # the same in an event loop
        return super().send(request)

    async def close(self) -> None:  # type: ignore[override]
        pass


def request(left: float) -> Send:
    return Send("/", b"", {}, left)


def sending(retries: Retries, seconds: float = 10.0) -> Flow[Reply]:
    return retries.sending(request, time.monotonic() + seconds)


def steps(flow: Flow[Reply], replies: Iterator[Reply]) -> tuple[list[float], Reply | Exception]:
    """The pauses of a flow, without making them, and its end."""
    pauses, answer = [], None
    try:
        while True:
            step = flow.send(answer)
            answer = None
            if isinstance(step, Wait):
                pauses.append(step.seconds)
            else:
                answer = next(replies)
    except StopIteration as end:
        return pauses, end.value
    except BackendUnavailableError as error:
        return pauses, error


def longest(_: float, most: float) -> float:
    return most


@pytest.mark.parametrize("driver", ["threads", "event loop"])
def test_what_may_succeed_later_is_tried_again(driver: str) -> None:
    retries = Retries(wait=lambda *_: 0.0)
    if driver == "threads":
        transport = Scripted([DOWN, DOWN, GOOD])
        assert run(sending(retries), transport) is GOOD
    else:
        transport = ScriptedAsync([DOWN, DOWN, GOOD])
        assert asyncio.run(run_async(sending(retries), transport)) is GOOD
    assert len(transport.sent) == 3
    assert transport.sent[0].timeout > transport.sent[2].timeout > 9


def test_what_will_not_succeed_is_raised_at_once() -> None:
    transport = Scripted([GONE, GOOD])
    with pytest.raises(ModelNotFoundError):
        run(sending(Retries()), transport)
    assert len(transport.sent) == 1


def test_it_ends_after_some_attempts() -> None:
    pauses, end = steps(sending(Retries(wait=longest)), iter([DOWN] * 9))
    assert isinstance(end, BackendUnavailableError)
    assert pauses == [0.05, 0.1, 0.2][: ATTEMPTS - 1]
    assert max(pauses) <= LONGEST_WAIT


def test_the_gateway_says_how_long_to_wait() -> None:
    later = Reply(error=BackendUnavailableError("busy"), retryable=True, retry_after=1.0)
    assert steps(sending(Retries(wait=longest)), iter([later, GOOD])) == ([1.0], GOOD)


def test_no_retry_is_begun_that_would_end_too_late() -> None:
    later = Reply(error=BackendUnavailableError("busy"), retryable=True, retry_after=5.0)
    pauses, end = steps(sending(Retries(), seconds=2.0), iter([later, GOOD]))
    assert pauses == []
    assert isinstance(end, BackendUnavailableError)


def test_no_time_at_all_is_told() -> None:
    with pytest.raises(BackendTimeoutError):
        run(sending(Retries(), seconds=0.0), Scripted([GOOD]))


def test_of_many_calls_that_fail_one_in_ten_is_repeated() -> None:
    retries, calls = Retries(wait=lambda *_: 0.0), 500
    sent = 0
    for _ in range(calls):
        pauses, _ = steps(sending(retries), iter([DOWN] * 9))
        sent += 1 + len(pauses)
    assert calls + MOST_TOKENS <= sent <= calls * 1.1 + MOST_TOKENS


def test_a_pause_is_random_between_half_and_whole() -> None:
    pauses = {steps(sending(Retries()), iter([DOWN, GOOD]))[0][0] for _ in range(20)}
    assert len(pauses) > 10
    assert all(0.025 <= pause <= 0.05 for pause in pauses)
