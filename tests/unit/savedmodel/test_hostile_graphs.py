"""Files that no exporter writes: refused, or read with heads that are unknown; never for long, never a traceback."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise import savedmodel
from headwise.errors import UnreadableModelError
from headwise.savedmodel import UNKNOWN, reader
from headwise.tfserving import graph_pb2, saved_model_pb2
from support.graphs import detected, function, integers, node, read, saved_model
from support.recordings import MODELS

pytestmark = pytest.mark.timeout(30)
"""Each takes less than a second; what must not happen never ends."""
REAL = [(MODELS / name / "1" / "saved_model.pb").read_bytes() for name in ("logit", "examples", "pair", "dtypes")]

Part = graph_pb2.NodeDef | graph_pb2.FunctionDef


def chain(length: int) -> list[graph_pb2.NodeDef]:
    return [node("n0", "Identity", "y"), *(node(f"n{i}", "Identity", f"n{i - 1}") for i in range(1, length))]


def doubled(op: str, depth: int) -> list[graph_pb2.NodeDef]:
    """Each node reads the one before twice: 2 ** depth ways back."""
    return [node(f"d{i}", op, f"d{i - 1}", f"d{i - 1}", "axis") for i in range(1, depth)]


ENDLESS: dict[str, list[Part]] = {
    "a node that reads itself": [node("y", "Identity", "y")],
    "nodes that read each other": [node("y", "Reshape", "a", "a"), node("a", "Cast", "y")],
    "a product of itself": [node("y", "MatMul", "y", "y")],
    "a sum of itself": [node("y", "AddV2", "y", "y")],
    "a bias on itself": [node("y", "BiasAdd", "y", "b"), node("b", "ReadVariableOp")],
    "an activation of itself": [node("y", "Sigmoid", "y"), node("z", "Identity", "y")],
    "a transpose by an order that reads itself": [
        node("y", "Transpose", "p", "o", shape=[None, 2]),
        node("p", "Softmax", "p", shape=[None, 2]),
        node("o", "Identity", "o"),
    ],
    "a stack of itself": [node("y", "Pack", "y", "y")],
    "a function that calls itself": [
        node("y", "PartitionedCall", "x", calls="f"),
        function("f", ["x"], {"r": "c:output:0"}, node("c", "PartitionedCall", "x", calls="f")),
        node("x", "Placeholder"),
    ],
    "a function that calls itself with its own answer": [
        node("y", "f", "x"),
        function("f", ["x"], {"r": "c:r:0"}, node("c", "f", "c:r:0")),
        node("x", "Placeholder"),
    ],
    "functions that call each other": [
        node("y", "PartitionedCall", "x", calls="f"),
        function("f", ["x"], {"r": "c:output:0"}, node("c", "PartitionedCall", "x", calls="g")),
        function("g", ["x"], {"r": "c:output:0"}, node("c", "PartitionedCall", "x", calls="f")),
        node("x", "Placeholder"),
    ],
    "a long chain": [*chain(30_000), node("y", "Identity", "n29999")],
    "many ways back through sums": [node("y", "AddV2", "d39", "d39"), *doubled("AddV2", 40), node("d0", "MatMul")],
    "many ways back through joins": [
        *(node("y", "ConcatV2", "d14", "d14", "axis"), *doubled("ConcatV2", 15)),
        *(node("d0", "Sigmoid", "axis"), integers("axis", 1)),
    ],
}


@pytest.mark.parametrize("graph", ENDLESS)
def test_a_graph_without_end_is_left(tmp_path: Path, graph: str) -> None:
    head = detected(tmp_path, "y", [None, 2], *ENDLESS[graph])

    assert head.activation in (UNKNOWN, "sigmoid")
    assert head.beneath in (None, "sigmoid")
    assert len(head.path) <= 101


BROKEN: dict[str, tuple[str, list[Part], str]] = {
    "no tensor": ("", [], "there is no node "),
    "no such node": ("y:0", [], "there is no node y"),
    "an input that is missing": ("y", [node("y", "Identity", "gone")], "there is no node gone"),
    "no input": ("y", [node("y", "Identity")], "it has 0 inputs"),
    "no input but one to wait for": ("y", [node("y", "Identity", "^x"), node("x", "Placeholder")], "it has 0 inputs"),
    "no kernel": ("y", [node("y", "MatMul", "x"), node("x", "Placeholder")], "it has 1 inputs"),
    "an index that is none": ("y:zero", [node("y", "Sigmoid")], "zero is no output"),
    "an index below zero": ("y:-1", [node("y", "Sigmoid")], "-1 is no output"),
    "an index of many digits": ("y:" + "9" * 5000, [node("y", "Sigmoid")], "is no output"),
    "an index in other digits": ("y:²", [node("y", "Sigmoid")], "² is no output"),
    "an index too many": ("y:0:0:0", [node("y", "Sigmoid")], "0:0:0 is no output"),
    "no such function": ("y", [node("y", "PartitionedCall", calls="f")], "there is no function f"),
    "no function": ("y", [node("y", "PartitionedCall")], "there is no function "),
    "too few arguments": ("y", [node("y", "f"), function("f", ["x"], {"r": "x"})], "f takes 1 arguments, not 0"),
    "too many arguments": (
        "y",
        [node("y", "f", "a", "a"), function("f", ["x"], {"r": "x"}), node("a", "Sigmoid")],
        "f takes 1 arguments, not 2",
    ),
    "an output that is not returned": ("y:1", [node("y", "f"), function("f", [], {"r": "x"})], "f returns no output 1"),
    "a returned node that is missing": ("y", [node("y", "f"), function("f", [], {"r": "x:y:0"})], "there is no node x"),
    "a join of nothing": ("y", [node("y", "Pack")], "it joins nothing"),
    "a name that is long": ("n" * 10_000, [], "there is no node nnn"),
}


@pytest.mark.parametrize("graph", BROKEN)
def test_a_graph_that_leads_nowhere_is_unknown_and_says_why(tmp_path: Path, graph: str) -> None:
    tensor, parts, reason = BROKEN[graph]

    head = detected(tmp_path, tensor, [None, 2], *parts)

    assert head.activation == UNKNOWN
    assert head.units == 2
    assert reason in head.path[-1]
    assert len(head.path[-1]) < 200


def test_a_second_output_of_an_op_that_has_one_is_unknown(tmp_path: Path) -> None:
    for op in ("Sigmoid", "Softmax", "Identity", "Pack", "MatMul"):
        assert detected(tmp_path, "y:1", [None, 2], node("y", op, "x"), node("x", "Sigmoid")).activation == UNKNOWN


def test_a_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    head = detected(tmp_path, "y", [None, 2], node("y", "\x1b[2J\n", "x"))

    assert head.path[0] == "?[2J? y"


def test_many_outputs_of_an_endless_graph_cost_no_more_than_one(tmp_path: Path) -> None:
    outputs = {f"y{i}": ("y", [None, 2]) for i in range(2000)}

    heads = read(tmp_path, saved_model(outputs, node("y", "Identity", "y"))).detected["serving_default"]

    assert {head.activation for head in heads.values()} == {UNKNOWN}


def test_a_node_with_a_million_inputs_is_left(tmp_path: Path) -> None:
    wide = [node("y", "AddV2", *["a"] * 10**6), node("a", "AddV2", "y", "y"), node("b", "f", *["a"] * 10**6)]

    head = detected(tmp_path, "y", [None, 2], *wide, function("f", ["x"] * 10**5, {"r": "x"}))

    assert head.activation == UNKNOWN


def test_a_million_nodes_are_read_and_more_are_not_followed(tmp_path: Path) -> None:
    model = saved_model({"y": ("y", [None, 2])}, node("y", "Sigmoid", "y"))
    model.meta_graphs[0].graph_def.node.extend([graph_pb2.NodeDef()] * 1_000_000)

    assert read(tmp_path, model).detected["serving_default"]["y"].activation == "sigmoid"


@pytest.mark.parametrize("shape", [[-5, 2**62], [2**62], [None] * 5000])
def test_absurd_shapes_are_taken_as_they_are(tmp_path: Path, shape: list[int | None]) -> None:
    slicing = [
        *(node("y", "StridedSlice", "p", "at", shape=shape), integers("at", *range(40))),
        *(node("p", "Transpose", "q", "at", shape=shape), node("q", "Softmax", "q", shape=shape)),
    ]

    assert detected(tmp_path, "y", shape, *slicing).activation == UNKNOWN


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    for opening in (b"\x0b", b"\x12"):  # a group within a group; a message within a message
        content = b""
        for _ in range(5000):
            length = len(content)
            content = opening + (bytes([length & 127 | 128, length >> 7]) if opening == b"\x12" else b"") + content
            if length > 16_000:
                break
        (tmp_path / "saved_model.pb").write_bytes(content)
        with pytest.raises(UnreadableModelError):
            savedmodel.read(tmp_path)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "saved_model.pb"
    file.touch()
    os.truncate(file, reader.LARGEST_GRAPH + 1)

    with pytest.raises(UnreadableModelError, match=r"saved_model\.pb: 134217729 bytes; at most 134217728 are read"):
        savedmodel.read(tmp_path)


def test_a_file_that_only_says_that_it_is_small_is_refused() -> None:
    """Files of /proc say that they hold no bytes."""
    with pytest.raises(UnreadableModelError, match="at most 3 are read"):
        reader.content(Path("/proc/self/status"), 3)


def test_a_fingerprint_over_the_limit_is_none(tmp_path: Path) -> None:
    (tmp_path / "fingerprint.pb").touch()
    os.truncate(tmp_path / "fingerprint.pb", 2**33)

    assert reader.read_fingerprint(tmp_path) is None


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "saved_model.pb")

    with pytest.raises(UnreadableModelError, match="neither a file nor a folder"):
        savedmodel.read(tmp_path)


def test_what_the_system_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()

    for folder, words in (("loop", "Too many levels of symbolic links"), ("file", "Not a directory")):
        with pytest.raises(UnreadableModelError, match=f"saved_model.pb: {words}"):
            savedmodel.read(tmp_path / folder)
    with pytest.raises(UnreadableModelError, match="File name too long"):
        savedmodel.read(tmp_path / ("n" * 300))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real file with bytes changed, removed, repeated or swapped with those of another."""
    data = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(data)))
        end = at + draw(st.integers(0, 40))
        other = draw(st.sampled_from(REAL))
        start = draw(st.integers(0, len(other)))
        patch = draw(
            st.one_of(st.binary(max_size=8), st.just(other[start : start + 200]), st.just(bytes(data[at:end])))
        )
        data[at : draw(st.sampled_from([at, end, at + len(patch)]))] = patch
    return bytes(data)


