"""TensorFlow Serving's batching parameters file."""

from pathlib import Path

import pytest

from headwise.errors import ConfigurationError
from headwise.modelserver.batching_parameters import BatchingParameters, choose, read_batching_parameters


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "batching.config"


def test_every_field_is_read(file: Path) -> None:
    file.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 100 } "
        'num_batch_threads { value: 2 } thread_pool_name { value: "x" } allowed_batch_sizes: [2, 8]'
    )
    assert read_batching_parameters(file) == BatchingParameters(8, 8, 0.0015, 100, 2, (2, 8))


def test_splitting_separates_the_largest_call_from_the_largest_run(file: Path) -> None:
    file.write_text(
        "max_batch_size { value: 100 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 10 } allowed_batch_sizes: [5, 10]"
    )
    parameters = read_batching_parameters(file)
    assert (parameters.input_limit, parameters.execution_limit) == (100, 10)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1"),
        ("max_batch_size: 8", "Expected"),
        ("nonsense { }", "nonsense"),
        ("allowed_batch_sizes: [4, 2]", "must ascend"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]", "must be the largest batch, 8, not 4"),
        ("pad_variable_length_inputs: true", "not supported"),
    ],
)
def test_a_wrong_file_is_named_with_the_reason(file: Path, text: str, reason: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_batching_parameters(file)
    assert str(file) in str(caught.value)


def test_the_switch_alone_means_the_defaults(file: Path) -> None:
    assert choose(False, None) is None
    assert choose(True, None) == BatchingParameters()
    file.write_text("max_batch_size { value: 8 }")
    parameters = choose(False, file)
    assert parameters is not None
    assert parameters.input_limit == 8


@pytest.mark.parametrize(("rows", "size"), [(1, 2), (2, 2), (3, 8), (8, 8), (9, 9)])
def test_a_batch_is_padded_to_the_next_allowed_size(rows: int, size: int) -> None:
    assert BatchingParameters(allowed_sizes=(2, 8)).padded(rows) == size
