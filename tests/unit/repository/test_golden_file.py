"""The file of golden records: nothing lost, nothing of others' touched, and every damage told."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headwise.diagnostics.golden import GoldenRecord
from headwise.errors import UnreadableModelError
from headwise.repository.golden_file import GOLDEN_PATH, MOST_RECORDS, read_golden, write_golden
from headwise.repository.record_file import framed, read_records
from headwise.savedmodel.tensors import to_proto
from headwise.tfserving import prediction_log_pb2
from support.proofs import record

TEXTS = np.array([[b"a", b"\xff"]], object)
RECORDS = (
    GoldenRecord(
        "serving_default",
        {"x": np.array([[1.5, -0.0]], np.float32), "text": TEXTS, "scalar": np.array(3, np.int64)},
        {"y": np.array([[0.25]], np.float16), "z": np.array([7], np.int32), "y.more": np.array([True])},
        {"y": np.array([1])},
    ),
    GoldenRecord("other", {"x": np.zeros((1, 2), np.bool_)}, {"y": np.ones((1, 2))}, {"y": np.array([[True, False]])}),
    GoldenRecord("serving_default", {}, {"value": np.array([2.0], np.float32)}, {}),
)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    folder = tmp_path / "m" / "3"
    folder.mkdir(parents=True)
    return folder


def log(**fields: NDArray[Any]) -> prediction_log_pb2.PredictionLog:
    """A request and, where there are outputs, its answer."""
    made = prediction_log_pb2.PredictionLog()
    made.predict_log.request.inputs["x"].CopyFrom(to_proto(np.zeros(1, np.float32)))
    for name, array in fields.items():
        made.predict_log.response.outputs[name].CopyFrom(to_proto(array))
    return made


def put(version: Path, *records: bytes) -> Path:
    file = version / GOLDEN_PATH
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(framed(records))
    return file


def lies_in(file: Path) -> list[bytes]:
    return list(read_records(file, most=MOST_RECORDS, largest=10**6))


def refusal(version: Path) -> str:
    with pytest.raises(UnreadableModelError) as caught:
        read_golden(version)
    assert str(version / GOLDEN_PATH) in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read(version: Path) -> None:
    assert write_golden(version, RECORDS, "m") == version / GOLDEN_PATH
    for found, written in zip(read_golden(version), RECORDS, strict=True):
        assert found.signature_name == written.signature_name
        for kind in ("inputs", "outputs", "decided"):
            was, now = getattr(written, kind), getattr(found, kind)
            assert {name: (array.dtype, array.tolist()) for name, array in now.items()} == {
                name: (array.dtype, array.tolist()) for name, array in was.items()
            }
    assert np.signbit(read_golden(version)[0].inputs["x"][0, 1]), "every bit is kept"


def test_the_same_records_make_the_same_bytes(version: Path) -> None:
    first = write_golden(version, RECORDS, "m").read_bytes()
    assert write_golden(version, read_golden(version), "m").read_bytes() == first


def test_no_file_holds_no_records_and_none_is_written_for_none(version: Path) -> None:
    assert read_golden(version) == ()
    assert not write_golden(version, (), "m").exists()
    write_golden(version, RECORDS, "m")
    assert not write_golden(version, (), "m").exists()


def test_records_that_only_warm_up_prove_nothing_and_stay_as_they_are(version: Path) -> None:
    only_request = log().SerializeToString()
    of_another_kind = b"\x12\x02\x0a\x00"  # classify_log, which headwise does not read
    put(version, of_another_kind, only_request, log(y=np.ones(1)).SerializeToString())
    assert len(read_golden(version)) == 1
    file = write_golden(version, RECORDS, "m")
    assert lies_in(file)[-2:] == [of_another_kind, only_request]
    assert len(read_golden(version)) == len(RECORDS)
    write_golden(version, (), "m")
    assert lies_in(file) == [of_another_kind, only_request]


def test_an_answer_of_another_version_says_nothing_of_this_one(version: Path) -> None:
    logged = {number: log(y=np.ones(1)) for number in (2, 3)}
    for number, made in logged.items():
        made.predict_log.response.model_spec.version.value = number
    put(version, *(made.SerializeToString() for made in logged.values()))
    assert len(read_golden(version)) == 1
    assert len(lies_in(write_golden(version, (), "m"))) == 1


def test_a_signature_that_is_not_named_is_the_default_one(version: Path) -> None:
    put(version, log(y=np.ones(1)).SerializeToString())
    assert read_golden(version)[0].signature_name == "serving_default"


def test_only_a_decision_about_an_output_that_is_there_is_one(version: Path) -> None:
    made = log(**{"y": np.ones(1), "y.indices": np.ones(1), "z.indices": np.array([1])})
    put(version, made.SerializeToString())
    (found,) = read_golden(version)
    assert (set(found.outputs), found.decided) == ({"y", "y.indices", "z.indices"}, {})


def test_an_output_that_is_named_like_a_decision_is_refused(version: Path) -> None:
    clash = GoldenRecord("s", {}, {"y": np.ones(1), "y.indices": np.array([4])}, {"y": np.array([1])})
    with pytest.raises(ValueError, match=r"has an output 'y\.indices'"):
        write_golden(version, [clash], "m")


def test_more_records_than_tensorflow_serving_takes_are_refused(version: Path) -> None:
    warming = log().SerializeToString()
    put(version, *[warming] * MOST_RECORDS)
    assert read_golden(version) == ()
    with pytest.raises(ValueError, match="1 golden records beside 1000 that warm up: TensorFlow Serving takes 1000"):
        write_golden(version, [record(1.0)], "m")
    put(version, *[warming] * (MOST_RECORDS + 1))
    assert "more than 1000 records" in refusal(version)


@pytest.mark.parametrize("end", [1, 11, 13, 40, -1])
def test_a_file_that_was_cut_short_is_refused(version: Path, end: int) -> None:
    file = write_golden(version, RECORDS, "m")
    file.write_bytes(file.read_bytes()[:end])
    assert "record 1" in refusal(version) or end == -1
    assert "was cut short" in refusal(version)


@pytest.mark.parametrize(("at", "what"), [(0, "checksum"), (9, "checksum"), (20, "checksum")])
def test_a_file_with_a_flipped_bit_is_refused(version: Path, at: int, what: str) -> None:
    file = write_golden(version, RECORDS, "m")
    damaged = bytearray(file.read_bytes())
    damaged[at] ^= 1
    file.write_bytes(damaged)
    assert what in refusal(version)


def test_what_is_no_record_file_or_holds_no_prediction_logs_is_refused(version: Path) -> None:
    file = put(version)
    file.write_bytes(b"these are not the records that you are looking for")
    assert "is no TFRecord file" in refusal(version)
    put(version, b"\xff\xff\xff")
    assert "record 1 is no PredictionLog" in refusal(version)
    file.unlink()
    file.mkdir()
    assert "Is a directory" in refusal(version)


def test_a_tensor_that_cannot_be_read_is_refused(version: Path) -> None:
    made = log(y=np.ones(3, np.float32))
    made.predict_log.response.outputs["y"].tensor_shape.dim[0].size = 4
    put(version, log(y=np.ones(1)).SerializeToString(), made.SerializeToString())
    assert "record 2: a tensor of float32 (4,) holds 3 elements" in refusal(version)


def test_a_length_that_is_not_true_reserves_no_memory(version: Path) -> None:
    file = put(version, b"x" * 2000)
    honest = file.read_bytes()
    hostile = framed([(2**62).to_bytes(8, "little")])  # its own header is at hand: length and checksum of 2**62
    file.write_bytes(hostile[12:] + honest)
    assert f"the file ends before its {2**62} bytes" in refusal(version)
    with pytest.raises(UnreadableModelError, match="its 2000 bytes exceed 1000"):
        list(read_records(put(version, b"x" * 2000), most=1, largest=1000))


def test_the_framing_is_that_of_tensorflow() -> None:
    """What tf.io.TFRecordWriter of TensorFlow 2.21 writes."""
    assert framed([b"golden"]).hex() == "06000000000000007369d537676f6c64656eae6fd9e4"


def test_golden_records_that_would_fill_the_memory_are_refused(version: Path) -> None:
    file = write_golden(version, RECORDS, "m")
    assert len(read_golden(version, most_bytes=file.stat().st_size)) == len(RECORDS)
    with pytest.raises(UnreadableModelError, match="its golden records exceed 100 bytes: keep fewer"):
        read_golden(version, most_bytes=100)


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(version: Path) -> None:
    file = write_golden(version, RECORDS[:1], "m")
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_golden(version, RECORDS, "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_file_where_the_folder_should_be_is_told(version: Path) -> None:
    (version / "assets.extra").write_text("")
    assert "Not a directory" in refusal(version)
    with pytest.raises(UnreadableModelError, match="Not a directory"):
        write_golden(version, RECORDS, "m")
