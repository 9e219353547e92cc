"""Check the binary layout of keyed state."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eddy.errors import DataError
from eddy.models.engine.state.codec import LAYOUT, pack, pack_text, unpack, unpack_text

ARRAYS = st.dictionaries(
    st.text(max_size=12),
    arrays.arrays(
        st.sampled_from([np.uint8, np.int32, np.int64, np.float64, np.uint32]),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
    ),
    max_size=5,
)


@given(ARRAYS)
@settings(max_examples=200, deadline=None)
def test_packed_arrays_unpack_unchanged(given_arrays):
    found = unpack(pack(given_arrays))
    assert list(found) == list(given_arrays)
    for name, array in given_arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].flags.writeable


def test_non_contiguous_arrays_are_packed():
    array = np.arange(24).reshape(4, 6)[::2, ::3]
    assert unpack(pack({"a": array}))["a"].tolist() == array.tolist()


@given(ARRAYS, st.data())
@settings(max_examples=200, deadline=None)
def test_truncated_state_is_refused(given_arrays, data):
    blob = pack(given_arrays)
    cut = data.draw(st.integers(0, len(blob) - 1))
    with pytest.raises(DataError, match="state: "):
        unpack(blob[:cut])


def test_state_of_another_program_or_later_version_is_refused():
    with pytest.raises(DataError, match="was not written by Eddy"):
        unpack(b"\x80\x05junk")
    header = json.dumps({"layout": LAYOUT + 1, "arrays": []}).encode()
    with pytest.raises(DataError, match="use the newer job"):
        unpack(b"EDDY" + len(header).to_bytes(4, "little") + header)


@pytest.mark.parametrize("header", [b"[]", b"{}", b'{"layout": 1, "arrays": [["a", "|O", [1]]]}', b"\xff{"])
def test_a_damaged_header_is_refused(header):
    with pytest.raises(DataError, match="state: "):
        unpack(b"EDDY" + len(header).to_bytes(4, "little") + header + bytes(64))


def test_layout_1_is_read():
    given_arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array([0.5, np.nan]), "c": np.array([7], np.uint8)}
    described = [[name, array.dtype.str, list(array.shape)] for name, array in given_arrays.items()]
    header = json.dumps({"layout": 1, "arrays": described}).encode()
    parts = [header, *(array.tobytes() for array in given_arrays.values())]
    found = unpack(b"EDDY" + len(header).to_bytes(4, "little") + b"".join(parts))
    for name, array in given_arrays.items():
        np.testing.assert_array_equal(found[name], array)
    assert unpack_text(json.dumps(["a", None, "ä"]).encode()) == json.dumps(["a", None, "ä"])


def test_layout_2_is_read():
    whole, values = np.arange(6).reshape(2, 3), np.array([0.5, np.nan])
    described = [["a", whole.dtype.str, [2, 3]], ["b", values.dtype.str, [2]]]
    header = json.dumps({"layout": 2, "arrays": described}).encode()
    packed = zlib.compress(len(header).to_bytes(4, "little") + header + whole.tobytes())
    found = unpack(b"EDDY" + len(packed).to_bytes(4, "little") + packed + values.tobytes())
    np.testing.assert_array_equal(found["a"], whole)
    np.testing.assert_array_equal(found["b"], values)


@pytest.mark.parametrize("series", [1, 16, 256])
def test_values_of_one_and_of_many_series_are_packed(series):
    measured = np.random.default_rng(0).normal(100, 1, (series, 30)).round(3)
    blob = pack({"ring": measured, "head": np.arange(series)})
    np.testing.assert_array_equal(unpack(blob)["ring"], measured)
    assert (len(blob) < 0.8 * measured.nbytes) == (series == 16)  # a page of one series is mostly its header


def test_text_survives_packing():
    assert unpack_text(pack_text('["server-1", null, "Ä"]')) == '["server-1", null, "Ä"]'
    with pytest.raises(DataError, match="state: a text of 4 bytes"):
        unpack_text(pack_text("[]")[:4])


def test_similar_values_compress_well():
    series = 256
    alike = {"last": 1_735_689_600_000 + np.arange(series) % 3, "recent": np.full((series, 8), 1000, np.uint32)}
    assert len(pack(alike)) < 4 * series
