"""Tripwires: a model's numbers against its card, batch by batch and over many rows.

What contradicts the card is counted, logged once, and refused or answered with a warning. A row's answer never
depends on other rows: they only decide whether the head still answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import structlog
from numpy.typing import NDArray

from headwise.errors import HeadMismatchError, NonFiniteOutputError, OutputRangeError
from headwise.heads import Head, Prediction
from headwise.heads.evidence import Evidence, Finding, to_gather
from headwise.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)

OnContradiction = Literal["refuse", "warn"]

NUMBERS = "HW118"
"""The catalogue's code for numbers that contradict the declared activation."""

_CODES: Mapping[type[HeadMismatchError], str] = {
    OutputRangeError: NUMBERS,
    NonFiniteOutputError: NUMBERS,
    HeadMismatchError: "HW119",
}
"""The class itself, not its subclasses: a bare HeadMismatchError is raised for a proof over many rows alone."""


@dataclass(frozen=True, slots=True)
class HeadWarning:
    """An answer that should not be trusted, and why. code: of the diagnostics catalogue."""

    head: str
    code: str
    message: str


class Place(NamedTuple):
    """A head of a version under one card; another card begins anew."""

    model: str
    version: int
    card_digest: str
    signature_name: str
    head: str

    def __str__(self) -> str:
        return f"output {self.head!r} of model {self.model} version {self.version}"


class Tripwires:
    """One for a gateway: what all heads have said so far."""

    def __init__(self, metrics: Metrics, on_contradiction: OnContradiction = "refuse") -> None:
        self._metrics = metrics
        self._evidence: dict[Place, tuple[Evidence, ...]] = {}
        self._logged: set[tuple[Place, str, str]] = set()
        self.strict = on_contradiction == "refuse"

    def judge(self, place: Place, head: Head, prediction: Prediction, answers: int = 1) -> tuple[HeadWarning, ...]:
        """What speaks against so many answers that are given all the same.

        Raises: HeadMismatchError if the rows so far prove the head wrong and contradictions are refused. The first
        row that speaks for the head lets it answer again.
        """
        observed = prediction.observations
        evidence = self._gather(place, head, observed.output)
        if not observed.contradictions:
            if observed.range_error:
                self._log_once(place, "values miss their range", by=observed.range_error)
            if observed.row_sum_error:
                self._log_once(place, "rows of probabilities miss 1", by=observed.row_sum_error)
        if not (evidence or observed.contradictions):
            return ()
        findings = [
            *(Finding(NUMBERS, text, proven=True) for text in observed.contradictions),
            *(finding for known in evidence if (finding := known.finding) is not None),
        ]
        for finding in findings:
            if finding.proven and self.strict:
                raise HeadMismatchError(finding.message)
            self._trip(place, finding.code, finding.message, answers)
        return tuple(HeadWarning(place.head, finding.code, finding.message) for finding in findings)

    def refused(self, place: Place, error: HeadMismatchError) -> str | None:
        """Count and log an answer that is refused; the catalogue's code, where it has one."""
        code = _CODES.get(type(error))
        self._trip(place, code or error.code, str(error))
        return code

    def _gather(self, place: Place, head: Head, output: NDArray[Any]) -> tuple[Evidence, ...]:
        """The evidence that still stands after this output (batch, *positions, units)."""
        known = self._evidence.get(place)
        if known is None:
            known = to_gather(head, output.shape[-1])
        if known:
            rows = output.reshape(-1, output.shape[-1])
            known = tuple(more for evidence in known if (more := evidence.after(rows)) is not None)
        self._evidence[place] = known
        return known

    def _trip(self, place: Place, code: str, reason: str, answers: int = 1) -> None:
        self._metrics.tripped(model=place.model, head=place.head, code=code, answers=answers)
        self._log_once(place, "numbers contradict the card", code, code=code, reason=reason)

    def _log_once(self, place: Place, event: str, key: str = "", **told: object) -> None:
        if (place, event, key) not in self._logged:
            self._logged.add((place, event, key))
            _log.warning(event, model=place.model, version=place.version, head=place.head, **told)
