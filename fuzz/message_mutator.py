"""Other messages than a protobuf message: a field set to a value at the edge of its type, doubled, moved or gone."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError, Message

_INTEGERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1)
_FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-45, 65504.0, 3e38, -3e38, 1e308, float("nan"), float("inf"), float("-inf"))
_TEXTS = ("", "x", "a" * 300, "a:0", "a:9", "^a", "\u0000", "é", "serving_default", "output_0")
_BYTES = (b"", b"\x00", b"\xff" * 8, b"\x80" * 40, bytes(range(64)), b"\xed\xa0\x80")
_SIGNED_32, _UNSIGNED_32, _UNSIGNED_64 = (
    (Field.CPPTYPE_INT32, Field.CPPTYPE_ENUM),
    (Field.CPPTYPE_UINT32,),
    (Field.CPPTYPE_UINT64,),
)


def mutated(kind: type[Message], data: bytes, random: Random) -> bytes | None:
    """Another message; None for bytes that are none."""
    try:
        message = kind.FromString(data)
    except DecodeError:
        return None
    for _ in range(random.randint(1, 4)):
        _change(random.choice(_all(message)), random)
    changed: bytes = message.SerializeToString()
    return changed


def _all(message: Any) -> list[Any]:
    """The message and those within it."""
    found = [message]
    for at in found:
        if len(found) > 500:
            break
        for field, value in at.ListFields():
            if field.message_type is None:
                continue
            if _is_map(field):
                found += list(value.values()) if _holds_messages(field) else []
            else:
                found += list(value) if _is_repeated(field) else [value]
    return found


def _change(message: Any, random: Random) -> None:
    fields = list(message.DESCRIPTOR.fields)
    present = [field for field, _ in message.ListFields()]
    if not fields:
        return
    field = random.choice(present) if present and random.random() < 0.6 else random.choice(fields)
    if field in present and random.random() < 0.15:
        message.ClearField(field.name)
    elif _is_map(field):
        _change_map(getattr(message, field.name), field, random)
    elif _is_repeated(field):
        _change_list(getattr(message, field.name), field, random)
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _value(field, random))


def _change_map(entries: Any, field: Field, random: Random) -> None:
    key_field, value_field = field.message_type.fields
    key = random.choice(list(entries)) if entries and random.random() < 0.5 else _value(key_field, random)
    if not _holds_messages(field):
        entries[key] = _value(value_field, random)
    elif entries:
        entries[key].CopyFrom(random.choice(list(entries.values())))
    else:
        entries[key].SetInParent()


def _change_list(entries: Any, field: Field, random: Random) -> None:
    if entries and random.random() < 0.3:
        del entries[random.randrange(len(entries))]
    elif entries and random.random() < 0.5:
        entries.extend([entries[random.randrange(len(entries))]] * random.choice([1, 2, 70]))
    elif field.message_type is not None:
        entries.add()
    elif entries and random.random() < 0.5:
        entries[random.randrange(len(entries))] = _value(field, random)
    else:
        entries.append(_value(field, random))


def _value(field: Field, random: Random) -> Any:
    kind = field.cpp_type
    if kind == Field.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind in (Field.CPPTYPE_DOUBLE, Field.CPPTYPE_FLOAT):
        return random.choice(_FLOATS)
    if kind == Field.CPPTYPE_STRING:
        return random.choice(_BYTES if field.type == Field.TYPE_BYTES else _TEXTS)
    number = random.choice([*_INTEGERS, random.randrange(30)])
    if kind in _SIGNED_32:
        return (number + 2**31) % 2**32 - 2**31
    if kind in _UNSIGNED_32:
        return number % 2**32
    return number % 2**64 if kind in _UNSIGNED_64 else number


def _is_repeated(field: Field) -> bool:
    return bool(field.is_repeated)


def _is_map(field: Field) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _holds_messages(field: Field) -> bool:
    return field.message_type.fields[1].message_type is not None
