"""Errors of the catalogue as a refusal."""

from __future__ import annotations

import pytest

from headwise.diagnostics.diagnostic import Diagnostic
from headwise.diagnostics.refusal import refuse_errors
from headwise.errors import InvalidCardError

WARNING = Diagnostic("HW106", "warning", "risk", "the metric cuts at 0.5", "cut at 0")
ERROR = Diagnostic("HW101", "error", "risk", "one softmax unit is always 1", "write sigmoid.")
OF_MODEL = Diagnostic("HW104", "error", "", "the loss takes probabilities", "from_logits=True")


def test_every_error_is_a_line_with_what_to_do_and_its_code() -> None:
    with pytest.raises(InvalidCardError) as refused:
        refuse_errors([WARNING, ERROR, OF_MODEL])
    assert str(refused.value).splitlines() == [
        "risk: one softmax unit is always 1. write sigmoid (HW101)",
        "the model: the loss takes probabilities. from_logits=True (HW104)",
    ]


def test_warnings_refuse_nothing() -> None:
    refuse_errors([WARNING])
