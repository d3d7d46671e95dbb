"""Every activation that detection can name means something to the catalogue."""

from __future__ import annotations

from typing import get_args

from headwise.diagnostics.activations import ODD, RANGES, READ_AS
from headwise.heads.spec import Activation
from headwise.savedmodel import ops
from headwise.savedmodel.keras import activations

HEADS = frozenset(get_args(Activation))
NAMED = frozenset(
    {
        *ops.ELEMENTWISE.values(),
        *ops.ROW_WISE.values(),
        *activations.FUNCTIONS.values(),
        *activations.OPS.values(),
        "prelu",  # a layer that has no function
    }
)


def test_each_is_read_as_a_head_or_is_odd_and_never_both() -> None:
    assert HEADS | READ_AS.keys() | ODD == NAMED
    assert HEADS.isdisjoint(ODD)
    assert ODD.isdisjoint(READ_AS)
    assert set(READ_AS.values()) <= HEADS


def test_ranges_are_of_activations_that_can_be_found() -> None:
    assert RANGES.keys() <= HEADS | READ_AS.keys() | ODD
    assert all(low < high for low, high in RANGES.values())
