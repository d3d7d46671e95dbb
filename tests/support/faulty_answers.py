"""What a faulty model server may answer: behaviours, to be put together, for `faulty_backend`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import grpc
import numpy as np

from headwise.savedmodel import tensors
from headwise.tfserving import prediction_service_pb2, tensor_pb2

PredictResponse: TypeAlias = prediction_service_pb2.PredictResponse
Answer: TypeAlias = Callable[[], Awaitable[bytes]]
"""Makes the honest answer to a call."""
Behaviour: TypeAlias = Callable[[Answer], Awaitable[bytes]]
"""Answers a call, by the honest answer or without it; raises `StatusError` for a status other than OK."""


class StatusError(Exception):
    """A status other than OK."""

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{status.name}: {text}")
        self.status = status
        self.text = text


async def honest(answer: Answer) -> bytes:
    """What the model answers."""
    return await answer()


def raw(data: bytes) -> Behaviour:
    """These bytes."""

    async def behave(_: Answer) -> bytes:
        return data

    return behave


NOISE = raw(b"\xff" + random.Random(0).randbytes(200))
"""No message of any kind."""


def refuses(status: grpc.StatusCode, text: str = "told to") -> Behaviour:
    """A status."""

    async def behave(_: Answer) -> bytes:
        raise StatusError(status, text)

    return behave


async def never(_: Answer) -> bytes:
    """No answer, until the caller goes away."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody answers")


def late(seconds: float, then: Behaviour = honest) -> Behaviour:
    """An answer after so many seconds."""

    async def behave(answer: Answer) -> bytes:
        await asyncio.sleep(seconds)
        return await then(answer)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other, a call each; the last one from then on."""
    left = list(behaviours)

    async def behave(answer: Answer) -> bytes:
        return await (left.pop(0) if len(left) > 1 else left[0])(answer)

    return behave


def for_share(share: float, fault: Behaviour, otherwise: Behaviour = honest) -> Behaviour:
    """A fault for a share of the calls, evenly spread: of 0.25 the fourth, the eighth, ..."""
    due = 0.0

    async def behave(answer: Answer) -> bytes:
        nonlocal due
        due += share
        if due < 1 - 1e-9:
            return await otherwise(answer)
        due -= 1
        return await fault(answer)

    return behave


def changed(change: Callable[[PredictResponse], object]) -> Behaviour:
    """The model's answer to Predict, changed in place."""

    async def behave(answer: Answer) -> bytes:
        response = PredictResponse.FromString(await answer())
        change(response)
        data: bytes = response.SerializeToString()
        return data

    return behave


def of_version(number: int | None) -> Behaviour:
    """Predict answers as this version; None: it does not say which."""

    def change(response: PredictResponse) -> None:
        if number is None:
            response.model_spec.ClearField("version")
        else:
            response.model_spec.version.value = number

    return changed(change)


def without_output(name: str = "output_0") -> Behaviour:
    """Predict leaves an output out."""
    return changed(lambda response: response.outputs.pop(name))


def of_shape(shape: Sequence[int], name: str = "output_0") -> Behaviour:
    """Predict answers zeros of a shape."""
    return changed(lambda response: _put(response, name, tensors.to_proto(np.zeros(shape, np.float32))))


def of_dtype(dtype: str, name: str = "output_0") -> Behaviour:
    """Predict answers its numbers in another dtype."""
    return changed(
        lambda response: _put(
            response, name, tensors.to_proto(tensors.from_proto(response.outputs[name]).astype(np.dtype(dtype)))
        )
    )


def with_number(number: float, row: int = 0, name: str = "output_0") -> Behaviour:
    """Predict answers this number, NaN or infinity say, throughout a row."""

    def change(response: PredictResponse) -> None:
        array = tensors.from_proto(response.outputs[name]).copy()
        array[row] = number
        _put(response, name, tensors.to_proto(array))

    return changed(change)


def padded(size: int) -> Behaviour:
    """Predict answers so many bytes more, as an output that nobody asked for."""
    return changed(lambda response: _put(response, "padding", tensors.to_proto(np.zeros(size, np.uint8))))


def _put(response: PredictResponse, name: str, tensor: tensor_pb2.TensorProto) -> None:
    response.outputs[name].CopyFrom(tensor)
