"""One loaded SavedModel."""

import itertools
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

from headwise.modelserver.status import (
    RUNTIME_ERRORS,
    StatusError,
    from_tensorflow,
    invalid_argument,
    not_found,
)
from headwise.modelserver.tensors import Array

SERVE = "serve"

_LOOPS_AND_WAITS = re.compile(
    "While|NextIteration|^For|^Map|Iterator|Dataset|Queue|Barrier|Stage|PyFunc|Recv|Remote|BatchFunction|ReadFile|Reader"
)
"""Operations that may take long however small their input is."""

_ABORTING = re.compile("Conv|Pool")
"""Operations whose kernels end the whole process where a tensor has another rank than they expect."""

_QUICK = 8 * 2**20
"""How many bytes may be fed to a run that no deadline ends."""

_IN_CALLER = pywrap_tf_session.TF_NewBufferFromString(
    config_pb2.RunOptions(inter_op_thread_pool=-1).SerializeToString()
)
"""Run options for the caller's own thread; they are only ever read."""


class Servable:
    """A version of a model, ready to run.

    straight: the time of a run is bounded by its input, as no loop and no wait is in the graph. ranked: what is fed
    must have the rank that its placeholder declares. Elsewhere the runtime has its own words for it.
    Its session is called beneath `tf.Session.run`, which would convert what it is fed to the declared dtype
    where TensorFlow Serving answers with the runtime's refusal.
    """

    def __init__(
        self,
        name: str,
        version: int,
        session: Any,
        signatures: Mapping[str, meta_graph_pb2.SignatureDef],
        *,
        straight: bool,
        ranked: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.signatures = signatures
        self._session = session
        self._handle = session._session  # noqa: SLF001
        self._outputs: dict[str, Any] = {}
        self.straight = straight
        self._ranked = ranked

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], deadline: float | None) -> list[Array]:
        """Feed tensors by name and return the fetched ones; `deadline` is a `time.monotonic()` moment.

        Raises StatusError with the runtime's code and text.
        """
        if deadline is not None and deadline <= time.monotonic():
            raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline was exceeded before the call was run")
        if self._ranked:
            self._check_ranks(feeds)
        arrays = {self._output(name): array for name, array in feeds.items()}
        outputs = [self._output(name) for name in fetches]
        try:
            answers = self._answers(arrays, outputs, deadline)
        except RUNTIME_ERRORS as error:
            raise from_tensorflow(error) from error
        return [_as_array(answer) for answer in answers]

    def close(self) -> None:
        self._session.close()

    def _answers(self, feeds: Mapping[Any, Array], outputs: Sequence[Any], deadline: float | None) -> list[Any]:
        """Run in the caller's thread where the graph is straight, for a third to a half of the time.

        There TensorFlow does not look at the clock, so a run that may be long goes to its threads, which do.
        """
        run = pywrap_tf_session.TF_SessionRun_wrapper
        if self.straight and sum(array.nbytes for array in feeds.values()) <= _QUICK:
            return list(run(self._handle, _IN_CALLER, feeds, outputs, [], None))
        if deadline is None:
            return list(run(self._handle, None, feeds, outputs, [], None))
        options = _options(deadline)
        try:
            return list(run(self._handle, options, feeds, outputs, [], None))
        finally:
            pywrap_tf_session.TF_DeleteBuffer(options)

    def _check_ranks(self, feeds: Mapping[str, Array]) -> None:
        for name, array in feeds.items():
            self._output(name)  # a name that is none is refused there
            declared = self._session.graph.get_tensor_by_name(name if ":" in name else f"{name}:0").shape
            if declared.rank not in (None, array.ndim):
                raise invalid_argument(f"{name} must be {declared.rank}-dimensional, not of the shape {array.shape}")

    def _output(self, tensor_name: str) -> Any:
        """Find a graph's tensor, once."""
        found = self._outputs.get(tensor_name)
        if found is None:
            found = self._outputs[tensor_name] = self._find(tensor_name)
        return found

    def _find(self, tensor_name: str) -> Any:
        """Find a graph's tensor: `op:index`, or `op` for its first."""
        op_name, _, index = tensor_name.partition(":")
        try:
            operation = self._session.graph.get_operation_by_name(op_name)
        except KeyError as error:
            raise invalid_argument(
                f"Tensor {tensor_name}, specified in the signature, was not found in the Graph"
            ) from error
        number = int(index or 0)
        if number >= len(operation.outputs):
            raise StatusError(
                grpc.StatusCode.OUT_OF_RANGE,
                f"Node '{op_name}' (type: '{operation.type}', num of outputs: {len(operation.outputs)}) "
                f"does not have output {number}",
            )
        return operation.outputs[number]._as_tf_output()  # noqa: SLF001


def load(name: str, version: int, path: Path) -> Servable:
    """Load the `serve` graph of a SavedModel; raises StatusError with the reason as TensorFlow words it."""
    meta_graph = _read_meta_graph(path)
    session = tf.compat.v1.Session(graph=tf.Graph())
    try:
        _restore(session, path)
        signatures = dict(meta_graph.signature_def)
        ops = _ops(meta_graph.graph_def)
        straight = not any(map(_LOOPS_AND_WAITS.search, ops))
        return Servable(name, version, session, signatures, straight=straight, ranked=any(map(_ABORTING.search, ops)))
    except BaseException:
        session.close()
        raise


def _restore(session: Any, path: Path) -> None:
    try:
        with session.graph.as_default():
            tf.compat.v1.saved_model.loader.load(session, [SERVE], str(path))
    except RUNTIME_ERRORS as error:
        raise from_tensorflow(error) from error
    except ValueError as error:
        raise invalid_argument(f"{path}: {error}") from error
    session.graph.finalize()


def _read_meta_graph(path: Path) -> meta_graph_pb2.MetaGraphDef:
    """Read the graph with its signatures as they were written: the loader drops what it does not use itself."""
    file = path / "saved_model.pb"
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except OSError as error:
        raise not_found(
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. "
            "Check that the directory exists and that you have the right permissions for accessing it."
        ) from error
    except message.DecodeError as error:
        raise StatusError(grpc.StatusCode.DATA_LOSS, f"Can't parse {file} as binary proto") from error
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {SERVE}:
            return meta_graph
    raise not_found(
        f"Could not find meta graph def matching supplied tags: {{ {SERVE} }}. To inspect available "
        "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
    )


def _ops(graph: Any) -> set[str]:
    """The operations of a graph and its functions."""
    functions = graph.library.function
    return {node.op for node in itertools.chain(graph.node, *(function.node_def for function in functions))}


def _as_array(answer: Any) -> Array:
    """A scalar text comes as bytes, all else as an array."""
    return np.array(answer, np.object_) if isinstance(answer, bytes) else np.asarray(answer)


def _options(deadline: float) -> Any:
    left_ms = max(1, int((deadline - time.monotonic()) * 1000))
    serialized = config_pb2.RunOptions(timeout_in_ms=left_ms).SerializeToString()
    return pywrap_tf_session.TF_NewBufferFromString(serialized)
