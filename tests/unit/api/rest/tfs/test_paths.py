"""Paths are read as TensorFlow Serving reads them."""

import pytest

from headwise.api.rest.tfs.answers import Answer, page
from headwise.api.rest.tfs.paths import Call, resolve
from headwise.repository.model_spec import ModelSpec


@pytest.mark.parametrize(
    ("method", "target", "verb", "spec"),
    [
        ("POST", "/v1/models/m:predict", "predict", ModelSpec("m")),
        ("POST", "/v1/models/m:classify", "classify", ModelSpec("m")),
        ("POST", "/v1/models/m:regress", "regress", ModelSpec("m")),
        ("POST", "/V1/MODELS/M/Versions/0002:predict", "predict", ModelSpec("M", 2)),
        ("POST", "/v1/models/m/labels/st%61ble:predict", "predict", ModelSpec("m", label="stable")),
        ("POST", "/v1/models/a%2Fb%3Ac+%C3%A8:predict", "predict", ModelSpec("a/b:c+è")),
        ("GET", "/v1/models/m", "status", ModelSpec("m")),
        ("GET", "/v1/models/m?verbose=1", "status", ModelSpec("m?verbose=1")),
        ("GET", "/v1/models/m/versions/9223372036854775807", "status", ModelSpec("m", 2**63 - 1)),
        ("GET", "/v1/models/m/labels/x/metadata", "metadata", ModelSpec("m", label="x")),
        ("GET", "/v1/models/m/METADATA", "status", ModelSpec("m")),
        ("GET", "/v1/models/metadata", "status", ModelSpec("metadata")),
        ("GET", "/v1/models/%ff", "status", ModelSpec("\ufffd")),
    ],
)
def test_a_path_names_verb_model_version_and_label(method: str, target: str, verb: str, spec: ModelSpec) -> None:
    call = resolve(method, target)
    assert isinstance(call, Call)
    assert (call.verb, call.spec) == (verb, spec)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:predict?x=1"),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m/versions/-1:predict"),
        ("POST", "/v1/models/m/versions/٣:predict"),
        ("POST", "/v1/models/m/versions/2/labels/x:predict"),
        ("GET", "/v1/models/m/"),
        ("GET", "/v1/foo"),
        ("PUT", "/v1/models/m:predict"),
    ],
)
def test_anything_else_below_v1_is_malformed_and_quoted_undecoded(method: str, target: str) -> None:
    answer = resolve(method, target)
    assert isinstance(answer, Answer)
    assert answer.status == 400
    assert answer.body.decode() == f'{{\n    "error": "Malformed request: {method} {target}"\n}}'


@pytest.mark.parametrize("target", ["/", "/v1", "/v2/health/ready", "/v0/models/m:predict"])
def test_paths_outside_v1_get_the_page_of_the_http_library(target: str) -> None:
    assert resolve("GET", target) == page(404)


@pytest.mark.parametrize("target", ["/v1/models/m%zz:predict", "/v1/models/m%4", "/v1/models/m?x=%"])
def test_a_broken_escape_is_a_bad_request_page(target: str) -> None:
    assert resolve("POST", target) == page(400)


def test_a_method_that_the_http_library_does_not_know_is_not_implemented() -> None:
    assert resolve("TRACE", "/v1/models/m") == page(501)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_version_beyond_int64_is_refused_without_a_word(method: str) -> None:
    verb = ":predict" if method == "POST" else ""
    assert resolve(method, f"/v1/models/m/versions/9223372036854775808{verb}") == Answer(400, b"")


def test_a_request_without_model_is_told_so() -> None:
    answer = resolve("GET", "/v1/models")
    assert isinstance(answer, Answer)
    assert b"Missing model name in request." in answer.body


@pytest.mark.parametrize(
    ("origin", "status"), [("http://a", 200), ("https://a", 200), ("null", 400), ("", 400), ("file://x", 400)]
)
def test_options_is_answered_by_origin_alone(origin: str, status: int) -> None:
    answer = resolve("OPTIONS", "/v1/zzz", origin)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (status, b"")


def test_head_is_refused() -> None:
    assert resolve("HEAD", "/v1/models/m") == Answer(400, b"")


def test_more_digits_than_python_reads_are_a_version_that_is_too_large() -> None:
    """As every version above int64."""
    assert resolve("GET", f"/v1/models/m/versions/{2**63}") == resolve("GET", f"/v1/models/m/versions/{'1' * 5000}")
