"""inference.GRPCInferenceService: heads as V2 tensors."""

from __future__ import annotations

import grpc

from headwise.api.answer_sizes import of_arrays
from headwise.api.grpc.calls import Call, Calls, Unary, read, written
from headwise.api.grpc.v2 import tensors
from headwise.api.v2 import models
from headwise.api.v2.infer import InferRequest, infer, model_spec, requested
from headwise.gateway import Gateway
from headwise.v2 import open_inference_pb2 as v2

NAME = "inference.GRPCInferenceService"
OPEN = frozenset({"ServerLive", "ServerReady"})
"""What anybody may ask."""


class InferenceServicer:
    """Answers ModelInfer by the head card, and by the model's own outputs where they are named or no card is there."""

    def __init__(self, gateway: Gateway, required_models: frozenset[str]) -> None:
        self._gateway = gateway
        self._required = required_models

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """The service's methods."""
        methods: dict[str, Unary] = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ServerMetadata": self.server_metadata,
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
            "RepositoryIndex": self.repository_index,
        }
        handlers = {
            name: calls.unary(f"{NAME}/{name}", answer, is_open=name in OPEN) for name, answer in methods.items()
        }
        return grpc.method_handlers_generic_handler(NAME, handlers)

    async def server_live(self, data: bytes, _: Call) -> bytes:
        """The process answers."""
        read(v2.ServerLiveRequest, data)
        return written(v2.ServerLiveResponse(live=True))

    async def server_ready(self, data: bytes, _: Call) -> bytes:
        """Every model is settled, and every required one ready."""
        read(v2.ServerReadyRequest, data)
        return written(v2.ServerReadyResponse(ready=self._gateway.repository.snapshot.unready(self._required) is None))

    async def server_metadata(self, data: bytes, _: Call) -> bytes:
        """Name, version and extensions."""
        read(v2.ServerMetadataRequest, data)
        return written(
            v2.ServerMetadataResponse(name=models.NAME, version=models.VERSION, extensions=models.EXTENSIONS)
        )

    async def model_ready(self, data: bytes, call: Call) -> bytes:
        """Whether the model, or one version, is answered for."""
        request = read(v2.ModelReadyRequest, data)
        call.model = request.name
        spec = model_spec(request.name, request.version)
        return written(v2.ModelReadyResponse(ready=models.model_ready(self._gateway, spec)))

    async def model_metadata(self, data: bytes, call: Call) -> bytes:
        """Inputs and outputs."""
        request = read(v2.ModelMetadataRequest, data)
        call.model = request.name
        spec = model_spec(request.name, request.version)
        found = await models.metadata(self._gateway, spec, timeout=call.timeout)
        response = v2.ModelMetadataResponse(
            name=found.name,
            versions=found.versions,
            platform=found.platform,
            inputs=tensors.described(found.inputs),
            outputs=tensors.described(found.outputs),
        )
        return written(response)

    async def model_infer(self, data: bytes, call: Call) -> bytes:
        """One batch; the outputs come raw where the inputs did."""
        request = read(v2.ModelInferRequest, data)
        call.model = request.model_name
        asked = InferRequest(
            model_spec(request.model_name, request.model_version),
            tensors.arrays(request),
            tensors.parameters(request.parameters),
            [
                requested(f"outputs[{number}]", one.name, tensors.parameters(one.parameters))
                for number, one in enumerate(request.outputs)
            ],
        )
        answer = await infer(self._gateway, asked, timeout=call.timeout)
        response = v2.ModelInferResponse(
            model_name=answer.model, model_version=str(answer.version), id=request.id or call.request_id
        )
        raw = bool(request.raw_input_contents)
        with call.writing(of_arrays(answer.outputs, raw=raw)):
            tensors.fill(response, answer.outputs, raw=raw)
            return written(response)

    async def repository_index(self, data: bytes, _: Call) -> bytes:
        """Every version."""
        request = read(v2.RepositoryIndexRequest, data)
        listed = models.index(self._gateway.shown, ready=request.ready)
        entries = [
            v2.RepositoryIndexResponse.ModelIndex(
                name=one.name, version=one.version, state=one.state, reason=one.reason
            )
            for one in listed
        ]
        return written(v2.RepositoryIndexResponse(models=entries))
