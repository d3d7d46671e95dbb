"""What a request may ask of the heads, as JSON spells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from headwise.api.card_forms import read_abstain, read_decision
from headwise.errors import InvalidRequestError
from headwise.gateway import RequestOptions
from headwise.heads.decisions import Abstain, Decision, Rule

M = TypeVar("M", bound=BaseModel)

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

    def of_request(self) -> RequestOptions:
        """What they ask of the heads."""
        return RequestOptions(self.threshold, self.top_k, self.decision, self.abstain, self.coverage)


def validated(model: type[M], form: Mapping[str, Any]) -> M:
    """A form as what it must be.

    Raises: InvalidRequestError naming the key.
    """
    try:
        return model.model_validate(form)
    except ValidationError as error:
        # Of the reasons why no member of a union fits, the one that lies deepest names the key best.
        reason = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
        key = ".".join(str(part) for part in reason["loc"] if part not in _CHOICES)
        if reason["type"] == "extra_forbidden":
            known = ClassifyOptions if reason["loc"][:-1] == ("options",) else model
            listed = f"; known are {', '.join(known.model_fields)}" if len(reason["loc"]) <= 2 else ""
            raise InvalidRequestError(f"{key}: there is no such key{listed}") from error
        raise InvalidRequestError(f"{key}: {reason['msg']}") from error
