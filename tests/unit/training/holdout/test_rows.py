"""Held-out rows from .npz, CSV and Parquet: the same arrays from each, and an error that names column and row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from headwise.errors import InvalidRequestError, InvalidTensorError
from headwise.heads import Head
from headwise.savedmodel.signature import Signature, TensorSpec
from headwise.training.holdout import LabelledRows, read_rows

BINARY = Head("binary", "linear", ("benign", "malignant"))
CLASSES = Head("multiclass", "linear", ("ant", "bee", "cat"))
LABELS = Head("multilabel", "linear", ("rain", "snow"))


def takes(**inputs: tuple[str, tuple[int | None, ...] | None]) -> Signature:
    return Signature({name: TensorSpec(*spec) for name, spec in inputs.items()}, {})


TWO = takes(x=("float32", (None, 2)))


def table(file: Path, **columns: Any) -> Path:
    made = pa.table(columns)
    if file.suffix == ".csv":
        csv.write_csv(made, file)
    else:
        parquet.write_table(made, file)
    return file


def text(file: Path, content: str) -> Path:
    file.write_text(content, "utf-8")
    return file


def rows(file: Path, signature: Signature = TWO, head: Head | Mapping[str, Head] = BINARY) -> LabelledRows:
    return read_rows(file, signature, {"y": head} if isinstance(head, Head) else head)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("names", [("x.0", "x.1"), ("height", "width")], ids=["named as the input", "in their order"])
def test_columns_become_the_rows_of_the_input(tmp_path: Path, kind: str, names: tuple[str, str]) -> None:
    columns = {names[0]: [0.5, 1.5], names[1]: [2, 3]}
    found = rows(table(tmp_path / f"rows.{kind}", **columns, targets=["malignant", "benign"]))

    assert found.inputs["x"].tolist() == [[0.5, 2.0], [1.5, 3.0]]
    assert found.targets["y"].tolist() == [1, 0]
    assert found.unused == ()


def test_numbered_columns_are_taken_by_their_numbers(tmp_path: Path) -> None:
    columns = {f"x.{at}": [at] for at in reversed(range(12))}
    found = rows(table(tmp_path / "rows.csv", **columns, targets=[0]), takes(x=("float32", (None, 3, 4))))

    assert found.inputs["x"].tolist() == np.arange(12).reshape(1, 3, 4).tolist()


def test_lists_are_arrays(tmp_path: Path) -> None:
    image = [[[0.0, 1.0], [2.0, 3.0]]] * 3
    file = table(
        tmp_path / "rows.parquet",
        image=image,
        targets=pa.array([[1, 0], [0, 0], [1, 1]], pa.list_(pa.int8(), 2)),
    )
    found = rows(file, takes(image=("float32", (None, 2, 2))), LABELS)

    assert found.inputs["image"].tolist() == image
    assert found.targets["y"].tolist() == [[1, 0], [0, 0], [1, 1]]


def test_several_inputs_are_taken_by_name_and_what_is_left_is_told(tmp_path: Path) -> None:
    file = table(tmp_path / "rows.csv", id=[7, 8], age=[30, 40], word=["a", "ö"], targets=["ant", "cat"])
    found = rows(file, takes(age=("int64", (None, 1)), word=("string", (None,))), CLASSES)

    assert found.inputs["age"].tolist() == [[30], [40]]
    assert found.inputs["word"].tolist() == [b"a", "ö".encode()]
    assert found.unused == ("id",)


def test_a_column_a_label_may_be_named_as_the_label(tmp_path: Path) -> None:
    columns = {"x.0": [0, 1], "x.1": [2, 3]}
    on = {"rain": [1, 0], "snow": [0, 0]}
    for prefix in ("", "targets.", "targets.y."):
        named = {f"{prefix}{label}": values for label, values in reversed(on.items())}
        for kind in ("csv", "parquet"):
            found = rows(table(tmp_path / f"rows.{kind}", **columns, **named), head=LABELS)
            assert found.targets["y"].tolist() == [[1, 0], [0, 0]]
            assert found.unused == ()
    by_order = rows(table(tmp_path / "order.csv", a=[0], b=[1], rain=[1], snow=[0]), head=LABELS)
    assert by_order.inputs["x"].tolist() == [[0, 1]]


@pytest.mark.parametrize("spelling", ["True,False", "true,false", "1,0", "1.0,0.0"])
def test_on_and_off_may_be_written_as_other_programs_do(tmp_path: Path, spelling: str) -> None:
    file = text(tmp_path / "rows.csv", f"a,b,targets.rain,targets.snow\n1,2,{spelling}\n")
    assert rows(file, head=LABELS).targets["y"].tolist() == [[1, 0]]


def test_several_heads_have_targets_each(tmp_path: Path) -> None:
    file = table(tmp_path / "rows.csv", a=[1, 2], b=[3, 4], **{"targets.size": [1.5, 2.5], "targets.kind": [2, 0]})
    found = rows(file, head={"size": Head("regression", "linear"), "kind": CLASSES})

    assert found.targets["size"].tolist() == [1.5, 2.5]
    assert found.targets["kind"].tolist() == [2, 0]


def test_an_archive_is_taken_as_it_is_and_its_texts_are_labels(tmp_path: Path) -> None:
    file = tmp_path / "rows.npz"
    np.savez(file, x=np.zeros((3, 2)), targets=np.array([["cat"], ["ant"], ["bee"]]))
    found = rows(file, head=CLASSES)

    assert found.inputs["x"].shape == (3, 2)
    assert found.targets["y"].tolist() == [[2], [0], [1]]


def test_whole_numbers_are_class_indices_where_labels_are_numbers_too_unless_csv_leaves_it_open(
    tmp_path: Path,
) -> None:
    shifted, same = Head("multiclass", "linear", ("1", "2", "0")), Head("multiclass", "linear", ("0", "1", "2"))
    for targets, told in (([1, 0], [1, 0]), (["1", "0"], [0, 2])):
        file = table(tmp_path / "rows.parquet", a=[1, 2], b=[1, 2], targets=targets)
        assert rows(file, head=shifted).targets["y"].tolist() == told
    file = table(tmp_path / "rows.csv", a=[1, 2], b=[1, 2], targets=[1, 0])
    assert rows(file, head=same).targets["y"].tolist() == [1, 0]
    with pytest.raises(InvalidRequestError, match=r"'0', '1' are labels of the head and could be class indices too"):
        rows(file, head=shifted)


def test_categories_and_decimals_are_read_and_pandas_index_is_no_column(tmp_path: Path) -> None:
    file = table(
        tmp_path / "rows.parquet",
        a=pa.array(["1.5", "2.5"]).cast(pa.decimal128(4, 2)),
        b=[True, False],
        targets=pa.array(["bee", "ant"]).dictionary_encode(),
        __index_level_0__=[5, 6],
    )
    found = rows(file, head=CLASSES)
    assert found.inputs["x"].tolist() == [[1.5, 1.0], [2.5, 0.0]]
    assert found.targets["y"].tolist() == [1, 0]


def test_rows_without_targets_are_read_where_none_are_asked_for(tmp_path: Path) -> None:
    found = read_rows(table(tmp_path / "rows.csv", a=[1], b=[2]), TWO, {"y": BINARY}, labelled=False)
    assert (found.inputs["x"].tolist(), found.targets) == ([[1, 2]], {})


def test_an_archive_that_does_not_fit_the_signature_is_told_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.npz"
    np.savez(file, image=np.zeros((3, 2)), targets=np.zeros(3))
    with pytest.raises(InvalidTensorError, match=r"rows.npz: unknown input 'image'"):
        rows(file)


def test_rows_take_the_inputs_dtype_so_that_those_of_two_files_can_be_the_same(tmp_path: Path) -> None:
    file = tmp_path / "rows.npz"
    np.savez(file, x=np.full((1, 2), 0.1, np.float64), targets=np.zeros(1))
    assert rows(file).inputs["x"].dtype == np.float32


BAD: dict[str, tuple[str, Head, str]] = {
    "empty cell": ("a,b,targets\n1,2,0\n1,,1\n", BINARY, "column 'b' is empty, NaN or null in row 1"),
    "text among numbers": (
        "a,b,targets\n1,2,0\n1,x,1\n",
        BINARY,
        "column 'b' holds 'x' in row 1: input 'x' takes numb",
    ),
    "too many columns": ("a,b,c,targets\n1,2,3,0\n", BINARY, "3 columns for input 'x', which takes 2 numbers a row"),
    "a gap": ("x.0,x.2,targets\n1,2,0\n", BINARY, "column 'x.1' is missing, but there is 'x.2'"),
    "too few numbered": ("x.0,targets\n1,0\n", BINARY, "1 columns for input 'x', which takes 2"),
    "no targets": ("a,b\n1,2\n", BINARY, "no column 'targets' or 'targets.y'"),
    "no targets by label": ("a,b\n1,2\n", LABELS, "or one column a label"),
    "unknown labels": ("a,b,targets\n1,2,ant\n1,2,dog\n1,2,eel\n", CLASSES, "holds 'dog' in row 1 (and 'eel')"),
    "empty target": ("a,b,targets\n1,2,ant\n1,2,\n", CLASSES, "column 'targets' holds '' in row 1: "),
    "empty index": ("a,b,targets\n1,2,0\n1,2,\n", CLASSES, "column 'targets' holds '' in row 1: "),
    "targets of another name": ("a,b,target\n1,2,0\n", BINARY, "what was true is expected in 'targets'"),
    "not finite": ("a,b,targets\n1,2,0\n1,inf,0\n", BINARY, "input 'x' holds inf at [1, 1]"),
    "other separators": ("a;b;targets\n1;2;0\n", BINARY, "separated by ';': commas are expected"),
    "a header only": ("a,b,targets\n", BINARY, "holds no rows"),
    "a label left out": ("a,b,rain\n1,2,1\n", LABELS, "a column 'rain' for its label, but none for 'snow'"),
    "no number a label": ("a,b,targets.rain,targets.snow\n1,2,1,x\n", LABELS, "holds 'x' in row 0: 0 or 1 a label"),
    "a column twice": ("a,a,targets\n1,2,0\n", BINARY, "column 'a' is there twice"),
    "ragged lines": ("a,b,targets\n1,2,0\n1,2\n", BINARY, "cannot be read as CSV with a header"),
    "nothing": ("", BINARY, "cannot be read as CSV with a header: Empty CSV file"),
    "targets only": ("targets\n1\n", BINARY, "holds no inputs"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_told_with_file_column_and_row(tmp_path: Path, case: str) -> None:
    content, head, reason = BAD[case]
    file = text(tmp_path / "rows.csv", content)
    with pytest.raises((InvalidRequestError, InvalidTensorError)) as refusal:
        rows(file, head=head)
    assert str(refusal.value).startswith(f"{file}: ")
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([[1.0, 2.0], [3.0]], "has lists of different lengths: 2 in row 0, 1 in row 1"),
        ([[1.0, 2.0], [3.0, None]], "is empty, NaN or null in row 1"),
        ([[], []], "has empty lists"),
        (pa.array([0, 1], pa.timestamp("ms")), r"is timestamp\[ms\]: numbers, texts, or lists of numbers"),
    ],
)
def test_a_parquet_column_that_is_no_array_is_told(tmp_path: Path, column: Any, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"column 'x' {reason}"):
        rows(table(tmp_path / "rows.parquet", x=column, targets=[0, 1]))


def test_no_input_by_name_is_told_with_the_models_inputs(tmp_path: Path) -> None:
    file = table(tmp_path / "rows.csv", a=[1], targets=[0])
    with pytest.raises(InvalidTensorError, match=r"no column is an input; the model's are 'u' .*, 'v' .*columns 'a'"):
        rows(file, takes(u=("float32", (None, 1)), v=("float32", (None, 1))))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.npz"])
def test_a_file_that_is_not_there_or_is_none_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name}: No such file"):
        rows(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xff\x00not")  # as numpy is asked, it would advise to unpickle it
    with pytest.raises((InvalidRequestError, InvalidTensorError), match=name):
        rows(tmp_path / name)
