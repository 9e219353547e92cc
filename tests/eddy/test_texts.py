"""One rule says which texts are names, and every reader of messages follows it: checked over all of Unicode."""

from __future__ import annotations

import doctest
import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy import texts
from eddy.errors import DataError, ModelError
from eddy.feedback import Feedback
from eddy.formats import BadObservation, check_series, check_values
from eddy.models.artifacts.manifest import Manifest
from eddy.texts import MAX_NAME_BYTES, PRINTABLE, SCHEMA_PATTERN, escaped, is_name, is_printable, quoted
from eddy.training_request import TrainingRequest
from tests.models.small_models import manifest

NOW = 1_735_689_600_000
NAMES = [
    "no\u00a0break", "\u65e5\u672c\u8a9e\u3000\u5168\u89d2",
    "\u0645\u06cc\u200c\u062e", "\u200f\u05e2\u05d1\u200e", "e\u0301",
    "\U0001f469\u200d\U0001f527 crew", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\ue000",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
]  # fmt: skip
NO_NAMES = [
    "a\x00", "\x1b[31m", "\x7f", "\x85", "a\nb", "\u2028", "\u2029", "a\u202eb", "\u202a", "\u2066", "\u2069", "\u206f",
    "\ufeffbom", "\ufff9", "\ufdd0", "\ufffe", "\U0001ffff", "\U0010fffe", "\ud800", "\udfff", "\U000e0001",
]  # fmt: skip
EVERY = st.characters(exclude_categories=())
SPOOFS = {*range(0x202A, 0x202F), *range(0x2066, 0x2070), *range(0xFFF9, 0xFFFC), 0xFEFF, 0xE0001}


def test_examples_print_what_they_say():
    failed, tried = doctest.testmod(texts)
    assert (failed, tried > 4) == (0, True)


def test_rule_is_the_stated_one_for_every_character_there_is():
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
        refused = category in ("Cc", "Cs", "Zl", "Zp") or noncharacter or code in SPOOFS
        assert is_printable(chr(code)) is not refused, hex(code)
        assert is_printable(f"a{chr(code)}b", lines=True) is (not refused or chr(code) in "\t\n\r"), hex(code)


def field_of(kind, name, text):
    """A message of one kind with a text in one of its fields; raises what its reader raises."""
    by_kind = {
        "observation": lambda: check_series(text),
        "feature": lambda: check_values({text: 1.0}),
        "feedback": lambda: Feedback("0", text, "m", "ack", "ann", NOW, 0, 0),
        "person": lambda: Feedback("0", "s", "m", "ack", text, NOW, 0, 0),
        "label": lambda: Feedback("0", "s", "m", "label", "ann", NOW, 0, 0, text),
        "request": lambda: TrainingRequest(text, "manual", NOW),
        "since": lambda: TrainingRequest("m", "manual", NOW, {text: 1}),
        "patterns": lambda: TrainingRequest("m", "manual", NOW, series=(text,)),
        "model": lambda: manifest(series=(text,)),
        "features": lambda: manifest(features=(text,)),
        "table": lambda: manifest(metrics={"a": [text]}),
        "table's names": lambda: manifest(metrics={text: 1}),
    }
    return by_kind[kind]() if name is None else by_kind


KINDS = sorted(field_of("", "all", ""))


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_takes_the_same_names(kind):
    for text in NAMES:
        field_of(kind, None, text)
    for text in NO_NAMES:
        if kind.startswith("table") and text == "a\nb":
            continue  # notes of a training have lines
        with pytest.raises((BadObservation, DataError, ModelError)) as refused:
            field_of(kind, None, text)
        assert is_printable(str(refused.value)), "the refusal itself can be printed"
        assert PRINTABLE in str(refused.value) or "printable texts" in str(refused.value)


@settings(max_examples=1500, deadline=None)
@given(st.text(EVERY, min_size=1, max_size=5), st.sampled_from([kind for kind in KINDS if "table" not in kind]))
def test_all_of_unicode_has_one_meaning_in_all_messages(text, kind):
    try:
        field_of(kind, None, text)
    except (BadObservation, DataError, ModelError):
        assert not is_name(text)
    else:
        assert is_name(text)


@pytest.mark.parametrize("text", ["x" * 513, "ä" * 257, "💥" * 129])
def test_series_are_bounded_in_bytes_everywhere(text):
    for kind in ("observation", "feedback", "since"):
        with pytest.raises((BadObservation, DataError), match=f"{MAX_NAME_BYTES} bytes"):
            field_of(kind, None, text)
        field_of(kind, None, text[:-1])


def test_json_schemas_state_the_rule():
    rule = re.compile(SCHEMA_PATTERN)
    for code in range(0x10000):
        if is_printable(chr(code)):
            assert rule.search(chr(code)), hex(code)
    for text in NO_NAMES:
        plain = text.encode("utf-16", "surrogatepass").isascii() or all(c < "\U00010000" for c in text)
        if plain and not any("\ud800" <= c <= "\udfff" for c in text):
            assert not rule.search(text), ascii(text)
    for kind in (Feedback, TrainingRequest, Manifest):
        assert PRINTABLE in kind.json_schema()["description"]


@given(st.text(EVERY), st.integers(1, 40))
def test_what_is_quoted_is_one_printable_line_that_ends_where_it_says(text, most):
    assert is_printable(escaped(text))
    shown = quoted(text, most)
    assert is_printable(shown)
    assert shown[0] == shown[-1] == '"'
    assert not re.search(r'(?<!\\)(\\\\)*"', shown[1:-1]), "no quotation mark of the text's own ends it early"
    shown.encode()
    json.dumps(shown)
