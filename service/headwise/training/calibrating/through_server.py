"""Runs rows through a model server that runs already: TensorFlow Serving, or headwise's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headwise.backends.base import Arrays
from headwise.backends.tfserving import TFServingBackend
from headwise.diagnostics.golden import GoldenRecord, difference
from headwise.errors import (
    BackendProtocolError,
    BackendRejectedError,
    ConfigurationError,
    HeadMismatchError,
    OutputMissingError,
)
from headwise.repository.golden_file import read_golden
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel import SavedModel, Signature
from headwise.training.run import Progress, in_batches

Array = NDArray[Any]

BATCH = 256
_TIMEOUT = 60.0
"""Seconds for one batch: a model server compiles when it sees its first."""


def raw_outputs_of_server(
    target: str,
    version: Path,
    saved: SavedModel,
    inputs: Mapping[str, Array],
    signature_name: str,
    outputs: Sequence[str],
    *,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Run rows through the version of this name and number that a model server has loaded; outputs (rows, ...).

    target: HOST:PORT, dns:///NAME:PORT or unix:PATH. It is asked for the golden records first, where the version has
    some: a server that has loaded other weights under this number must not calibrate these.

    Raises: BackendError where it does not answer; HeadMismatchError where it runs another model;
    InvalidTensorError for inputs that do not fit; ConfigurationError for a folder that is no models/NAME/VERSION.
    """
    spec = _spec(version, signature_name)
    signature = saved.signatures[signature_name]
    with asyncio.Runner() as runner:
        backend = runner.run(_connected(target))
        try:
            for record in read_golden(version):
                asked = replace(spec, signature_name=record.signature_name)
                came = runner.run(_predict(backend, asked, record.inputs, ()))
                _check_golden(target, version, record, came, saved.signatures.get(record.signature_name, signature))

            def ask(chunk: Mapping[str, Array]) -> Iterable[tuple[str, Array]]:
                came = runner.run(_predict(backend, spec, chunk, tuple(outputs)))
                if missing := [name for name in outputs if name not in came]:
                    raise OutputMissingError(f"{target}: the model server did not answer output {missing[0]!r}")
                return [(name, came[name]) for name in outputs]

            return in_batches(ask, inputs, signature, target, batch=BATCH, progress=progress)
        finally:
            runner.run(backend.close())


def _spec(version: Path, signature_name: str) -> ModelSpec:
    folder = version.absolute()
    if not (folder.name.isascii() and folder.name.isdecimal()):
        raise ConfigurationError(
            f"{version}: --backend asks for a model by name and version, which the folder must say: models/NAME/VERSION"
        )
    return ModelSpec(folder.parent.name, int(folder.name), signature_name=signature_name)


async def _connected(target: str) -> TFServingBackend:
    return TFServingBackend(target)


async def _predict(backend: TFServingBackend, spec: ModelSpec, inputs: Arrays, outputs: tuple[str, ...]) -> Arrays:
    try:
        raw = await backend.predict(spec, inputs, timeout=_TIMEOUT, outputs=outputs)
    except BackendRejectedError as error:
        if error.status != "UNIMPLEMENTED":
            raise
        raise BackendProtocolError(
            f"{backend.target} is no model server: raw outputs come from a TensorFlow Serving, not from a gateway"
        ) from error
    if raw.version != spec.version:
        raise BackendProtocolError(f"version {spec.version} was asked, version {raw.version} answered")
    return raw.outputs


def _check_golden(target: str, version: Path, record: GoldenRecord, came: Arrays, signature: Signature) -> None:
    """Only its numbers: the card that decides is about to change."""
    found = difference(replace(record, decided={}), came, {}, dtypes=signature.output_dtypes)
    if found is not None:
        raise HeadMismatchError(
            f"{target}: the model server runs another model than {version}: it does not answer the golden records: "
            f"{found}"
        )
