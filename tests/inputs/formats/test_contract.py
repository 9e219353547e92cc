"""Check that the contract suite of message formats finds each kind of faulty format."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import pytest

from eddy.formats import BadObservation
from eddy.inputs.formats.base import MESSAGE_FORMATS, MessageFormat
from eddy.inputs.record import Record
from eddy.testing.message_formats import MessageFormatContract

COUNTER = itertools.count()


class Sound(MessageFormat):
    """Reads a text of ASCII; each fault below is one change of it."""

    name = "faulty"

    def messages(self, record: Record) -> Iterable[Any]:
        if not record.value or not record.value.isascii():
            raise BadObservation("bad-format", f"found {record.value!r}, expected ASCII")
        return [self.message(record.value.decode())]

    def message(self, text: str) -> Any:
        return {"text": text}


class Counting(Sound):
    def message(self, text: str) -> Any:
        return {"text": text, "number": next(COUNTER)}


class Raising(Sound):
    def messages(self, record: Record) -> Iterable[Any]:
        return [self.message((record.value or b"").decode("ascii"))]


class Endless(Sound):
    def messages(self, record: Record) -> Iterable[Any]:
        return list(super().messages(record)) * (1 if record.value == b"a" else 10_001)


class WithBytes(Sound):
    def message(self, text: str) -> Any:
        return {"text": text.encode()}


class WithNumbersAsNames(Sound):
    def message(self, text: str) -> Any:
        return {1: text}


class WithOtherReason(Sound):
    def messages(self, record: Record) -> Iterable[Any]:
        try:
            return super().messages(record)
        except BadObservation as problem:
            raise BadObservation("odd", problem.detail) from None


class Careless(Sound):
    def __init__(self, options: Mapping[str, Any], registry: Any) -> None:
        super().__init__({}, registry)


class WithUnusableDefaults(Sound):
    defaults: ClassVar[Mapping[str, Any]] = {"time": {"unit": "weeks"}}


class Contract(MessageFormatContract):
    __test__ = False
    name = "faulty"
    good = [(b"a", [{"text": "a"}])]
    bad = [b"", b"\xff"]


CHECKS = [name for name in dir(MessageFormatContract) if name.startswith("test_")]


def failures(form: type[MessageFormat]) -> list[str]:
    failed = []
    with MESSAGE_FORMATS.registered(form):
        for name in CHECKS:
            try:
                getattr(Contract(), name)()
            except (Exception, pytest.fail.Exception):
                failed.append(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize(
    ("form", "check"),
    [
        (Counting, "messages_are_read"),
        (Raising, "damaged_records_raise_nothing_else"),
        (Endless, "damaged_records_raise_nothing_else"),
        (WithBytes, "messages_are_read"),
        (WithNumbersAsNames, "messages_are_read"),
        (WithOtherReason, "other_records_are_refused_with_a_reason"),
        (Careless, "an_unknown_option_is_refused"),
        (WithUnusableDefaults, "a_source_of_this_format_alone_can_be_used"),
    ],
)
def test_a_fault_fails_its_check(form: type[MessageFormat], check: str) -> None:
    assert check in failures(form)


def test_a_sound_format_passes_and_needs_examples() -> None:
    assert failures(Sound) == []
    with MESSAGE_FORMATS.registered(Sound), pytest.raises(AssertionError):
        type("Empty", (Contract,), {"bad": []})().test_examples_are_given()
