"""TFRecord files: each record behind its length, both with a checksum (masked CRC-32C)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from headwise.errors import UnreadableModelError

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_MASK = 0xA282EAD8


def read_records(file: Path, *, most: int, largest: int) -> Iterator[bytes]:
    """The records of a file, one at a time; none where there is no file.

    Raises: UnreadableModelError if the file cannot be read, ends within a record, does not keep to its checksums,
    holds more than `most` records or one of more than `largest` bytes.
    """
    try:
        with file.open("rb") as source:
            left = file.stat().st_size
            for number in range(1, most + 2):
                if left == 0:
                    return
                if number > most:
                    raise UnreadableModelError(
                        f"{file}: there are more than {most} records, TensorFlow Serving's limit"
                    )
                record = _record(source, left, largest, f"{file}: record {number}")
                left -= len(record) + _LENGTH.size + 2 * _CHECKSUM.size
                yield record
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreadableModelError(f"{file}: {error.strerror}") from error


def framed(records: Iterable[bytes]) -> bytes:
    """The bytes of a file that holds these records."""
    return b"".join(_checked(_LENGTH.pack(len(record))) + _checked(record) for record in records)


def _record(source: BinaryIO, left: int, largest: int, where: str) -> bytes:
    header = source.read(_LENGTH.size)
    checksum = source.read(_CHECKSUM.size)
    if len(checksum) < _CHECKSUM.size:
        raise UnreadableModelError(
            f"{where}: the file ends within its length: it was cut short, or is no TFRecord file"
        )
    _check(header, checksum, where)
    (length,) = _LENGTH.unpack(header)
    # Before anything is read: a length that is not true must not reserve memory.
    if length > left - _LENGTH.size - 2 * _CHECKSUM.size:
        raise UnreadableModelError(f"{where}: the file ends before its {length} bytes: it was cut short")
    if length > largest:
        raise UnreadableModelError(f"{where}: its {length} bytes exceed {largest}")
    record = source.read(length)
    _check(record, source.read(_CHECKSUM.size), where)
    return record


def _check(data: bytes, checksum: bytes, where: str) -> None:
    if checksum != _masked(data):
        raise UnreadableModelError(f"{where}: the checksum does not hold: the file is damaged, or is no TFRecord file")


def _checked(data: bytes) -> bytes:
    return data + _masked(data)


def _masked(data: bytes) -> bytes:
    """The checksum, rotated right by 15 bits plus a constant: a checksum of data that holds checksums would be weak."""
    value = google_crc32c.value(data)
    return _CHECKSUM.pack((((value >> 15) | (value << 17)) + _MASK) & 0xFFFFFFFF)
