"""A scope grants what it says, and nothing that it does not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.access.scopes import VERBS, Scope

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=6)
PATTERNS = st.one_of(NAMES, NAMES.map(lambda name: f"{name}*"), st.just("*"))
ANY_NAME = st.one_of(NAMES, st.text(max_size=6))


@given(PATTERNS, st.sampled_from([*VERBS, "*"]))
def test_a_scope_is_read_back_from_its_text(model: str, verb: str) -> None:
    scope = Scope(model, verb)
    assert Scope.parse(str(scope)) == scope


@given(PATTERNS, st.sampled_from([*VERBS, "*"]), ANY_NAME, st.sampled_from(VERBS))
def test_it_covers_its_names_and_its_verb_alone(model: str, verb: str, asked: str, wanted: str) -> None:
    named = asked == model if "*" not in model else asked[: len(model) - 1] == model[:-1]
    assert Scope(model, verb).covers(wanted, asked) is (named and verb in ("*", wanted))  # type: ignore[arg-type]


@given(PATTERNS.filter(lambda pattern: pattern != "*"), st.sampled_from(VERBS))
def test_only_a_scope_of_all_models_covers_all_models(model: str, verb: str) -> None:
    assert not Scope(model, "*").covers(verb, "*")  # type: ignore[arg-type]
    assert Scope("*", verb).covers(verb, "*")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tumor",
        "model:tumor",
        "model:tumor:",
        "model::predict",
        "model:tu*mor:predict",
        "model:**:predict",
        "model:tumor:predict ",
        "model:tumor:predict\n",
        "model:a/b:predict",
        "model:tümor:predict",
        "Model:tumor:predict",
        "model:tumor:predict:more",
    ],
)
def test_what_is_no_scope_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="model:NAME:VERB is expected"):
        Scope.parse(text)


def test_a_verb_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="predict, metadata, admin"):
        Scope.parse("model:tumor:read")
    with pytest.raises(ValueError, match="predict, metadata, admin"):
        Scope("tumor", "read")
