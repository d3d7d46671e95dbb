"""An error has the form of its path, whoever tells of it."""

import json

import pytest

from headwise.api.rest.refusals import Form, form_of, refusal_at
from headwise.api.status import INTERNAL_TEXT
from headwise.errors import MethodNotAllowedError

PATHS = {
    "/": Form.PROBLEM,
    "/livez": Form.PROBLEM,
    "/v1": Form.PROBLEM,
    "/v1/models": Form.PROBLEM,
    "/v1/models/m:classify": Form.PROBLEM,
    "/v1/models/m/versions/1/head": Form.PROBLEM,
    "/v1/models/m/labels/a/reliability": Form.PROBLEM,
    "/v1/models/m": Form.TFS,
    "/v1/models/m:predict": Form.TFS,
    "/V1/MODELS/m:regress": Form.TFS,
    "/v1/models/m/metadata": Form.TFS,
    "/v1/else": Form.TFS,
    "/v2": Form.V2,
    "/v2/models/m/infer": Form.V2,
    "/v20": Form.PROBLEM,
}
TEXTS = {Form.PROBLEM: "detail", Form.TFS: "error", Form.V2: "error"}


@pytest.mark.parametrize(("path", "form"), PATHS.items())
def test_an_error_has_the_form_of_its_path(path: str, form: Form) -> None:
    assert form_of(path) is form
    refused = refusal_at(path, "id", MethodNotAllowedError("not so", ("GET", "POST")))
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    assert json.loads(bytes(refused.body))[TEXTS[form]] == "not so"


@pytest.mark.parametrize("path", ["/livez", "/v1/models/m:predict", "/v2"])
def test_an_error_that_nobody_expected_keeps_its_details(path: str) -> None:
    refused = refusal_at(path, "id", ZeroDivisionError("a secret"))
    assert refused.status_code == 500
    assert json.loads(bytes(refused.body))[TEXTS[form_of(path)]] == INTERNAL_TEXT
