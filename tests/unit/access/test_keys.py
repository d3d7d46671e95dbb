"""Who shows a key is whose key it is; who shows anything else is nobody."""

import hashlib
import re
from datetime import timedelta

import pytest

from headwise.access.caller import Credentials, presented
from headwise.access.keys import KeyAuthenticator, Ring, digest, make_text
from headwise.errors import UnauthenticatedError
from support.access import NOW, Keys, make_key


def test_a_key_has_an_id_and_256_random_bits_and_is_kept_as_its_hash() -> None:
    identity, text = make_text()
    assert re.fullmatch(rf"hw_{identity}_[A-Za-z0-9_-]{{43}}", text)
    assert digest(text) == hashlib.sha256(text.encode()).hexdigest()
    assert len({make_text()[1] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("authorization", "api_key", "token"),
    [
        ("Bearer abc", None, "abc"),
        ("bearer  abc ", None, "abc"),
        (None, "abc", "abc"),
        ("Bearer abc", "def", "abc"),
        ("Basic dXNlcg==", "def", "def"),
        ("Basic dXNlcg==", None, None),
        ("Bearer", None, ""),
        ("", None, None),
        (None, None, None),
    ],
)
def test_a_token_is_read_from_either_header(authorization: str | None, api_key: str | None, token: str | None) -> None:
    assert presented(authorization, api_key).token == token


def test_the_right_text_alone_shows_a_key_and_is_remembered() -> None:
    key, text = make_key("model:*:predict")
    ring = Ring([key])
    for _ in range(2):
        assert ring.find(Credentials(text)) is key
    swapped = text[:-1] + ("A" if text[-1] != "A" else "B")
    for other in (swapped, text + "A", text.upper(), f" {text}", "", "hw", make_text()[1]):
        with pytest.raises(UnauthenticatedError) as refused:
            ring.find(Credentials(other))
        assert text[12:] not in str(refused.value)
        assert len(other) < 3 or other not in str(refused.value)


def test_a_revoked_key_and_one_that_never_was_are_refused_alike() -> None:
    keys = Keys()
    revoked = keys.add("model:*:*")
    keys.revoke(revoked)
    said = set()
    for text in (revoked, make_text()[1]):
        with pytest.raises(UnauthenticatedError) as refused:
            keys.ring.find(Credentials(text))
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_certificate_stands_for_its_key_unless_a_token_is_shown() -> None:
    by_certificate, _ = make_key("model:*:predict", certificate="robot")
    other, text = make_key("model:*:*")
    ring = Ring([by_certificate, other])
    assert ring.find(Credentials(certificate="robot")) is by_certificate
    assert ring.find(Credentials(text, "robot")) is other
    for wrong in (Credentials("nonsense", "robot"), Credentials("", "robot"), Credentials(certificate="stranger")):
        with pytest.raises(UnauthenticatedError):
            ring.find(wrong)


def test_a_key_of_a_certificate_has_no_text() -> None:
    key, text = make_key("model:*:*", certificate="robot")
    with pytest.raises(UnauthenticatedError):
        Ring([key]).find(Credentials(text))


def test_a_key_ends_when_it_says() -> None:
    keys = Keys()
    text = keys.add("model:*:*", expires=NOW + timedelta(seconds=1))
    now = [NOW.timestamp()]
    authenticator = KeyAuthenticator(lambda: keys.ring, lambda: now[0])
    assert authenticator.caller(Credentials(text)).name == "test"
    now[0] += 1
    with pytest.raises(UnauthenticatedError, match=r"expired at 2030-01-01T00:00:01"):
        authenticator.caller(Credentials(text))


def test_a_ring_holds_each_id_and_each_certificate_once() -> None:
    key, _ = make_key("model:*:*")
    with pytest.raises(ValueError, match=f"id {key.id} is there twice"):
        Ring([key, key])
    robots = [make_key("model:*:*", certificate="robot")[0] for _ in range(2)]
    with pytest.raises(ValueError, match="certificate robot is there twice"):
        Ring(robots)
