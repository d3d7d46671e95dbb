"""What headwise's own call takes, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from headwise.api.card_forms import read_abstain, read_decision
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.heads.decisions import Abstain, Decision, Rule
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

Include = Literal["probabilities", "raw", "provenance", "intervals"]

_CHOICES = frozenset({"float", "str", "dict[str,union[float,str]]", "dict[str,float]"})
"""Parts of pydantic's paths that name a type, not a key."""
_BY_HEAD = "For a model with several heads an object keyed by head name."


class ClassifyOptions(BaseModel):
    """What a request may ask of the heads; it speaks before the card, option by option."""

    model_config = ConfigDict(extra="forbid", strict=True)

    threshold: float | str | dict[str, float | str] | None = Field(
        None,
        description="Binary and multilabel heads: a probability between 0 and 1, or a threshold that the card names. "
        f"Not beside `decision`. {_BY_HEAD}",
    )
    decision: Annotated[
        Rule | Mapping[str, Rule] | None,
        PlainValidator(read_decision, json_schema_input_type=Decision | dict[str, Decision] | None),
    ] = Field(None, description=f"A decision as cards write it, in place of the card's rule. {_BY_HEAD}")
    abstain: Annotated[
        Abstain | Mapping[str, Abstain] | None,
        PlainValidator(read_abstain, json_schema_input_type=Abstain | dict[str, Abstain] | None),
    ] = Field(
        None,
        description="When to give no answer, in place of the card's: below the probability `floor`, below the `margin` "
        "between the two largest, above the expected `cost`, or where the prediction `set` has not exactly one class. "
        f"An empty object answers every row. {_BY_HEAD}",
    )
    coverage: float | dict[str, float] | None = Field(
        None, description=f"Of the prediction sets: one for which the card has quantiles. {_BY_HEAD}"
    )
    top_k: int | None = Field(None, description="How many of the most probable classes to list as `top`.")
    include: list[Include] = Field(
        ["probabilities"],
        description="What to add to each answer. `intervals`: between which probabilities a Venn-Abers calibrator "
        "places that of the positive class, or of each label; null where the head has none.",
    )


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
    if "instances" in document and "inputs" in document:
        raise InvalidRequestError("instances and inputs are both given: send exactly one of them")
    head = {key: value for key, value in document.items() if key not in ("instances", "inputs")}
    try:
        body = ClassifyBody.model_validate(head)
    except ValidationError as error:
        # Of the reasons why no member of a union fits, the one that lies deepest names the key best.
        reason = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
        key = ".".join(str(part) for part in reason["loc"] if part not in _CHOICES)
        unknown = reason["type"] == "extra_forbidden"
        raise InvalidRequestError(f"{key}: {'there is no such key' if unknown else reason['msg']}") from error
    asked = body.options
    options = RequestOptions(asked.threshold, asked.top_k, asked.decision, asked.abstain, asked.coverage)
    return body.signature_name or DEFAULT_SIGNATURE, options, frozenset(asked.include)
