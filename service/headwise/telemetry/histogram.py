"""A histogram that takes many figures at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import prometheus_client


class Histogram(prometheus_client.Histogram):
    """One value of the library's costs two locks and a search from the first bucket; here a bucket costs a lock."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """As `observe` with each; of a series, not of a family that has labels."""
        bounds, buckets = self._upper_bounds, self._buckets
        counts: dict[int, int] = {}
        for amount in amounts:
            index = bisect_left(bounds, amount)
            counts[index] = counts.get(index, 0) + 1
        for index, count in counts.items():
            buckets[index].inc(count)
        self._sum.inc(sum(amounts))
