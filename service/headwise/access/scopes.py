"""What a caller may do: `model:NAME:VERB`, one scope a permission; what no scope grants is denied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

Verb = Literal["predict", "metadata", "admin"]
VERBS: tuple[Verb, ...] = get_args(Verb)

EVERY = "*"
"""As a scope's model every model, as its verb every verb; as the model that is asked for, all that there are."""

_SCOPE = re.compile(r"model:(?P<model>[A-Za-z0-9._-]+\*?|\*):(?P<verb>[a-z]+|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """A permission. model: a name, or the beginning of names with * behind it. verb: one of VERBS, or EVERY."""

    model: str
    verb: str

    def __post_init__(self) -> None:
        text = str(self)
        _parts(text)
        if self.verb != EVERY and self.verb not in VERBS:
            raise ValueError(f"scope {text}: the verb must be one of {', '.join(VERBS)}, or *")

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Raises: ValueError that says what is expected."""
        found = _parts(text)
        return cls(found["model"], found["verb"])

    def __str__(self) -> str:
        return f"model:{self.model}:{self.verb}"

    def covers(self, verb: Verb, model: str) -> bool:
        """Whether it grants the verb for the model."""
        if self.verb not in (verb, EVERY):
            return False
        return model.startswith(self.model[:-1]) if self.model.endswith(EVERY) else model == self.model


def _parts(text: str) -> re.Match[str]:
    found = _SCOPE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no scope: model:NAME:VERB is expected, NAME may be * or end with it")
    return found
