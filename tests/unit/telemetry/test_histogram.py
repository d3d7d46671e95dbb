"""Many figures at once count as each by itself would."""

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition

from headwise.telemetry.histogram import Histogram

BUCKETS = (0.1, 0.5, 1.0)


@given(st.lists(st.one_of(st.sampled_from([0.0, *BUCKETS]), st.floats(0, 3)), max_size=30))
def test_it_counts_as_the_librarys_does(amounts: list[float]) -> None:
    mine, its = CollectorRegistry(), CollectorRegistry()
    at_once = Histogram("h", "H.", ["l"], buckets=BUCKETS, registry=mine)
    at_once.labels("x").observe_all(amounts)
    one_by_one = prometheus_client.Histogram("h", "H.", ["l"], buckets=BUCKETS, registry=its)
    for amount in amounts:
        one_by_one.labels("x").observe(amount)
    one_by_one.labels("x")
    told, expected = (
        [line for line in generate_latest(of).decode().splitlines() if "_created" not in line] for of in (mine, its)
    )
    assert [line for line in told if "_sum" not in line] == [line for line in expected if "_sum" not in line]
    assert mine.get_sample_value("h_sum", {"l": "x"}) == pytest.approx(sum(amounts))


@pytest.mark.parametrize(("amount", "bucket"), [(0.05, "0.1"), (0.1, "0.1"), (0.2, "0.5"), (7.0, "+Inf")])
def test_an_amount_is_shown_in_its_bucket(amount: float, bucket: str) -> None:
    registry = CollectorRegistry()
    series = Histogram("h", "H.", ["l"], buckets=BUCKETS, registry=registry).labels("x")
    series.observe_all([amount])
    series.exemplify(amount, {"trace_id": "t"})
    told: bytes = exposition.generate_latest(registry)  # type: ignore[no-untyped-call]
    shown = [line for line in told.decode().splitlines() if "# {" in line]
    assert len(shown) == 1
    assert f'le="{bucket}"' in shown[0]
    assert f'# {{trace_id="t"}} {amount}' in shown[0]
