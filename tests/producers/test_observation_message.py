from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.errors import DataError
from eddy.observation import Observations

NUMBERS = st.one_of(st.just(math.nan), st.floats(allow_infinity=False, allow_nan=False))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def same(found: float | None, given_value: float) -> bool:
    return found is None if math.isnan(given_value) else found == given_value


@given(name=NAMES, rows=st.lists(st.tuples(st.integers(0, 4 * 10**12), NUMBERS), max_size=5))
def test_single_value_survives_json_exactly(name: str, rows: list[tuple[int, float]]) -> None:
    block = Observations(
        [name],
        np.zeros(len(rows), np.int32),
        np.array([ts for ts, _ in rows], np.int64),
        np.array([[v] for _, v in rows], float).reshape(-1, 1),
    )
    assert block.keys() == [name.encode()] * len(rows)
    for message, (ts, value) in zip(block.encode(), rows, strict=True):
        read = json.loads(message)
        assert set(read) == {"series", "ts", "value"}
        assert (read["series"], read["ts"]) == (name, ts)
        assert same(read["value"], value)


@given(features=st.lists(NAMES, min_size=1, max_size=4, unique=True), data=st.data())
def test_named_features_survive_json_exactly(features: list[str], data: st.DataObject) -> None:
    row = [data.draw(NUMBERS) for _ in features]
    block = Observations(["s"], np.zeros(1, np.int32), np.ones(1, np.int64), np.array([row]), tuple(features))
    read = json.loads(block.encode()[0])
    assert list(read["values"]) == features
    assert all(same(read["values"][name], value) for name, value in zip(features, row, strict=True))


def test_infinite_value_is_refused() -> None:
    block = Observations(["a", "b"], np.array([0, 1], np.int32), np.array([1, 2]), np.array([[1.0], [math.inf]]))
    with pytest.raises(DataError, match="series 'b' at ts 2: found an infinite value"):
        block.encode()


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit together"):
        Observations(["a"], np.zeros(2, np.int32), np.zeros(1, np.int64), np.zeros((2, 1)))
    with pytest.raises(DataError, match="do not fit together"):
        Observations(["a"], np.zeros(2, np.int32), np.zeros(2, np.int64), np.zeros((2, 2)), ("x",))
