"""A gateway whose model breaks with an error that quotes its input: as a program, which asks itself on every surface.

Arguments: log format, an empty folder, a text and a number that must not be told.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import grpc
import httpx
import numpy as np

from headwise.backends.base import Arrays
from headwise.telemetry import logs
from headwise.v1 import classification_service_pb2 as v1
from support.in_memory_gateway import BINARY, Models
from support.served import served

PLAIN, LONG, LINES = "application/json", "application/json; charset=utf-8", "application/x-ndjson"


def main(log_format: str, folder: str, text: str, number: str) -> None:
    """Ask, and check that no answer quotes the text."""

    def run(inputs: Arrays) -> Arrays:
        raise ValueError(f"{text} {inputs['x'].tolist()}") from KeyError(text)

    logs.configure("json" if log_format == "json" else "console", "debug")
    models = Models(Path(folder))
    models.add("m", {"output_0": BINARY}, run=run)
    rows = json.dumps({"instances": [[float(number)]]})
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [float(number)]}
    with served(models) as at:
        for path, kind, body in (
            ("/v1/models/m:classify", PLAIN, rows),
            ("/v1/models/m:classify", LONG, rows),
            ("/v1/models/m:classify", LINES, f"[{number}]\n[{number}]\n"),
            ("/v1/models/m:predict", PLAIN, rows),
            ("/v2/models/m/infer", PLAIN, json.dumps({"inputs": [tensor]})),
        ):
            answer = httpx.post(at.http + path, content=body, headers={"content-type": kind}, timeout=20)
            _check(answer.text, text)
        with grpc.insecure_channel(at.grpc.removeprefix("grpc://")) as channel:
            content = np.array([float(number)], "<f4").tobytes()
            sent = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=[1, 1], content=content)
            request = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"x": sent})
            call = channel.unary_unary("/headwise.v1.ClassificationService/Classify")
            try:
                call(request.SerializeToString(), timeout=20)
            except grpc.RpcError as error:
                _check(error.details(), text)


def _check(answer: str, text: str) -> None:
    assert "internal error" in answer, answer
    assert text not in answer


if __name__ == "__main__":
    main(*sys.argv[1:])
