"""What Classify and Regress ask of a signature, and how they read its outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from headwise.modelserver import wire
from headwise.modelserver.predict import CLASSIFY, REGRESS
from headwise.modelserver.status import invalid_argument
from headwise.modelserver.tensors import Array, data_type_name

INPUTS = "inputs"


@dataclass(frozen=True)
class Task:
    """One of the two: its outputs, its check of a signature, and its reading of `(batch, …)` outputs."""

    method_name: str
    noun: str
    outputs: tuple[str, ...]
    check_outputs: Callable[[SignatureDef], None]
    read: Callable[[Mapping[str, Array], int], Any]

    def check(self, signature: SignatureDef, *, method_name: bool) -> None:
        """Refuse a signature that was not made for this task, in TensorFlow Serving's order and words."""
        if method_name and signature.method_name != self.method_name:
            raise invalid_argument(
                f"Expected {self.noun} signature method_name to be {self.method_name}. Was: {signature.method_name}"
            )
        if len(signature.inputs) != 1:
            raise invalid_argument("Expected one input Tensor.")
        self.check_outputs(signature)

    def tensors(self, signature: SignatureDef) -> dict[str, str]:
        """The graph's names of the outputs that this task reads."""
        return {alias: signature.outputs[alias].name for alias in self.outputs if alias in signature.outputs}


def _check_classification(signature: SignatureDef) -> None:
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if INPUTS not in signature.inputs:
        raise invalid_argument(f"No classification inputs found in SignatureDef: {_text(signature)}")
    if "classes" not in signature.outputs and "scores" not in signature.outputs:
        raise invalid_argument(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {_text(signature)}"
        )


def _check_regression(signature: SignatureDef) -> None:
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    for side, present in ((INPUTS, signature.inputs), ("outputs", signature.outputs)):
        if side not in present:
            raise invalid_argument(f"No regression {side} found in SignatureDef: {_text(signature)}")


def _read_classes(outputs: Mapping[str, Array], batch: int) -> Any:
    """Pair `(batch, classes)` labels and scores; either may be absent."""
    for name, dtype in (("classes", "DT_STRING"), ("scores", "DT_FLOAT")):
        if name in outputs:
            _check_matrix(outputs[name], name, dtype, batch)
    widths = [array.shape[1] for array in outputs.values()]
    if len(set(widths)) > 1:
        raise invalid_argument(f"Tensors class and score should match in dim_size(1). Got {widths[0]} vs. {widths[1]}")
    fields = {"classes": "label", "scores": "score"}
    columns = {fields[name]: array.tolist() for name, array in outputs.items()}
    result = wire.ClassificationResult()
    for row in range(batch):
        classes = result.classifications.add().classes
        for column in range(widths[0]):
            classes.add(**{field: values[row][column] for field, values in columns.items()})
    return result


def _check_matrix(array: Array, name: str, dtype: str, batch: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
    if data_type_name(array) != dtype:
        raise invalid_argument(f"Expected {name} Tensor of {dtype}. Got: {data_type_name(array)}")
    if len(array) != batch:
        raise invalid_argument(f"Expected {name} output batch size of {batch}. Got: {len(array)}")


def _read_values(outputs: Mapping[str, Array], batch: int) -> Any:
    """Read `(batch,)` or `(batch, 1)` values."""
    array = outputs["outputs"]
    if array.shape[1:] not in ((), (1,)) or array.ndim == 0:
        raise invalid_argument(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(array)}"
        )
    if len(array) != batch:
        raise invalid_argument(f"Input batch size did not match output batch size: {batch} vs. {len(array)}")
    if data_type_name(array) != "DT_FLOAT":
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {data_type_name(array)}")
    result = wire.RegressionResult()
    for value in array.reshape(-1).tolist():
        result.regressions.add(value=value)
    return result


def _shape(array: Array) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _text(signature: SignatureDef) -> str:
    return str(text_format.MessageToString(signature))


TASKS = {
    CLASSIFY: Task(CLASSIFY, "classification", ("classes", "scores"), _check_classification, _read_classes),
    REGRESS: Task(REGRESS, "regression", ("outputs",), _check_regression, _read_values),
}
