"""Predict: named tensors in, named tensors out."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import grpc
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2

from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, failed_precondition, invalid_argument
from headwise.modelserver.tensors import Array, decode, encode

Run = Callable[[Mapping[str, Array], Sequence[str]], list[Array]]

DEFAULT_SIGNATURE = "serving_default"
PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{verb}" for verb in ("predict", "classify", "regress"))


def predict(
    servable: Servable,
    request: predict_pb2.PredictRequest,
    run: Run,
    *,
    check_method_names: bool,
    tensor_content: bool,
) -> predict_pb2.PredictResponse:
    """Check in TensorFlow Serving's order (signature, inputs, outputs), then run."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    if check_method_names:
        _check_method_name(signature)
    feeds = _feeds(signature, request.inputs)
    aliases = _output_aliases(signature, request.output_filter)
    arrays = run(feeds, [signature.outputs[alias].name for alias in aliases])
    response = predict_pb2.PredictResponse()
    name_answerer(response.model_spec, servable, name)
    for alias, array in zip(aliases, arrays, strict=True):
        response.outputs[alias].CopyFrom(encode(array, as_content=tensor_content))
    return response


def name_answerer(spec: model_pb2.ModelSpec, servable: Servable, signature_name: str = "") -> None:
    """Write which model, version and signature answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature_name


def _check_method_name(signature: meta_graph_pb2.SignatureDef) -> None:
    if signature.method_name not in (PREDICT, CLASSIFY, REGRESS):
        raise StatusError(
            grpc.StatusCode.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{PREDICT}, {CLASSIFY}, {REGRESS}}}. "
            f"Was: {signature.method_name}",
        )


def _feeds(signature: meta_graph_pb2.SignatureDef, sent: Mapping[str, object]) -> dict[str, Array]:
    """Match the sent tensors to the signature's inputs; what is left out takes the signature's default."""
    if len(sent) != len(signature.inputs):
        _check_input_set(signature, sent)
    feeds, used = {}, []
    for alias, info in sorted(signature.inputs.items()):
        if alias in sent:
            used.append(alias)
            feeds[info.name] = _parse(alias, sent[alias])
        elif alias in signature.defaults:
            feeds[info.name] = _parse(alias, signature.defaults[alias])
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {_names(sent)}, "
                f"or default input alias set: {','.join(sorted(signature.defaults))}"
            )
    if len(used) != len(sent):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {','.join(used)}, "
            f"request input: {','.join(sorted(sent))}"
        )
    return feeds


def _check_input_set(signature: meta_graph_pb2.SignatureDef, sent: Mapping[str, object]) -> None:
    extra = sent.keys() - signature.inputs.keys()
    missing = signature.inputs.keys() - sent.keys() - signature.defaults.keys()
    if extra or missing:
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(signature.inputs)} len({_names(sent)}) "
            f"!= len({_names(signature.inputs)}). Sent extra: {_names(extra)}. "
            f"Missing but required: {_names(missing)}."
        )


def _parse(alias: str, proto: object) -> Array:
    try:
        return decode(proto)
    except (ValueError, MemoryError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def _output_aliases(signature: meta_graph_pb2.SignatureDef, output_filter: Sequence[str]) -> list[str]:
    """The outputs to return: those of the filter, or all."""
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{_names(signature.outputs)}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return chosen or sorted(signature.outputs)


def _names(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
