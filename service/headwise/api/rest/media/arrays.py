"""One table: content type of a body -> arrays by input name."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.inputs import ONLY, fitted
from headwise.api.numbers import whole_number
from headwise.api.rest.content import RequestHeaders
from headwise.api.v2.datatypes import DATATYPES, from_bytes
from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError, PayloadTooLargeError
from headwise.savedmodel import Signature

NPY, NPZ, RAW = "application/x-npy", "application/x-npz", "application/octet-stream"

DTYPE, SHAPE, INPUT = "headwise-dtype", "headwise-shape", "headwise-input"
"""Headers of a raw body: float32, 2,30 and, for a model with several inputs, the name of one."""

_POINTER = 8
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for a body that is no archive."""

_UNREADABLE = (
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    MemoryError,
    OverflowError,
    RecursionError,
    TokenError,
    SystemError,
)
"""What numpy raises for headers that are none: it reads them as Python literals."""

Reader = Callable[[bytes, RequestHeaders, int], "Arrays | NDArray[Any]"]
"""Body, headers and the most bytes that its arrays may have, to arrays by name, or to one of the only input."""


def read(body: bytes, headers: RequestHeaders, limit: int, signature: Signature) -> Arrays:
    """The arrays of a body whose content type is in READERS.

    Raises: InvalidTensorError, PayloadTooLargeError.
    """
    found = READERS[headers.media_type](body, headers, limit)
    named = {headers.get(INPUT, ONLY): found} if isinstance(found, np.ndarray) else found
    return fitted(named, signature)


def unpacked(body: bytes, headers: RequestHeaders) -> int:
    """Bytes that a body's packed arrays will have, as it says; 0 where nothing is packed."""
    if headers.media_type != NPZ:
        return 0
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return sum(member.file_size for member in archive.infolist())
    except _NO_ARCHIVE:  # whoever reads it says so
        return 0


def _npy(body: bytes, _: RequestHeaders, limit: int) -> NDArray[Any]:
    return _array("the body", io.BytesIO(body), limit)


def _npz(body: bytes, _: RequestHeaders, limit: int) -> Arrays:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            if any(member.compress_type not in _PACKINGS for member in members):
                raise InvalidTensorError("the body is packed in another way than numpy packs: store or deflate it")
            if sum(member.file_size for member in members) > limit:
                raise PayloadTooLargeError(f"the arrays of the body have more than {limit} bytes: send fewer rows")
            return {
                member.filename.removesuffix(".npy"): _array(
                    repr(member.filename), io.BytesIO(archive.read(member)), limit
                )
                for member in members
            }
    except _NO_ARCHIVE as error:
        raise InvalidTensorError(f"the body is no npz file: {error}") from error


def _array(place: str, file: io.BytesIO, limit: int) -> NDArray[Any]:
    """An .npy file; nothing in it is executed."""
    try:
        # numpy warns of files that Python 2 wrote: that is no concern of who runs the gateway.
        with warnings.catch_warnings(action="ignore"):
            version = np.lib.format.read_magic(file)
            of_first = version == (1, 0)
            read_header = np.lib.format.read_array_header_1_0 if of_first else np.lib.format.read_array_header_2_0
            shape, _, dtype = read_header(file)
            _check(place, shape, dtype, limit)
            file.seek(0)
            return plain(np.lib.format.read_array(file, allow_pickle=False))
    except _UNREADABLE as error:
        raise InvalidTensorError(f"{place} is no npy file: {error}") from error


def _check(place: str, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int) -> None:
    if dtype.hasobject or dtype.names is not None:
        raise InvalidTensorError(f"{place} holds {dtype}: send numbers, or texts as bytes or unicode")
    # A text becomes an object, whatever its length.
    if math.prod(shape) * max(dtype.itemsize, _POINTER if dtype.kind in "SU" else 1) > limit:
        raise PayloadTooLargeError(f"{place} has more than {limit} bytes: send fewer rows")


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """Native byte order; texts as bytes."""
    if array.dtype.kind in "SU":
        texts = np.empty(array.size, object)
        texts[:] = [text.encode() if isinstance(text, str) else text for text in array.ravel().tolist()]
        return texts.reshape(array.shape)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _raw(body: bytes, headers: RequestHeaders, _: int) -> NDArray[Any]:
    dtype = headers.get(DTYPE, "")
    if dtype not in DATATYPES or dtype == "string":
        known = ", ".join(name for name in DATATYPES if name != "string")
        raise InvalidTensorError(f"the header {DTYPE} is {dtype!r}: a raw body needs one of {known}")
    sizes = [whole_number(size.strip()) for size in headers.get(SHAPE, "").split(",")]
    shape = [size for size in sizes if size is not None]
    if len(shape) < len(sizes):
        raise InvalidTensorError(f"the header {SHAPE} is {headers.get(SHAPE)!r}: a raw body needs sizes, such as 2,30")
    return from_bytes("the body", DATATYPES[dtype], shape, body)


READERS: Mapping[str, Reader] = {NPY: _npy, NPZ: _npz, RAW: _raw}
"""By content type; images, say, would be one more row."""
