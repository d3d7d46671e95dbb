"""Keras archives are opened without Keras, and hostile ones refused with file and reason."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwise.errors import UnreadableModelError
from headwise.savedmodel.keras import KerasModel, read_keras
from headwise.savedmodel.keras.archive import LARGEST_CONFIG

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "softmax"}}
MODEL = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": [DENSE]}}
METADATA = {"keras_version": "3.15.1"}


WHOLE = {"metadata.json": json.dumps(METADATA), "config.json": json.dumps(MODEL)}


def archive(folder: Path, members: Mapping[str, Any] = WHOLE) -> Path:
    file = folder / "model.keras"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members.items():
            written.writestr(name, data)
    return file


def changed(folder: Path, members: Mapping[str, Any]) -> Path:
    return archive(folder, {**WHOLE, **members})


def refused(file: Path, reason: str) -> str:
    with pytest.raises(UnreadableModelError, match=reason) as error:
        read_keras(file)
    assert str(file) in str(error.value)
    return str(error.value)


def read_or_refuse(file: Path) -> KerasModel | str:
    try:
        return read_keras(file)
    except UnreadableModelError as error:
        return str(error)


def test_an_archive_is_read(tmp_path: Path) -> None:
    model = read_keras(archive(tmp_path))

    assert (model.name, model.keras_version) == ("m", "3.15.1")
    assert model.outputs["output_0"].head.activation == "softmax"


def test_weights_are_never_read(tmp_path: Path) -> None:
    file = changed(tmp_path, {"model.weights.h5": b"no weights" * 1000})
    data = file.read_bytes()
    start = data.index(b"model.weights.h5") + len(b"model.weights.h5")
    file.write_bytes(data[:start] + b"\xff" * 20 + data[start + 20 :])

    assert read_keras(file).name == "m"


def test_neither_keras_nor_tensorflow_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from headwise.savedmodel.keras import read_keras;"
        "read_keras(pathlib.Path(sys.argv[1])); sys.exit(bool({'keras', 'tensorflow', 'h5py'} & set(sys.modules)))"
    )

    subprocess.run([sys.executable, "-c", code, str(archive(tmp_path))], check=True)


def test_a_bomb_is_inflated_no_further_than_the_limit(tmp_path: Path) -> None:
    file = changed(tmp_path, {"config.json": b" " * (5 * LARGEST_CONFIG)})
    assert file.stat().st_size < 2**20
    tracemalloc.start()
    try:
        refused(file, rf"config\.json inflates to more than {LARGEST_CONFIG} bytes")
        assert tracemalloc.get_traced_memory()[1] < 2 * LARGEST_CONFIG
    finally:
        tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    size = 2 * LARGEST_CONFIG
    file = changed(tmp_path, {"config.json": b" " * size})
    file.write_bytes(file.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 100)))

    refused(file, r"model\.keras: ")


def test_a_long_list_of_members_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w") as written:
        for index in range(20_000):
            written.writestr(f"{index:060}", b"")

    refused(file, "its list of members takes")


@pytest.mark.parametrize("depth", [900, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_no_crash(tmp_path: Path, depth: int, brackets: tuple[str, str]) -> None:
    left, right = brackets
    nested = left * depth + ("1" if left != "[" else "") + right * depth
    file = changed(tmp_path, {"config.json": f'{{"class_name": "Sequential", "config": {nested}}}'})

    outcome = read_or_refuse(file)

    if isinstance(outcome, str):
        assert "config.json is nested too deeply" in outcome
    else:
        assert {output.head.activation for output in outcome.outputs.values()} == {"unknown"}


@pytest.mark.parametrize("key", ["layers", "input_layers", "output_layers"])
def test_deep_nesting_within_a_model_is_no_crash(tmp_path: Path, key: str) -> None:
    nested: Any = ["d", 0, 0]
    for _ in range(400):
        nested = [nested]
    within = {"layers": [DENSE], "output_layers": ["d", 0, 0], key: nested}
    model = {"module": "keras", "class_name": "Functional", "config": within}

    assert len(read_keras(changed(tmp_path, {"config.json": json.dumps(model)})).outputs) < 2


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"metadata.json": "{}"}, r"holds no config\.json; a \.keras archive.* is expected"),
        ({"config.json": json.dumps(MODEL)}, r"holds no metadata\.json"),
        ({"config.json": "[1]", "metadata.json": "{}"}, r"config\.json holds no JSON object"),
        ({"config.json": "{", "metadata.json": "{}"}, r"config\.json is no JSON"),
        ({"config.json": b"\xff\xfe{", "metadata.json": "{}"}, r"config\.json is no JSON"),
        ({"config.json": f'{{"a": {"9" * 5000}}}', "metadata.json": "{}"}, r"config\.json is no JSON"),
        ({"config.json": "{}", "metadata.json": "{}"}, r"config\.json describes no model"),
        ({"config.json": json.dumps(MODEL), "metadata.json": "3"}, r"metadata\.json holds no JSON object"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, members: dict[str, bytes | str], reason: str) -> None:
    refused(archive(tmp_path, members), reason)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    file = archive(tmp_path)
    data = bytearray(file.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + flags] |= 1
    file.write_bytes(data)

    refused(file, r"config\.json is encrypted")


def test_an_hdf5_file_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)

    assert "keras.models.load_model('model.h5').save('model.keras')" in refused(file, "an HDF5 file")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", b"PK\x05\x06" + b"\0" * 17])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(content)

    refused(file, r"a \.keras archive.* is expected")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.keras")

    refused(tmp_path, "not a file")
    refused(tmp_path / "pipe.keras", "not a file")
    refused(tmp_path / "absent.keras", "No such file or directory")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_gives_an_error_or_a_model_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    file = archive(tmp_path)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])

    outcome = read_or_refuse(file)

    assert not isinstance(outcome, str) or str(file) in outcome
