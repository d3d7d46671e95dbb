"""What headwise's own call takes, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headwise.api.options import ClassifyOptions, Include, validated
from headwise.errors import InvalidRequestError
from headwise.gateway import NO_OPTIONS, RequestOptions
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


class ClassifyBody(BaseModel):
    """Exactly one of `instances` (a row each) and `inputs` (columns)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instances: list[Any] | None = Field(None, description="Rows: values, or objects keyed by input name.")
    inputs: Any = Field(None, description="Columns: one array, or an object of arrays keyed by input name.")
    signature_name: str = Field(DEFAULT_SIGNATURE, description="The SavedModel's signature.")
    options: ClassifyOptions = Field(default_factory=ClassifyOptions)


def read_options(document: Mapping[str, Any]) -> tuple[str, RequestOptions, frozenset[Include]]:
    """signature_name, options and what to include, of a body that holds `instances` or `inputs`.

    Raises: InvalidRequestError naming the key.
    """
    if len(document) == 1:  # the rows alone, as most requests have them
        return DEFAULTS
    if "instances" in document and "inputs" in document:
        raise InvalidRequestError("instances and inputs are both given: send exactly one of them")
    head = {key: value for key, value in document.items() if key not in ("instances", "inputs")}
    body = validated(ClassifyBody, head)
    return body.signature_name or DEFAULT_SIGNATURE, body.options.of_request(), frozenset(body.options.include)


DEFAULTS = (DEFAULT_SIGNATURE, NO_OPTIONS, frozenset(ClassifyOptions().include))
