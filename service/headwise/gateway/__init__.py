"""The one implementation behind every surface."""

from headwise.gateway.classification import Classification, HeadAnswer, RequestOptions
from headwise.gateway.gateway import Gateway, ReadInputs

__all__ = ["Classification", "Gateway", "HeadAnswer", "ReadInputs", "RequestOptions"]
