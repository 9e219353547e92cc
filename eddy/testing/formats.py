"""Check the contract of message formats: subclass :class:`FormatContract` in a test file, and pytest runs every check.

.. code-block:: python

    from eddy.testing.formats import FormatContract

    class TestMine(FormatContract):
        name = "mine"
        good = [(b"pump-1;0;1.5", b"pump-1", ("pump-1", 0, {"value": 1.5}))]
        bad = [(b"", b"pump-1"), (b"pump-1;0;high", b"pump-1")]

The format is found by its name, as the job finds it: as an entry point of the group ``eddy.formats``, or because
``eddy.formats.FORMATS.register`` was called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pytest

from eddy.event_times import ANY_TIME
from eddy.formats import FORMATS, REASONS, BadObservation, Format, find_format

__all__ = ["FormatContract"]

_MUTATIONS = 300


def same(found: tuple[str, int, Mapping[str, float]], expected: tuple[str, int, Mapping[str, float]]) -> bool:
    """Tell whether two observations are equal; a missing value (NaN) equals another."""
    numbers = [{name: None if math.isnan(v) else v for name, v in one[2].items()} for one in (found, expected)]
    return found[:2] == expected[:2] and numbers[0] == numbers[1]


class FormatContract:
    """Every format must pass these checks.

    Attributes:
        name, argument: of the format, as in ``job.format``.
        good: (value, key, (series, epoch ms, value by feature)) of records that are observations.
        bad: (value, key) of records that are none.
    """

    name: ClassVar[str] = ""
    argument: ClassVar[str] = ""
    good: ClassVar[Sequence[tuple[bytes, bytes | None, tuple[str, int, Mapping[str, float]]]]] = ()
    bad: ClassVar[Sequence[tuple[bytes, bytes | None]]] = ()

    def make(self) -> Format:
        """Make the format as the job does, here with times of any year."""
        return find_format(f"{self.name}:{self.argument}" if self.argument else self.name, ANY_TIME)

    def test_examples_are_given(self) -> None:
        """A contract without examples would check nothing."""
        assert self.good
        assert self.bad

    def test_format_is_found_by_its_name(self) -> None:
        """The class says the name under which it is announced."""
        assert FORMATS.get(self.name).name == self.name

    def test_observations_are_read(self) -> None:
        """Every good record gives its observation, each time it is read: also by another object."""
        one, other = self.make(), self.make()
        for value, key, expected in self.good:
            for form in (one, one, other):
                assert same(form.read(value, key), expected), value

    def test_other_records_are_refused_with_a_reason(self) -> None:
        """Every bad record is refused with a reason of the list and something to read."""
        form = self.make()
        for value, key in self.bad:
            with pytest.raises(BadObservation) as refusal:
                form.read(value, key)
            assert refusal.value.reason in REASONS, value
            assert refusal.value.detail, value

    def test_damaged_records_raise_nothing_else(self) -> None:
        """Bytes cut off, changed or added cost that record at most: ``parse`` handles them itself."""
        form, rng = self.make(), np.random.default_rng(0)
        for _ in range(_MUTATIONS):
            value, key, _ = self.good[int(rng.integers(len(self.good)))]
            damaged = bytearray(value)
            for _ in range(int(rng.integers(1, 4))):
                at = int(rng.integers(len(damaged) + 1))
                damaged[at : at + int(rng.integers(3))] = rng.bytes(int(rng.integers(3)))
            try:
                form.parse(bytes(damaged), key)
            except BadObservation:
                continue

    def test_scan_reads_as_parse_does(self) -> None:
        """What ``scan`` reads at once is what ``parse`` reads one by one; the rest it leaves."""
        form = self.make()
        records = [(value, key) for value, key, _ in self.good] + list(self.bad)
        values, keys = b"".join(value for value, _ in records), [key or b"" for _, key in records]
        n = len(records)
        ts, value, read = np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.bool_)
        form.scan(
            np.frombuffer(values, np.uint8),
            np.cumsum([len(value) for value, _ in records]).astype(np.int32),
            np.arange(n, dtype=np.int32),
            np.frombuffer(b"".join(keys), np.uint8),
            np.cumsum([len(key) for key in keys]).astype(np.int32),
            ts,
            value,
            read,
        )
        for i in np.flatnonzero(read).tolist():
            raw, key = records[i]
            if not key:  # the job leaves records whose key is no series id to parse, whatever scan says
                continue
            found = (keys[i].decode(), int(ts[i]), {"value": float(value[i])})
            assert same(found, form.read(raw, key)), raw
