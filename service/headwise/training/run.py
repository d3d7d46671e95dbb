"""Runs a SavedModel here and now, as the embedded model server would: rows in, raw outputs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwise import preflight
from headwise.errors import (
    ConfigurationError,
    HeadwiseError,
    InvalidTensorError,
    OutputShapeError,
    UnreadableModelError,
)
from headwise.modelserver.quiet import import_tensorflow
from headwise.savedmodel import read
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, NUMPY_DTYPES, Signature, TensorSpec

if TYPE_CHECKING:
    from headwise.modelserver.servable import Servable

Array = NDArray[Any]
Progress = Callable[[int, int], None]
"""Told after each call: rows done, rows in all."""


def require_tensorflow() -> Any:
    """TensorFlow, imported quietly.

    Raises: ConfigurationError, saying how to install it.
    """
    try:
        return import_tensorflow()
    except ImportError as error:
        raise ConfigurationError(
            f"this needs TensorFlow, which cannot be imported ({error}): pip install 'headwise[embedded]'"
        ) from error


def raw_outputs(
    version: Path,
    inputs: Mapping[str, Array],
    signature_name: str = DEFAULT_SIGNATURE,
    *,
    outputs: Sequence[str] | None = None,
    batch: int = 256,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Run the rows of `inputs` (rows, ...) through a signature, `batch` at a time; outputs (rows, ...) by name.

    inputs: by the signature's names; numbers are converted to its dtypes where they keep their values, as they
    do in a request. outputs: which ones to fetch, all if left out.
    A signature with a fixed batch is called with that many rows, the last call filled up with its last row.

    Raises: ConfigurationError without TensorFlow; UnreadableModelError for a model that cannot be read or loaded;
    InvalidTensorError for inputs that do not fit the signature; OutputShapeError for an output without a row for
    each input row; HeadwiseError where the model fails on the rows.
    """
    with RunnableModel(version) as model:
        return model.raw_outputs(inputs, signature_name, outputs=outputs, batch=batch, progress=progress)


