from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.errors import DataError
from eddy.producers import demand, prices
from eddy.producers.labels import label_messages, read_labels, write_labels
from eddy.producers.synthetic import DAY_MS, SyntheticStream, blocks, generate, generate_small


@pytest.fixture(scope="module")
def stream() -> SyntheticStream:
    return generate()


def test_the_default_stream_has_the_size_of_the_demo(stream: SyntheticStream) -> None:
    assert sum(name.startswith("taxi-") for name in stream.names) >= 50
    assert sum(name.startswith("market-") for name in stream.names) >= 10
    assert 100_000 <= len(stream.live) <= 150_000
    assert 100 <= len(stream.labels) <= 150
    taxi = Counter(label.kind for label in stream.labels if label.series.startswith("taxi"))
    market = Counter(label.kind for label in stream.labels if label.series.startswith("market"))
    assert set(taxi) == set(demand.KINDS)
    assert set(market) == set(prices.KINDS)
    assert max(taxi.values()) - min(taxi.values()) <= 1


def test_live_part_follows_the_training_part_without_a_gap(stream: SyntheticStream) -> None:
    assert np.all(np.diff(stream.live.ts) >= 0)
    for name in stream.names:
        train, live, step = stream.train[name], stream.live_series(name), stream.intervals[name]
        ts = np.concatenate([train.ts, live.ts])
        assert ts.dtype == np.int64
        assert np.all(np.diff(ts) == step)
        assert np.all(np.isfinite(live.values))
        assert np.all(live.values >= 0)


def test_stream_depends_only_on_the_seed() -> None:
    one, two, other = generate_small(1), generate_small(1), generate_small(2)
    assert one.labels == two.labels
    np.testing.assert_array_equal(one.live.values, two.live.values)
    assert one.labels != other.labels


def test_series_does_not_depend_on_the_incidents_of_others() -> None:
    clean = generate_small(3)
    stream = generate(3, taxi=4, market=2, train_days=14, live_days=14, taxi_incidents=0, market_incidents=0)
    for name in clean.names:
        np.testing.assert_array_equal(clean.train[name].values, stream.train[name].values)
        live, own = clean.live_series(name), [label for label in clean.labels if label.series == name]
        inside = np.zeros(len(live.ts), bool)
        for label in own:
            inside |= (live.ts >= label.start) & (live.ts <= label.end)
        changed = live.values != stream.live_series(name).values
        assert changed[inside].any() or not own
        if name.startswith("taxi"):  # a jump of a price stays
            assert not changed[~inside].any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), gap=st.floats(0.5, 2))
def test_incidents_are_separated_and_inside_the_live_part(seed: int, gap: float) -> None:
    stream = generate(
        seed, taxi=3, market=2, train_days=7, live_days=14, lead_in_days=2, taxi_incidents=5, market_incidents=4,
        gap_days=gap,
    )  # fmt: skip
    assert len(stream.labels) == 9
    last: dict[str, int] = {}
    for label in stream.labels:
        assert stream.live.ts[0] + 2 * DAY_MS <= label.start <= label.end <= stream.live.ts[-1]
        assert label.start - last.get(label.series, -(10**15)) > gap * DAY_MS * 0.9
        last[label.series] = label.end


def test_spikes_and_drops_differ_from_the_same_time_in_other_weeks(stream: SyntheticStream) -> None:
    week = 7 * DAY_MS
    for label in stream.labels:
        if label.series.startswith("taxi") and label.kind in ("spike", "drop"):
            train, live = stream.train[label.series], stream.live_series(label.series)
            middle = (label.start + label.end) // 2 // stream.intervals[label.series] * stream.intervals[label.series]
            usual = train.values[train.ts % week == middle % week]
            seen = live.values[live.ts == middle][0]
            assert (seen > usual.max() * 1.15) if label.kind == "spike" else (seen < usual.min() * 0.5)


def test_frozen_sensor_repeats_one_value(stream: SyntheticStream) -> None:
    for label in stream.labels:
        if label.kind == "frozen":
            live = stream.live_series(label.series)
            assert len(set(live.values[(live.ts >= label.start) & (live.ts <= label.end)])) == 1


def test_too_many_incidents_are_refused() -> None:
    with pytest.raises(DataError, match="no room"):
        generate(0, taxi=1, market=0, train_days=7, live_days=8, lead_in_days=1, taxi_incidents=40)


def test_blocks_cover_the_stream() -> None:
    live = generate_small().live
    assert sum(len(block) for block in blocks(live, 1000)) == len(live)


def test_labels_survive_writing_and_reading(tmp_path: Path) -> None:
    labels = list(generate_small().labels)
    write_labels(tmp_path / "new" / "labels.json", labels, seed=7)
    assert read_labels(tmp_path / "new" / "labels.json") == labels
    assert [key for key, _ in label_messages(labels)] == [label.series.encode() for label in labels]


@pytest.mark.parametrize("content", ["{", "[]", '{"labels": [{"series": "a"}]}'])
def test_broken_labels_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"labels\.json"):
        read_labels(path)
