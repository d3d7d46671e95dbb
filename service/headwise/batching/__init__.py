"""Adaptive micro-batching: the rows of concurrent requests travel as one call."""

from headwise.batching.batcher import Batcher
from headwise.batching.lane import Limits
from headwise.batching.work import Part, Work

__all__ = ["Batcher", "Limits", "Part", "Work"]
