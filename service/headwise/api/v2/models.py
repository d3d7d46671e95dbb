"""What V2 says of server and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headwise import __version__
from headwise.api.v2.datatypes import DATATYPES
from headwise.api.v2.outputs import prefixed, raw_name, shapes
from headwise.errors import HeadNotFoundError
from headwise.gateway import Gateway
from headwise.heads import Head
from headwise.repository.model_spec import ModelSpec
from headwise.repository.snapshot import Snapshot, Version
from headwise.savedmodel import Signature, TensorSpec

NAME, VERSION = "headwise", __version__
EXTENSIONS = ("binary_tensor_data", "classification", "model_repository(index)")
PLATFORM = "tensorflow_savedmodel"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a model; -1 where any size fits."""

    name: str
    datatype: str
    shape: list[int]


@dataclass(frozen=True, slots=True)
class Metadata:
    """A model: its versions that answer, and the tensors of the one that was asked for."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


@dataclass(frozen=True, slots=True)
class Indexed:
    """A version in the repository index."""

    name: str
    version: str
    state: str
    reason: str


async def metadata(gateway: Gateway, spec: ModelSpec, *, timeout: float) -> Metadata:
    """Inputs, the outputs of the heads, and the model's own.

    Raises: NotFoundError and ModelNotReadyError, and their subclasses.
    """
    model = gateway.find(spec.name)
    heads: Mapping[str, Head] = {}
    try:
        served = await gateway.resolve(spec, timeout=timeout)
        signatures = served.signatures
        heads = served.heads(spec.signature_name) if served.card else {}
    except HeadNotFoundError:
        signatures = await gateway.signatures(spec, timeout=timeout, verb="metadata")
    if spec.signature_name not in signatures:
        raise HeadNotFoundError(f"{spec} has no signature {spec.signature_name!r}")
    signature = signatures[spec.signature_name]
    return Metadata(
        spec.name,
        [str(version.status.version) for version in reversed(model.versions) if version.available],
        PLATFORM,
        [_tensor(name, of) for name, of in signature.inputs.items()],
        [_tensor(name, of) for name, of in _outputs(signature, heads)],
    )


def model_ready(gateway: Gateway, spec: ModelSpec) -> bool:
    """Whether calls to it are answered; a model or version that is not there is not ready.

    Raises: as Gateway.allow.
    """
    gateway.allow("metadata", spec.name)
    model = gateway.repository.snapshot.models.get(spec.name)
    if model is None:
        return False
    if spec.version is None:
        return model.ready
    version = model.version(spec.version)
    return version is not None and version.answers


def index(snapshot: Snapshot, *, ready: bool = False) -> list[Indexed]:
    """Every version in the repository; ready: only those that answer."""
    return [
        Indexed(name, str(version.status.version), "READY" if version.answers else "UNAVAILABLE", _reason(version))
        for name, model in snapshot.models.items()
        for version in model.versions
        if version.answers or not ready
    ]


def _reason(version: Version) -> str:
    return version.problem[1] if version.problem else ""


def _outputs(signature: Signature, heads: Mapping[str, Head]) -> Iterator[tuple[str, TensorSpec]]:
    for head, of in heads.items():
        for name, spec in shapes(of, signature.outputs[head]).items():
            yield prefixed(head, name, several=len(heads) > 1), spec
    for name, spec in signature.outputs.items():
        yield raw_name(name), spec


def _tensor(name: str, spec: TensorSpec) -> Tensor:
    """Of an unknown rank nothing is said."""
    sizes = () if spec.shape is None else spec.shape
    return Tensor(name, DATATYPES.get(spec.dtype, spec.dtype), [-1 if size is None else size for size in sizes])
