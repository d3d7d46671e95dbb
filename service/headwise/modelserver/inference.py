"""Classify, Regress and MultiInference: tf.Examples in, labels with scores or values out."""

from typing import Any

import grpc
import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from headwise.modelserver import wire
from headwise.modelserver.predict import CLASSIFY, DEFAULT_SIGNATURE, REGRESS, Run, name_answerer
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, invalid_argument
from headwise.modelserver.tasks import INPUTS, TASKS, Task
from headwise.modelserver.tensors import Array


def classify(servable: Servable, request: ClassificationRequest, run: Run, *, check_method_names: bool) -> Any:
    response = wire.ClassificationResponse()
    _answer(servable, request, response, TASKS[CLASSIFY], run=run, check_method_names=check_method_names)
    return response


def regress(servable: Servable, request: RegressionRequest, run: Run, *, check_method_names: bool) -> Any:
    response = wire.RegressionResponse()
    _answer(servable, request, response, TASKS[REGRESS], run=run, check_method_names=check_method_names)
    return response


def multi_inference(servable: Servable, request: MultiInferenceRequest, run: Run, *, check_method_names: bool) -> Any:
    """Run several signatures of one model on the same examples, in one pass."""
    planned = _plan(servable, request, check_method_names)
    examples = serialized_examples(request.input)
    feeds = {signature.inputs[INPUTS].name: examples for _, signature in planned.values()}
    fetches = sorted({name for task, signature in planned.values() for name in task.tensors(signature).values()})
    arrays = dict(zip(fetches, run(feeds, fetches), strict=True))
    response = wire.MultiInferenceResponse()
    for name, (task, signature) in planned.items():
        result = response.results.add()
        name_answerer(result.model_spec, servable, name)
        outputs = {alias: arrays[tensor] for alias, tensor in task.tensors(signature).items()}
        getattr(result, f"{task.noun}_result").CopyFrom(task.read(outputs, len(examples)))
    return response


def serialized_examples(sent: Input) -> Array:
    """Serialise the examples, each behind the context that they share, to `(batch,)` bytes."""
    context, examples = b"", sent.example_list.examples
    if sent.WhichOneof("kind") == "example_list_with_context":
        context = sent.example_list_with_context.context.SerializeToString()
        examples = sent.example_list_with_context.examples
    if not examples:
        raise invalid_argument("Input is empty.")
    array = np.empty(len(examples), np.object_)
    array[:] = [context + example.SerializeToString() for example in examples]
    return array


def _answer(servable: Servable, request: Any, response: Any, task: Task, *, run: Run, check_method_names: bool) -> None:
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    task.check(signature, method_name=check_method_names)
    tensors = task.tensors(signature)
    examples = serialized_examples(request.input)
    arrays = run({signature.inputs[INPUTS].name: examples}, list(tensors.values()))
    response.result.CopyFrom(task.read(dict(zip(tensors, arrays, strict=True)), len(examples)))
    name_answerer(response.model_spec, servable, name)


def _plan(
    servable: Servable, request: MultiInferenceRequest, check_method_names: bool
) -> dict[str, tuple[Task, SignatureDef]]:
    """Match each task to its signature, by signature name."""
    planned: dict[str, tuple[Task, SignatureDef]] = {}
    for wanted in request.tasks:
        if not wanted.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        if wanted.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = wanted.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in planned:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        if name not in servable.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        task = TASKS.get(wanted.method_name)
        if task is None:
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {wanted.method_name}")
        task.check(servable.signatures[name], method_name=check_method_names)
        planned[name] = (task, servable.signatures[name])
    return planned
