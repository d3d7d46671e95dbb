"""The one implementation behind every surface."""

from headwise.gateway.classification import BatchAnswer, Classification, HeadAnswer, RequestOptions
from headwise.gateway.gateway import Gateway, ReadInputs

__all__ = ["BatchAnswer", "Classification", "Gateway", "HeadAnswer", "ReadInputs", "RequestOptions"]
