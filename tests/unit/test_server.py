"""The loop that serves."""

import gc

from headwise.server import run_loop


def test_what_was_imported_is_no_longer_looked_through_for_garbage() -> None:
    found: list[int] = []

    async def main() -> None:
        found.append(gc.get_freeze_count())

    try:
        run_loop(main())
    finally:
        gc.unfreeze()
    assert found[0] > 10_000
