"""The one implementation behind every surface."""

from headwise.gateway.classification import NO_OPTIONS, BatchAnswer, Classification, HeadAnswer, RequestOptions
from headwise.gateway.gateway import Gateway
from headwise.gateway.inputs import ReadInputs
from headwise.gateway.row_lists import RowLists

__all__ = [
    "NO_OPTIONS",
    "BatchAnswer",
    "Classification",
    "Gateway",
    "HeadAnswer",
    "ReadInputs",
    "RequestOptions",
    "RowLists",
]
