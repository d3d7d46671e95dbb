"""A caller's request id is taken only where it is harmless wherever it will stand."""

import re
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from headwise.api.request_id import request_id

HARMLESS = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=128).filter(
    lambda text: text[0] not in "._-"
)
GENERATED = re.compile(r"[0-9a-f]{32}")


@given(HARMLESS)
def test_a_harmless_one_is_kept(text: str) -> None:
    assert request_id(text) == text


@settings(max_examples=1000)
@given(st.text(st.characters(exclude_categories=())) | st.from_regex(r"[a-z]{1,5}[\n\r\x1b\u2028 \ud800é]"))
def test_any_other_is_replaced(text: str) -> None:
    found = request_id(text)
    assert found.isascii()
    assert found.isprintable()
    assert len(found) <= 128
    assert found == text or GENERATED.fullmatch(found)
    assert found != text or re.fullmatch(r"[A-Za-z0-9._-]+", text)


def test_none_is_made_up_and_never_twice_the_same() -> None:
    assert GENERATED.fullmatch(request_id(None))
    assert request_id(None) != request_id("")