def in_batches(
    ask: Callable[[Mapping[str, Array]], Iterable[tuple[str, Array]]],
    inputs: Mapping[str, Array],
    signature: Signature,
    where: str,
    *,
    batch: int,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """`raw_outputs` of whatever answers a batch of inputs with its outputs by name; where: who that is.

    Raises: InvalidTensorError, OutputShapeError; what `ask` raises.
    """
    arrays, rows = checked_inputs(inputs, signature)
    fixed = _fixed_batch(signature)
    parts: dict[str, list[Array]] = {}
    for start in range(0, rows, fixed or batch):
        chunk = {name: _rows(array, start, fixed or batch, fixed) for name, array in arrays.items()}
        asked = min(rows - start, fixed or batch)
        for name, answer in ask(chunk):
            if answer.ndim == 0 or len(answer) != (fixed or asked):
                raise OutputShapeError(
                    f"{where}: output {name!r} has shape {answer.shape} for {fixed or asked} rows: "
                    "a row for each input row is expected"
                )
            parts.setdefault(name, []).append(_widened(answer[:asked]))
        if progress is not None:
            progress(start + asked, rows)
    return {name: np.concatenate(answers) for name, answers in parts.items()}


def checked_inputs(inputs: Mapping[str, Array], signature: Signature) -> tuple[dict[str, Array], int]:
    """The inputs in the signature's dtypes, held against it, and the number of rows.

    Raises: InvalidTensorError.
    """
    preflight.check_names(inputs, signature)
    arrays = {name: _converted(name, array, signature.inputs[name]) for name, array in inputs.items()}
    any_batch = {name: _any_batch(spec) for name, spec in signature.inputs.items()}
    return arrays, preflight.check_inputs(arrays, replace(signature, inputs=any_batch))


def _converted(name: str, array: Array, spec: TensorSpec) -> Array:
    """Floats and integers as the signature's dtype, texts as bytes; what does not convert is left to the check."""
    array = np.asarray(array)
    wanted = NUMPY_DTYPES.get(spec.dtype)
    if wanted is None or array.dtype == wanted:
        return array
    if wanted.kind == "O" and array.dtype.kind in "SU":
        texts = np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array
        return np.asarray(texts, dtype=object)
    if array.dtype.kind not in "iuf" or wanted.kind not in "iuf" or (array.dtype.kind == "f" and wanted.kind != "f"):
        return array
    with np.errstate(over="ignore"):
        converted = array.astype(wanted)
    kept = np.isfinite(converted) | ~np.isfinite(array) if wanted.kind == "f" else converted == array
    if not kept.all():
        raise InvalidTensorError(
            f"input {name!r} holds {array[~kept][0]}: the model takes {spec}, which cannot hold it"
        )
    return converted


def _any_batch(spec: TensorSpec) -> TensorSpec:
    return replace(spec, shape=(None, *spec.shape[1:])) if spec.shape else spec


def _fixed_batch(signature: Signature) -> int | None:
    """The number of rows that every call must have; None where any number is fine."""
    sizes = signature.fixed_batches
    if len(sizes) > 1:
        raise InvalidTensorError(
            f"the inputs have fixed batches of {' and '.join(map(str, sizes))}: rows cannot be given to them alike"
        )
    return sizes[0] if sizes else None


def _rows(array: Array, start: int, count: int, fixed: int | None) -> Array:
    """Rows from `start`, filled up to a fixed batch; a scalar input is the same in every call."""
    if array.ndim == 0:
        return array
    part = array[start : start + count]
    if fixed is None or len(part) == fixed:
        return part
    return np.concatenate([part, np.repeat(part[-1:], fixed - len(part), axis=0)])


def _widened(answer: Array) -> Array:
    """bfloat16, which numpy does not know, as float32, exactly."""
    return answer.astype(np.float32) if answer.dtype.name == "bfloat16" else answer


class RunnableModel:
    """A version in a session of its own, closed at the end of a `with` block: for several runs of one version.

    Raises: ConfigurationError without TensorFlow; UnreadableModelError for a model that cannot be read or loaded.
    """

    def __init__(self, version: Path) -> None:
        require_tensorflow()
        from headwise.modelserver import servable  # noqa: PLC0415
        from headwise.modelserver.status import StatusError  # noqa: PLC0415

        self._version = version
        self._signatures = read(version).signatures
        self._refused = StatusError
        try:
            self._servable: Servable = servable.load(version.parent.name, 0, version)
        except StatusError as error:
            raise UnreadableModelError(f"{version}: TensorFlow cannot load it: {error.message}") from error

    def __enter__(self) -> RunnableModel:
        return self

    def __exit__(self, *_: object) -> None:
        self._servable.close()

    def raw_outputs(
        self,
        inputs: Mapping[str, Array],
        signature_name: str = DEFAULT_SIGNATURE,
        *,
        outputs: Sequence[str] | None = None,
        batch: int = 256,
        progress: Progress | None = None,
    ) -> dict[str, Array]:
        """As the function `raw_outputs`."""
        signature = self._signature(signature_name)
        wanted = tuple(signature.outputs if outputs is None else outputs)

        def ask(chunk: Mapping[str, Array]) -> Iterable[tuple[str, Array]]:
            return self._run(signature_name, chunk, wanted)

        return in_batches(ask, inputs, signature, str(self._version), batch=batch, progress=progress)

    def _signature(self, name: str) -> Signature:
        if name not in self._signatures:
            listed = ", ".join(map(repr, self._signatures)) or "none"
            raise UnreadableModelError(f"{self._version}: no signature {name!r}; the model's signatures are {listed}")
        return self._signatures[name]

    def _run(
        self, signature_name: str, arrays: Mapping[str, Array], outputs: Sequence[str]
    ) -> Iterable[tuple[str, Array]]:
        """Output names and arrays, for one batch; a left-out input takes the signature's default."""
        signature = self._servable.signatures[signature_name]
        feeds = {info.name: self._feed(name, signature, arrays) for name, info in signature.inputs.items()}
        tensors = [signature.outputs[name].name for name in outputs]
        try:
            answers = self._servable.run(feeds, tensors, None)
        except self._refused as error:
            raise HeadwiseError(f"{self._version}: the model fails on these rows: {error.message}") from error
        return zip(outputs, answers, strict=True)

    def _feed(self, name: str, signature: Any, arrays: Mapping[str, Array]) -> Array:
        from headwise.modelserver.tensors import decode  # noqa: PLC0415

        return arrays[name] if name in arrays else decode(signature.defaults[name])