@given(st.one_of(mutated(), st.binary(max_size=200)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "saved_model.pb").write_bytes(data)
        (Path(folder) / "fingerprint.pb").write_bytes(data)
        with suppress(UnreadableModelError):
            model = savedmodel.read(Path(folder))
            assert model.detected.keys() == model.signatures.keys()


WORDS = """a b c a:0 a:output:0 b:y:0 f g ^a x Identity MatMul AddV2 Pack Mul Sigmoid Softmax Reshape StridedSlice
Transpose ConcatV2 PartitionedCall IdentityN Cast Const BiasAdd Split Unpack RealDiv ReadVariableOp"""
TEXTS = st.sampled_from(["", *WORDS.split()])


@st.composite
def scrambled(draw: st.DrawFn) -> saved_model_pb2.SavedModel:
    """A graph of the right words in any order, so that most of it can be followed somewhere."""

    def any_node() -> graph_pb2.NodeDef:
        size = st.one_of(st.none(), st.integers(-2, 4))
        made = node(
            draw(TEXTS),
            draw(TEXTS),
            *draw(st.lists(TEXTS, max_size=4)),
            shapes=draw(st.lists(st.lists(size, max_size=3), max_size=2)),
            calls=draw(st.sampled_from(["f", "g", None])),
            numbers={"axis": draw(st.integers(-3, 3)), "shrink_axis_mask": draw(st.integers(-(2**63), 2**63 - 1))},
        )
        made.attr["value"].CopyFrom(integers("v", *draw(st.lists(st.integers(-3, 3), max_size=3))).attr["value"])
        return made

    functions = [
        function(name, draw(st.lists(TEXTS, max_size=2)), {"r": draw(TEXTS)}, *(any_node() for _ in range(3)))
        for name in ("f", "g")
    ]
    outputs = {str(i): (draw(TEXTS), draw(st.sampled_from([None, [], [None], [None, 2]]))) for i in range(3)}
    return saved_model(outputs, *(any_node() for _ in range(draw(st.integers(1, 8)))), *functions)


@given(scrambled())
def test_any_graph_is_followed_or_left(model: saved_model_pb2.SavedModel) -> None:
    with TemporaryDirectory() as folder:
        for head in read(Path(folder), model).detected["serving_default"].values():
            assert head.path
