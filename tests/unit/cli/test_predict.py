"""`headwise predict`: rows of a file to a running gateway, answers as a table or as JSON lines."""

import asyncio
import csv
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import uvicorn
from pyarrow import parquet
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from support.command_line import headwise
from support.in_memory_gateway import BINARY, Models

CLASSES = {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway on in-memory models, listening on a free port."""
    models = Models(tmp_path_factory.mktemp("models"))
    decision = {"rule": "threshold", "thresholds": {"screening": 0.1}}
    models.add("tumor", {"output_0": {**BINARY, "decision": decision}}, version=1)
    models.add("tumor", {"output_0": {**BINARY, "labels": ["no", "[b]yes[/b]"]}}, version=2)
    models.add("classes", {"output_0": CLASSES}, units=3)
    models.add("labels", {"output_0": {**CLASSES, "task": "multilabel"}}, units=3)
    models.add("values", {"output_0": {"task": "regression", "activation": "linear"}}, units=2)
    models.add("margin", {"output_0": {**BINARY, "activation": "tanh"}})
    sets = {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": 0.7}}
    decision = {"rule": "argmax", "abstain": {"set": True}, "prediction_set": sets}
    models.add("unsure", {"output_0": {**CLASSES, "activation": "softmax", "decision": decision}}, units=3)
    positions: Any = {"inputs": {"x": ("float32", (None, 2, 3))}, "outputs": {"output_0": ("float32", (None, 2, 3))}}
    models.add("positions", {"output_0": CLASSES}, **positions)
    models.add(
        "two",
        {"risk": BINARY, "kind": CLASSES},
        units=3,
        outputs={"risk": ("float32", (None, 1)), "kind": ("float32", (None, 3))},
        run=lambda inputs: {"risk": inputs["x"][:, :1], "kind": inputs["x"]},
    )
    app = create_app(asyncio.run(models.gateway()), Metrics(), timeout=10, max_body_bytes=2**20).app
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with capture_logs():  # the gateway's lines, which would stand among the command's own
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """600 rows: more than two calls carry."""
    file = tmp_path / "rows.npz"
    values = np.linspace(-3, 3, 600, dtype=np.float32)[:, None]
    np.savez(file, x=values, targets=np.zeros(600))
    return file


def body(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "body.json"
    file.write_text(json.dumps(document))
    return file


def test_every_row_of_an_npz_is_answered_in_order(url: str, rows: Path) -> None:
    ended = headwise("predict", url, "tumor/1", "--data", rows, "--json")
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, len(answers)) == (0, 600)
    assert [answer["index"] for answer in answers] == [0] * 300 + [1] * 300


def test_limit_threshold_and_top_k_reach_the_gateway(url: str, rows: Path) -> None:
    ended = headwise(
        "predict", url, "tumor/1", "--data", rows, "--json", "--limit", "2", "--threshold", "0.01", "--top-k", "1"
    )
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [answer["label"] for answer in answers] == ["malignant"] * 2
    assert [len(answer["top"]) for answer in answers] == [1, 1]
    named = headwise("predict", url, "tumor/1", "--data", rows, "--json", "--threshold", "screening")
    assert sum(json.loads(line)["index"] for line in named.out.splitlines()) > 300


def test_a_json_body_keeps_its_own_options(url: str, tmp_path: Path) -> None:
    file = body(tmp_path, {"instances": [[1.0, 2.0, 3.0]], "options": {"top_k": 2}})
    ended = headwise("predict", url, "classes", "--data", file, "--json")
    assert len(json.loads(ended.out)["top"]) == 2


@pytest.mark.parametrize(
    ("model", "row", "shown"),
    [
        ("tumor/2", [3.0], ["0 │ [b]yes[/b] │ 0.9526"]),
        ("margin", [0.5], ["row ┃ answer ┃ margin ┃", "0 │ malignant │ 0.5000"]),
        ("labels", [1.0, -1.0, 2.0], ["row ┃ answer ┃ probability ┃", "0 │ a, c │ 0.7311, 0.8808 │"]),
        ("labels", [-1.0, -1.0, -1.0], ["0 │ none │"]),
        ("unsure", [0.5, 0.25, 0.25], ["row ┃ answer ┃ probability ┃ set ┃", "0 │ a │ 0.5000 │ a │"]),
        ("unsure", [0.5, 0.5, 0.0], ["row ┃ answer ┃ set ┃", "0 │ abstained │ a, b │"]),
        ("values", [1.5, 2.5], ["0 │ 1.5, 2.5 │"]),
        ("two", [1.0, 2.0, 3.0], ["0 │ risk malignant │ 0.7311", "0 │ kind c │ 0.6652"]),
        ("positions", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], ["0.0 │ a │ 0.5761", "0.1 │ c │ 0.5761"]),
    ],
)
def test_the_table_shows_every_kind_of_answer(
    url: str, tmp_path: Path, model: str, row: list[Any], shown: list[str]
) -> None:
    ended = headwise("predict", url, model, "--data", body(tmp_path, {"instances": [row]}))
    assert ended.code == 0
    for line in shown:
        assert line in " ".join(ended.out.split()), ended.out


def test_the_table_shows_the_most_probable_classes_where_they_are_asked_for(url: str, tmp_path: Path) -> None:
    file = body(tmp_path, {"instances": [[1.0, 2.0, 3.0]]})
    ended = headwise("predict", url, "classes", "--data", file, "--top-k", "2")
    assert "0 │ c │ 0.6652 │ c 0.6652, b 0.2447 │" in " ".join(ended.out.split()), ended.out


def test_a_body_that_wants_no_probabilities_is_shown_without_them(url: str, tmp_path: Path) -> None:
    file = body(tmp_path, {"instances": [[1.0, -1.0, 1.0]], "options": {"include": []}})
    ended = headwise("predict", url, "labels", "--data", file)
    assert "0 │ a, c │" in " ".join(ended.out.split()), ended.out


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_a_threshold_that_is_no_number_is_wrong_usage(url: str, rows: Path, value: str) -> None:
    ended = headwise("predict", url, "tumor", "--data", rows, f"--threshold={value}")
    assert (ended.code, ended.out) == (2, "")
    assert f"{value} is no probability" in ended.err


def test_numbers_that_json_cannot_carry_are_refused_with_their_array(url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.npz"
    np.savez(file, x=np.array([[1.0], [np.nan]]))
    ended = headwise("predict", url, "tumor", "--data", file)
    assert (ended.code, ended.out) == (1, "")
    assert f"{file}: array 'x' holds NaN or infinity" in ended.err


def test_what_the_gateway_refuses_ends_with_1_and_its_words(url: str, rows: Path) -> None:
    for model, text in (
        ("tumour", "there is no model 'tumour'; did you mean tumor?"),
        ("classes", "input 'x' is float32"),
        ("a b?", "there is no model 'a b?'"),
    ):
        ended = headwise("predict", url, model, "--data", rows)
        assert (ended.code, ended.out) == (1, "")
        assert text in ended.err
        assert "Traceback" not in ended.err


def broken_files(folder: Path) -> dict[str, Path]:
    """Files that hold no rows."""
    contents = {
        "empty.npz": b"",
        "text.npz": b"no archive",
        "torn.npz": b"PK\x03\x04torn",
        "text.json": b"{",
        "list.json": b"[1]",
        "options.json": b'{"instances": [[1]], "options": 3}',
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    np.savez(folder / "targets.npz", targets=np.zeros(3))
    np.savez(folder / "scalar.npz", x=np.float32(3))
    np.savez(folder / "uneven.npz", x=np.zeros((3, 1)), y=np.zeros((2, 1)))
    np.savez(folder / "rowless.npz", x=np.zeros((0, 1)))
    np.savez(folder / "bytes.npz", x=np.array([b"a"]))
    with (folder / "single.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    return {file.name: file for file in folder.iterdir()} | {"missing.npz": folder / "missing.npz"}


def test_files_without_rows_end_with_1_and_their_name(url: str, tmp_path: Path) -> None:
    for name, file in broken_files(tmp_path).items():
        ended = headwise("predict", url, "tumor", "--data", file)
        assert (ended.code, ended.out) == (1, ""), name
        assert ended.err.startswith("headwise: "), name
        assert name in ended.err or name == "bytes.npz"


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "-1"], ["--top-k", "0"]])
def test_numbers_below_one_are_wrong_usage(url: str, rows: Path, arguments: list[str]) -> None:
    assert headwise("predict", url, "tumor", "--data", rows, *arguments).code == 2


def test_limit_takes_the_first_rows(url: str, tmp_path: Path) -> None:
    file = body(tmp_path, {"instances": [[1.0], [-1.0], [2.0]]})
    ended = headwise("predict", url, "tumor", "--data", file, "--limit", "2", "--json")
    assert [json.loads(line)["index"] for line in ended.out.splitlines()] == [1, 0]


@pytest.mark.parametrize("url", ["127.0.0.1:1", "http://127.0.0.1:1", "grpc://127.0.0.1:1"])
def test_no_gateway_ends_with_1(url: str, rows: Path) -> None:
    ended = headwise("predict", url, "tumor", "--data", rows, "--timeout", "1")
    assert ended.code == 1
    assert "no gateway answers at" in ended.err or "did not answer within" in ended.err


@pytest.mark.parametrize("url", ["http://host:port", "ftp://127.0.0.1", "grpc://host"])
def test_addresses_that_are_none_are_wrong_usage(url: str, rows: Path) -> None:
    ended = headwise("predict", url, "tumor", "--data", rows)
    assert (ended.code, ended.out) == (2, "")
    assert url in ended.err


class Stranger(BaseHTTPRequestHandler):
    """Answers every GET with the status and body that its path names."""

    def do_GET(self) -> None:
        _, status, content, *_ = self.path.split("/")
        self.send_response(int(status))
        self.end_headers()
        self.wfile.write({"html": b"<html>", "list": b"[]", "object": b"{}", "none": b""}[content])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("content", ["html", "list", "object", "none"])
@pytest.mark.parametrize(("status", "text"), [(200, "is it a headwise gateway?"), (500, "status 500, and no reason")])
def test_a_server_that_is_no_gateway_is_told(rows: Path, status: int, text: str, content: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ended = headwise("predict", f"127.0.0.1:{server.server_port}/{status}/{content}", "tumor", "--data", rows)
        thread.join(10)
    assert ended.code == 1
    assert text in ended.err


ROWS = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]


def files(folder: Path) -> dict[str, Path]:
    """The same rows in every kind of file."""
    array = np.array(ROWS, np.float32)
    (folder / "rows.csv").write_text("x.0,x.1,x.2\n" + "\n".join(",".join(map(str, row)) for row in ROWS))
    parquet.write_table(pyarrow.table({f"x.{n}": array[:, n] for n in range(3)}), folder / "rows.parquet")
    (folder / "rows.ndjson").write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    (folder / "named.jsonl").write_text("\n".join(json.dumps({"x": row}) for row in ROWS))
    (folder / "rows.json").write_text(json.dumps({"inputs": {"x": ROWS}}))
    np.savez(folder / "rows.npz", x=array.astype(np.float64))
    np.save(folder / "rows.npy", array)
    return {file.name: file for file in folder.iterdir()}


def test_every_kind_of_file_gives_the_same_answers(url: str, tmp_path: Path) -> None:
    found = {
        name: headwise("predict", url, "classes", "--data", file, "--json") for name, file in files(tmp_path).items()
    }
    assert len(found) == 7
    assert {(ended.code, ended.err) for ended in found.values()} == {(0, "")}, found
    assert len({ended.out for ended in found.values()}) == 1
    assert [json.loads(line)["label"] for line in found["rows.csv"].out.splitlines()] == ["c", "a"]


def test_rows_come_from_standard_input(url: str) -> None:
    for text in ("\n".join(map(json.dumps, ROWS)), json.dumps({"instances": ROWS})):
        command = [sys.executable, "-m", "headwise", "predict", url, "classes", "--data", "-", "--json"]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        assert [json.loads(line)["label"] for line in ended.stdout.splitlines()] == ["c", "a"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_card_of_a_served_model_is_shown(url: str, more: list[str]) -> None:
    ended = headwise("card", "show", url, "tumor/1", *more)
    assert ended.code == 0
    assert "screening" in ended.out
    assert headwise("card", "show", url).code == 2
    assert "no model 'nobody'" in headwise("card", "show", url, "nobody").err


@pytest.mark.parametrize("model", ["classes", "labels", "two", "values", "unsure"])
def test_answers_are_written_to_every_kind_of_file(url: str, tmp_path: Path, model: str) -> None:
    data = body(tmp_path, {"instances": [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]][:2]})
    if model == "values":
        data = body(tmp_path, {"instances": [[0.5, 0.25], [0.5, 0.5]]})
    lines = headwise("predict", url, model, "--data", data, "--json").out.splitlines()
    rows = [json.loads(line) for line in lines]
    for ending in ("json", "ndjson", "npz", "csv", "parquet"):
        out = tmp_path / f"out.{ending}"
        ended = headwise("predict", url, model, "--data", data, "--out", out)
        assert (ended.code, ended.out) == (0, ""), ended.err
        assert ended.err.startswith("2 rows answered by")
    assert json.loads((tmp_path / "out.json").read_text())["predictions"] == rows
    assert [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()] == rows
    with (tmp_path / "out.csv").open(newline="") as file:
        header, *table = csv.reader(file)
    columns = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert list(columns) == header
    assert len(table) == 2
    arrays = np.load(tmp_path / "out.npz")
    assert arrays["model_version"] == 1
    if model == "classes":
        assert header == ["label", "probability.a", "probability.b", "probability.c"]
        np.testing.assert_array_equal([row["probabilities"] for row in rows], arrays["probabilities"])
        np.testing.assert_array_equal(np.array(table)[:, 1:].astype(float), arrays["probabilities"])
    if model == "unsure":
        assert columns["label"] == ["a", None]
    assert not list(tmp_path.glob(".*part"))


def test_the_most_probable_classes_are_columns_too(url: str, tmp_path: Path) -> None:
    data, out = body(tmp_path, {"instances": ROWS}), tmp_path / "out.csv"
    assert headwise("predict", url, "classes", "--data", data, "--top-k", "2", "--out", out).code == 0
    with out.open(newline="") as file:
        first, _ = csv.DictReader(file)
    assert (first["label"], first["top.1"], first["top.2"]) == ("c", "c", "b")


def test_a_table_without_names_is_refused(url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    np.savetxt(file, ROWS, delimiter=",")
    ended = headwise("predict", url, "classes", "--data", file)
    assert (ended.code, ended.out) == (1, "")
    assert "a header is expected" in ended.err


def test_a_file_of_another_kind_is_wrong_usage(url: str, rows: Path, tmp_path: Path) -> None:
    ended = headwise("predict", url, "tumor", "--data", rows, "--out", tmp_path / "out.xlsx")
    assert ended.code == 2
    assert ".parquet" in ended.err


def test_a_folder_that_is_not_there_keeps_the_answers_back(url: str, rows: Path, tmp_path: Path) -> None:
    ended = headwise("predict", url, "tumor", "--data", rows, "--out", tmp_path / "none" / "out.csv")
    assert ended.code == 1
    assert "cannot be written" in ended.err
