"""Check the contract of message formats of input sources: subclass :class:`MessageFormatContract` in a test file.

.. code-block:: python

    from eddy.testing.message_formats import MessageFormatContract

    class TestMine(MessageFormatContract):
        name = "mine"
        good = [(b"pump-1;1735689600000;1.5", [{"series": "pump-1", "ts": "1735689600000", "value": 1.5}])]
        bad = [b"", b"pump-1"]

The format is found by its name, as an input source finds it: as an entry point of the group ``eddy.formats``, or
because ``eddy.inputs.formats.base.MESSAGE_FORMATS.register`` was called.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from eddy.connection_settings import SchemaRegistrySettings
from eddy.event_times import ANY_TIME
from eddy.formats import BadObservation
from eddy.input_settings import InputSource
from eddy.inputs.formats.base import MAX_ELEMENTS, MESSAGE_FORMATS, MessageFormat, message_format
from eddy.inputs.mapping import REASONS
from eddy.inputs.mapping import Mapping as SourceMapping
from eddy.inputs.record import Record

__all__ = ["MessageFormatContract", "plain"]

_MUTATIONS = 1000


def plain(found: Any) -> Any:
    """Return a message with NaN as text, so that two can be compared; a BadObservation becomes its reason.

    Raises:
        AssertionError: it holds something that is no plain value, or a name that is no text.
    """
    if isinstance(found, dict):
        assert all(type(name) is str for name in found), f"found the names {list(found)}, expected texts"
        return {name: plain(one) for name, one in found.items()}
    if isinstance(found, list):
        return [plain(one) for one in found]
    if isinstance(found, BadObservation):
        return found.reason
    assert found is None or type(found) in (str, int, float, bool), f"found {found!r}, expected a plain value"
    return "NaN" if isinstance(found, float) and math.isnan(found) else found


def damaged(rng: np.random.Generator, raw: bytes) -> bytes:
    """Return bytes with a few of them replaced, cut or added."""
    found = bytearray(raw)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(found) + 1))
        found[at : at + int(rng.integers(3))] = rng.bytes(int(rng.integers(3)))
    return bytes(found[: int(rng.integers(len(found) + 1))] if rng.random() < 0.1 else found)


class MessageFormatContract:
    """Every message format must pass these checks.

    Attributes:
        name, options: of the format, as in ``format`` of a source.
        registry: where it finds schemas.
        good: records, or their values, with the messages in them.
        bad: records, or their values, that are refused.
    """

    name: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Any]] = {}
    registry: ClassVar[SchemaRegistrySettings] = SchemaRegistrySettings()
    good: ClassVar[Sequence[tuple[Record | bytes, Sequence[Any]]]] = ()
    bad: ClassVar[Sequence[Record | bytes]] = ()

    def make(self) -> MessageFormat:
        """Make the format as a mapping does."""
        return message_format(self.name, self.options, self.registry)

    def record(self, found: Record | bytes) -> Record:
        """Return a record of a value."""
        return found if isinstance(found, Record) else Record("topic", timestamp=1_735_689_600_000, value=found)

    def read(self, form: MessageFormat, record: Record) -> list[Any]:
        """Return the messages of a record; none if it is refused with a reason of the list."""
        try:
            return list(form.messages(record))
        except BadObservation as problem:
            if problem.reason not in REASONS | form.reasons:
                raise
            return []

    def test_examples_are_given(self) -> None:
        """A contract without examples would check nothing."""
        assert self.good
        assert self.bad

    def test_format_is_found_by_its_name(self) -> None:
        """The class says the name under which it is announced."""
        assert MESSAGE_FORMATS.get(self.name).name == self.name

    def test_an_unknown_option_is_refused(self) -> None:
        """A mistyped option is an error that names it, never ignored."""
        with pytest.raises(ValueError, match="no_such_option"):
            message_format(self.name, {**self.options, "no_such_option": 1}, self.registry)

    def test_messages_are_read(self) -> None:
        """Every good record gives its messages, each time it is read: also by another object."""
        one, other = self.make(), self.make()
        for found, expected in self.good:
            for form in (one, one, other):
                assert [plain(message) for message in form.messages(self.record(found))] == list(expected), found

    def test_other_records_are_refused_with_a_reason(self) -> None:
        """Every bad record is refused with a reason of the list and something to read."""
        form = self.make()
        for found in self.bad:
            with pytest.raises(BadObservation) as refusal:
                list(form.messages(self.record(found)))
            assert refusal.value.reason in REASONS | form.reasons, found
            assert refusal.value.detail, found

    def test_damaged_records_raise_nothing_else(self) -> None:
        """Bytes cut off, changed or added cost that record at most, and what is read of it stays within bounds."""
        form, rng = self.make(), np.random.default_rng(0)
        for _ in range(_MUTATIONS):
            record = self.record(self.good[int(rng.integers(len(self.good)))][0])
            changed = dataclasses.replace(record, value=damaged(rng, record.value or b""))
            messages = self.read(form, changed)
            assert len(messages) <= MAX_ELEMENTS
            for message in messages:
                plain(message)

    def test_a_source_of_this_format_alone_can_be_used(self) -> None:
        """The format's defaults are settings of a source, and no record stops its mapping."""
        source = InputSource.model_validate({"topics": "topic", "format": {"name": self.name, **self.options}})
        mapping = SourceMapping(source, ANY_TIME, registry=self.registry)
        for found in [one for one, _ in self.good] + list(self.bad):
            result = mapping.read(self.record(found))
            assert result.observations or result.skipped or result.refusals
