"""The one implementation behind every surface."""

from headwise.gateway.classification import NO_OPTIONS, BatchAnswer, Classification, HeadAnswer, RequestOptions
from headwise.gateway.gateway import Gateway, ReadInputs

__all__ = ["NO_OPTIONS", "BatchAnswer", "Classification", "Gateway", "HeadAnswer", "ReadInputs", "RequestOptions"]
