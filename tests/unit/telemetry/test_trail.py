"""What becomes known of a request: each task its own, and several answers of one request add up."""

import asyncio

import pytest

from headwise.telemetry import trail
from headwise.telemetry.trail import Trail

pytestmark = pytest.mark.anyio


def test_answers_add_up_and_the_last_version_counts() -> None:
    told = Trail()
    told.answered(1, 2, {"a": {"x": 1, "y": 1}}, {"a": 1})
    told.answered(2, 3, {"a": {"y": 2, "z": 1}, "b": {"x": 3}}, {"a": 1, "b": 2})
    told.answered(3)
    assert (told.version, told.rows) == (3, 5)
    assert told.decided == {"a": {"x": 1, "y": 3, "z": 1}, "b": {"x": 3}}
    assert told.abstained == {"a": 2, "b": 2}


def test_the_times_of_several_answers_are_summed_from_the_first_to_the_last() -> None:
    told = Trail()
    told.travelled(1.0, 1.5, 2.0)
    first = told.stages
    assert first is not None
    assert (first.taken, first.queue, first.backend, first.head) == (1.0, 0.5, 0.5, first.done - 2.0)
    told.travelled(3.0, 3.25, 4.0)
    both = told.stages
    assert both is not None
    assert (both.taken, both.queue, both.backend) == (1.0, 0.75, 1.25)
    assert both.head == pytest.approx(first.head + both.done - 4.0)


def test_what_is_not_known_stays_so() -> None:
    told = Trail()
    told.answered(3)
    assert (told.version, told.rows, told.decided, told.abstained, told.code) == (3, None, {}, {}, None)


async def test_each_request_has_its_own() -> None:
    async def request(code: str) -> tuple[Trail, str | None]:
        told = trail.begin()
        await asyncio.sleep(0)
        trail.failed(code)
        assert trail.current() is told
        return told, told.code

    (one, first), (other, second) = await asyncio.gather(request("one"), request("other"))
    assert one is not other
    assert (first, second) == ("one", "other")


async def test_tasks_of_a_request_share_its_trail() -> None:
    told = trail.begin()

    async def part() -> None:
        found = trail.current()
        assert found is told
        found.answered(1, 1)

    await asyncio.gather(part(), part())
    assert told.rows == 2


async def test_outside_of_a_request_nothing_is_kept() -> None:
    assert trail.current() is None
    trail.failed("internal")
    assert trail.current() is None
