"""The gRPC services: each call is parsed, given to a version that holds still meanwhile, and answered."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from headwise.modelserver.catalogue import Catalogue
from headwise.modelserver.config import parse_model_configs
from headwise.modelserver.inference import classify, multi_inference, regress
from headwise.modelserver.manager import ModelManager
from headwise.modelserver.metadata import check_fields, metadata
from headwise.modelserver.predict import Run, predict
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, invalid_argument
from headwise.modelserver.tensors import Array

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing


class Runner(Protocol):
    """Runs a version: directly, or in a batch with other calls."""

    def __call__(
        self, servable: Servable, feeds: Mapping[str, Array], fetches: Sequence[str], deadline: float | None
    ) -> list[Array]: ...


def run_directly(
    servable: Servable, feeds: Mapping[str, Array], fetches: Sequence[str], deadline: float | None
) -> list[Array]:
    return servable.run(feeds, fetches, deadline)


@dataclass(frozen=True)
class Services:
    """Every call that the server answers, as a function of the request and its deadline."""

    catalogue: Catalogue
    manager: ModelManager
    runner: Runner
    check_method_names: bool = False
    tensor_content: bool = False

    def predict(self, request: predict_pb2.PredictRequest, deadline: float | None) -> Any:
        with self._version(request, deadline) as (servable, run):
            return predict(
                servable,
                request,
                run,
                check_method_names=self.check_method_names,
                tensor_content=self.tensor_content,
            )

    def classify(self, request: classification_pb2.ClassificationRequest, deadline: float | None) -> Any:
        with self._version(request, deadline) as (servable, run):
            return classify(servable, request, run, check_method_names=self.check_method_names)

    def regress(self, request: regression_pb2.RegressionRequest, deadline: float | None) -> Any:
        with self._version(request, deadline) as (servable, run):
            return regress(servable, request, run, check_method_names=self.check_method_names)

    def multi_inference(self, request: inference_pb2.MultiInferenceRequest, deadline: float | None) -> Any:
        """The first task's model spec decides which version answers all."""
        first = request.tasks[0] if request.tasks else inference_pb2.InferenceTask()
        with self.catalogue.lease(first.model_spec) as servable:
            run = partial(self.runner, servable, deadline=deadline)
            return multi_inference(servable, request, run, check_method_names=self.check_method_names)

    def get_model_metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, deadline: float | None
    ) -> Any:
        _require_model_spec(request)
        check_fields(request)
        with self._version(request, deadline) as (servable, _):
            return metadata(servable)

    def get_model_status(self, request: get_model_status_pb2.GetModelStatusRequest, _deadline: float | None) -> Any:
        _require_model_spec(request)
        spec = request.model_spec
        response = get_model_status_pb2.GetModelStatusResponse()
        number = spec.version.value if spec.HasField("version") else None
        for version in self.catalogue.statuses(spec.name, number):
            added = response.model_version_status.add(version=version.number, state=int(version.state))
            added.status.SetInParent()
            if version.error is not None:
                added.status.error_code = version.error.code.value[0]
                added.status.error_message = version.error.message
        return response

    def handle_reload_config_request(
        self, request: model_management_pb2.ReloadConfigRequest, _deadline: float | None
    ) -> Any:
        """Serve other models; no metric is kept, so each one asked for has grown by nothing."""
        self.manager.reload(parse_model_configs(request.config))
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:
            response.metric.add(name=name, int64_value_increase=0)
        return response

    @contextmanager
    def _version(self, request: Any, deadline: float | None) -> Iterator[tuple[Servable, Run]]:
        _require_model_spec(request)
        with self.catalogue.lease(request.model_spec) as servable:
            yield servable, partial(self.runner, servable, deadline=deadline)


def handlers(services: Services, tracing: "Tracing | None" = None) -> list[grpc.GenericRpcHandler]:
    """The calls under TensorFlow Serving's names. tracing: goes on with the traces of callers."""
    table: dict[str, dict[str, tuple[Any, Callable[[Any, float | None], Any]]]] = {
        "tensorflow.serving.PredictionService": {
            "Predict": (predict_pb2.PredictRequest, services.predict),
            "Classify": (classification_pb2.ClassificationRequest, services.classify),
            "Regress": (regression_pb2.RegressionRequest, services.regress),
            "MultiInference": (inference_pb2.MultiInferenceRequest, services.multi_inference),
            "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, services.get_model_metadata),
        },
        "tensorflow.serving.ModelService": {
            "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, services.get_model_status),
            "HandleReloadConfigRequest": (
                model_management_pb2.ReloadConfigRequest,
                services.handle_reload_config_request,
            ),
        },
    }
    return [
        grpc.method_handlers_generic_handler(
            service,
            {
                method: _handler(request, answer, partial(_served, tracing, f"{service}/{method}"))
                for method, (request, answer) in methods.items()
            },
        )
        for service, methods in table.items()
    ]


_NO_DEADLINE_S = 1e9
"""gRPC tells of a call without a deadline that it has centuries left."""


def _handler(
    request_type: Any,
    answer: Callable[[Any, float | None], Any],
    serve: Callable[[grpc.ServicerContext, Callable[[], bytes]], bytes],
) -> grpc.RpcMethodHandler:
    def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
        left_s = context.time_remaining()

        def answered() -> bytes:
            request = _parse(request_type, data)
            limited = left_s is not None and left_s < _NO_DEADLINE_S
            return bytes(answer(request, time.monotonic() + left_s if limited else None).SerializeToString())

        try:
            return serve(context, answered)
        except StatusError as error:
            context.abort(error.code, error.details)
        raise AssertionError("abort raises")

    return grpc.unary_unary_rpc_method_handler(handle)


def _served(
    tracing: "Tracing | None", method: str, context: grpc.ServicerContext, answered: Callable[[], bytes]
) -> bytes:
    """Answer, as a span of the caller's trace where he has one."""
    if tracing is None:
        return answered()
    with tracing.serving(method, dict(context.invocation_metadata())) as served:
        try:
            answer = answered()
        except StatusError as error:
            served.status = error.code.name
            raise
        served.status = grpc.StatusCode.OK.name
        return answer


def _parse(request_type: Any, data: bytes) -> Any:
    """Read the request; what cannot be read is INTERNAL, as gRPC answers for TensorFlow Serving."""
    try:
        return request_type.FromString(data)
    except DecodeError as error:
        raise StatusError(grpc.StatusCode.INTERNAL, str(error)) from error


def _require_model_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
