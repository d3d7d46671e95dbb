"""A client for HTTP and gRPC: numpy in, typed predictions out; no TensorFlow, no pydantic."""

from headwise.client.client import AsyncHeadwiseClient, HeadwiseClient
from headwise.client.predictions import HeadPredictions, Predictions

__all__ = ["AsyncHeadwiseClient", "HeadPredictions", "HeadwiseClient", "Predictions"]
