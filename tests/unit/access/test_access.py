"""Nothing is allowed to a call that no boundary has let in; every check looks anew."""

import pytest

from headwise.access.caller import Credentials
from headwise.errors import PermissionDeniedError, RateLimitedError, UnauthenticatedError
from support.access import Keys

pytestmark = pytest.mark.anyio


async def test_a_call_that_nobody_let_in_may_do_nothing() -> None:
    keys = Keys()
    keys.add("model:*:*")
    access = keys.access()
    with pytest.raises(UnauthenticatedError):
        access.check("predict", "tumor")
    assert not access.may("metadata", "tumor")


async def test_a_refusal_says_what_the_key_has() -> None:
    keys = Keys()
    access = keys.access()
    access.authenticate(Credentials(keys.add("model:tumor:predict", "model:wine*:metadata")))
    access.check("predict", "tumor")
    with pytest.raises(
        PermissionDeniedError, match=r"'test' has no scope for predict of model 'wine'; it has .*wine\*"
    ):
        access.check("predict", "wine")


async def test_what_a_call_shows_is_looked_at_each_time() -> None:
    keys = Keys()
    access, text = keys.access(), keys.add("model:*:*")
    access.authenticate(Credentials(text))
    keys.revoke(text)
    with pytest.raises(UnauthenticatedError):
        access.check("predict", "tumor")


async def test_what_is_shown_where_all_is_open_is_not_counted() -> None:
    keys = Keys()
    access, text = keys.access(), keys.add("model:*:metadata", rate="1/day")
    for _ in range(3):
        access.show(Credentials(text))
        assert access.may("metadata", "tumor")
    access.authenticate(Credentials(text))
    with pytest.raises(RateLimitedError, match="may ask 1/day") as limited:
        access.count()
    assert limited.value.retry_after == pytest.approx(86400, abs=1)
