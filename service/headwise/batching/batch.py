"""One call for several requests: each is answered, and none by another's fault."""

from __future__ import annotations

import itertools
import time
from collections.abc import Hashable, Sequence
from typing import Any

from headwise.batching.lane import Member
from headwise.batching.work import Part, Work


async def run(work: Work[Any], members: Sequence[Member[Any]]) -> bool:
    """Answer every member that still waits, whatever happens; whether by one call that was answered.

    There is never more than one call under way.
    """
    members = [member for member in members if not member.answer.done()]
    if not members:
        return False
    groups = _grouped(members)
    ordered = list(itertools.chain.from_iterable(groups))
    try:
        inputs = work.join([member.inputs for member in ordered])
    except Exception as error:  # noqa: BLE001  # as below
        if len(ordered) > 1:
            for some in _told_apart(work, ordered):
                await run(work, some)
        else:
            _fail(ordered, error)
        return False
    sent = time.perf_counter()
    traces = [member.trace for member in ordered if member.trace is not None]
    rows = sum([member.rows for member in ordered]) if traces else 0
    shared = traces[0].share(traces, rows, len(ordered), sent) if traces else None
    try:
        call = work.call(inputs, deadline=max([member.deadline for member in ordered]))
        raw = await (call if shared is None else shared.made(call))
    except Exception as error:  # noqa: BLE001  # a batch that ended without an answer would leave its callers waiting
        if len(ordered) > 1 and work.may_be_ones_fault(error):
            half = len(ordered) // 2
            await run(work, ordered[:half])
            await run(work, ordered[half:])
        else:
            _fail(ordered, error)
        return False
    back = time.perf_counter()
    if shared is not None:
        shared.end(back)
    start = 0
    for group in groups:
        _answer(work, raw, group, start, (sent, back))
        start += sum(member.rows for member in group)
    return True


def _answer(
    work: Work[Any], raw: Any, group: Sequence[Member[Any]], start: int, travelled: tuple[float, float]
) -> None:
    """Answer members that asked alike, whose rows begin at `start`. travelled: see `Part`."""
    rows = sum(member.rows for member in group)
    try:
        answer = work.answer(raw, slice(start, start + rows), group[0].asked, len(group))
    except Exception as error:  # noqa: BLE001  # as above
        if len(group) > 1:
            for member in group:
                _answer(work, raw, [member], start, travelled)
                start += member.rows
        else:
            _fail(group, error)
        return
    at = 0
    for member in group:
        if not member.answer.done():
            member.answer.set_result(Part(answer, at, at + member.rows, *travelled))
        at += member.rows


def _grouped(members: Sequence[Member[Any]]) -> Sequence[Sequence[Member[Any]]]:
    """The members by what they ask, each in the order in which it came."""
    first = members[0].asked
    if all(member.asked is first for member in members):
        return [members]
    groups: dict[Hashable, list[Member[Any]]] = {}
    for member in members:
        groups.setdefault(member.asked, []).append(member)
    return list(groups.values())


def _told_apart(work: Work[Any], members: Sequence[Member[Any]]) -> tuple[list[Member[Any]], list[Member[Any]]]:
    """Fail the members whose inputs are at fault; the others, whose inputs are arrays now: in halves where none is."""
    good = []
    for member in members:
        try:
            member.inputs = work.join([member.inputs])
        except Exception as error:  # noqa: BLE001  # as above
            _fail([member], error)
        else:
            good.append(member)
    # Nobody is at fault alone where only the whole cannot be joined: halves will tell.
    half = len(good) // 2 if len(good) == len(members) else len(good)
    return good[:half], good[half:]


def _fail(members: Sequence[Member[Any]], error: Exception) -> None:
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(error)
