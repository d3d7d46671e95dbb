"""Which of several model servers holds which versions, and what they report together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from headwise.repository.model_spec import ModelSpec
from headwise.tfserving import model_service_pb2

_PATIENCE = 10.0
"""Seconds after which a version is served by those that hold it, though others of them have not loaded it."""

_Status = model_service_pb2.ModelVersionStatus
R = TypeVar("R", bound=Hashable)
Statuses = Mapping[int, _Status]


class Rollout(Generic[R]):
    """A version is shown as available once as many have loaded it as hold the one before, or all that can.

    So its load is shared. One that has been shown stays so while any holds it: a server that comes back and still loads
    takes nothing away.
    """

    def __init__(self) -> None:
        self._last: dict[str, dict[R, Statuses]] = {}
        self._holders: dict[str, dict[int, frozenset[R]]] = {}
        self._shown: dict[str, set[int]] = {}
        self._since: dict[str, dict[int, float]] = {}

    def report(self, name: str, reports: Mapping[R, Statuses], now: float) -> Statuses:
        """Take in what each server in rotation says of a model; what they say together."""
        self._last[name] = dict(reports)
        numbers = list(dict.fromkeys(number for statuses in reports.values() for number in statuses))
        holders = {
            number: frozenset(
                server
                for server, statuses in reports.items()
                if number in statuses and statuses[number].state == _Status.AVAILABLE
            )
            for number in numbers
        }
        self._holders[name] = {number: held for number, held in holders.items() if held}
        known = self._since.get(name, {})
        self._since[name] = since = {number: known.get(number, now) for number in self._holders[name]}
        said = {number: [statuses.get(number) for statuses in reports.values()] for number in numbers}
        shown = self._shown.get(name, set())
        self._shown[name] = {
            number
            for number in self._holders[name]
            if number in shown
            or (shown and len(holders[number]) >= max(len(holders.get(one, ())) for one in shown))
            or now - since[number] >= _PATIENCE
            or all(one is not None and one.state in (_Status.AVAILABLE, _Status.END) for one in said[number])
        }
        return {
            number: self._together(number, [one for one in said[number] if one is not None], self._shown[name])
            for number in numbers
        }

    def last(self, name: str, server: R) -> Statuses:
        """What a server said of a model when it last said anything."""
        return self._last.get(name, {}).get(server, {})

    def holding(self, spec: ModelSpec, servers: Sequence[R]) -> list[R]:
        """Those that hold the version that is meant, else the largest that is shown; all, where none is known."""
        held = self._holders.get(spec.name, {})
        number = spec.version
        if number is None and spec.label is None:
            number = max(self._shown.get(spec.name, ()), default=None)
        known = held.get(number, frozenset()) if number is not None else frozenset().union(*held.values())
        return [server for server in servers if server in known] or list(servers)

    def forget(self, server: R) -> None:
        """It is out of rotation: what it holds is not known any more."""
        for said in self._last.values():
            said.pop(server, None)
        for name, held in self._holders.items():
            self._holders[name] = {number: left for number, some in held.items() if (left := some - {server})}

    @staticmethod
    def _together(number: int, said: Sequence[_Status], shown: set[int]) -> _Status:
        available = [one for one in said if one.state == _Status.AVAILABLE]
        others = sorted((one for one in said if one.state != _Status.AVAILABLE), key=lambda one: one.state)
        if available and number in shown:
            return available[0]
        if others:
            return others[0]
        return _Status(version=number, state=_Status.LOADING)
