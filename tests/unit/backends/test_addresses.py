"""Targets come from a list or a name; a resolver may fail, or hang."""

import asyncio

import pytest

from headwise.backends.addresses import lookup, resolve
from headwise.errors import BackendUnavailableError

pytestmark = pytest.mark.anyio


async def test_a_list_is_what_it_says_each_target_once() -> None:
    assert await lookup("a:1,b:2,a:1")() == ("a:1", "b:2")
    assert await lookup("unix:/run/models.sock")() == ("unix:/run/models.sock",)


async def test_a_name_has_all_its_addresses() -> None:
    async def resolver(_: str, __: int) -> tuple[str, ...]:
        return ("10.0.0.2", "::1", "10.0.0.1")

    assert await lookup("dns:///models:8500", resolver)() == ("10.0.0.1:8500", "10.0.0.2:8500", "[::1]:8500")


async def test_the_system_knows_this_machine() -> None:
    assert {"127.0.0.1", "::1"} >= set(await resolve("localhost", 1)) > set()


async def test_a_name_that_is_none_is_said_to_have_no_address() -> None:
    with pytest.raises(BackendUnavailableError, match=r"a\.\.b, has no address"):
        await lookup("dns:///a..b:8500")()


async def test_a_resolver_that_hangs_is_given_up_not_asked_twice_and_heard_when_it_answers() -> None:
    asked, answer = 0, asyncio.Event()

    async def resolver(_: str, __: int) -> tuple[str, ...]:
        nonlocal asked
        asked += 1
        await answer.wait()
        return (f"10.0.0.{asked}",)

    find = lookup("dns:///models:8500", resolver, patience=0.05)
    for _ in range(3):
        with pytest.raises(BackendUnavailableError, match=r"models, has no address: not looked up within 0\.05 s"):
            await find()
    assert asked == 1
    answer.set()
    assert await find() == ("10.0.0.1:8500",)
    assert await find() == ("10.0.0.2:8500",)


async def test_whatever_a_resolver_meets_is_no_address_and_it_is_asked_again() -> None:
    failures: list[Exception] = [RuntimeError("can't start new thread"), MemoryError()]

    async def resolver(_: str, __: int) -> tuple[str, ...]:
        if failures:
            raise failures.pop()
        return ("10.0.0.1",)

    find = lookup("dns:///models:8500", resolver)
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match="models, has no address"):
            await find()
    assert await find() == ("10.0.0.1:8500",)
