"""Check templates: their form, what is escaped, and that different values give different ids."""

from __future__ import annotations

import re

import numpy as np
import pytest

from eddy.inputs.record import Record
from eddy.inputs.template import Template
from eddy.texts import is_printable
from tests.inputs.random_json import random_text

NONE = Record("t")


def series(template: Template, *values: str) -> str:
    """The id, whatever its length."""
    rest = iter(values)
    return "".join(part if isinstance(part, str) else template.escape(next(rest)) for part in template.parts)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("{a}", ["50% of a/b {x} Größe 日本"], "50% of a/b {x} Größe 日本"),
        ("{a}", ["a\nb\u202ec"], "a%0Ab%E2%80%AEc"),
        ("{a}", ["a%0Ab"], "a%250Ab"),
        ("{a}", ["%25 %2F %2f %C3 %7F %7E"], "%2525 %2F %2f %25C3 %257F %7E"),
        ("{a}/{b}", ["x/y", "%2F"], "x%2Fy/%252F"),
        ("plant/{a}", ["x/y"], "plant/x/y"),
        ("{a} - {b}", ["x - y", "z"], "x%20-%20y - z"),
        ("{a}→{b}", ["x→y", "z"], "x%E2%86%92y→z"),
        ("{{{a}}}", ["x"], "{x}"),
        ('{a["}{"].b}', ["x"], "x"),
    ],
)
def test_values_are_written_as_they_are_but_for_what_is_escaped(text: str, values: list[str], expected: str) -> None:
    assert series(Template(text), *values) == expected


def test_split_escapes_the_slash_as_well() -> None:
    assert series(Template("{a}", split=True), "x/y") == "x%2Fy"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "without a field"),
        ("pump", "without a field"),
        ("{a", "with '{a'"),
        ("{}", "with '{}'"),
        ("{a b}", "with '{a b}'"),
        ("{header}", "with '{header}'"),
        ("{header.}", "with '{header.}'"),
        ("{topic.x}", "with '{topic.x}'"),
        ("a}", "with a lone '}'"),
        ("{a}{b}", "found no text between {a} and {b}"),
        ("{a}x{b}", "found 'x' between {a} and {b}, expected a text between them that begins with neither A-Z"),
        ("{a}%{key.b}", "found '%' between {a} and {key.b}"),
        ("{a}2{b}", "found '2' between"),
        ("a\n{b}", "no control characters"),
    ],
)
def test_text_that_is_no_template_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Template(text)


def test_names_that_only_begin_like_key_topic_and_header_are_fields() -> None:
    found = [str(Template(f"{{{name}}}").fields[0]) for name in ("keys", "topical", "headers.a", '["key"]', "key[0].a")]
    assert found == ["keys", "topical", "headers.a", "key", "key[0].a"]
    assert [Template(f"{{{name}}}").fields[0].kind for name in ("keys", '["key"]', "key[0]")] == ["", "", "key"]
    assert Template("{header.ce.type}").fields[0].header == "ce.type"
    assert Template("{topic}").series(Record("a.b"), lambda path: path) == "a.b"


@pytest.mark.parametrize("text", ["{a}", "{a}/{b}", "x{a}/%{b}--{c}%", "{a}.{b}/{c}", "{a}\u00e9{b}", "%{a}"])
@pytest.mark.parametrize("split", [False, True])
def test_different_values_give_different_ids(text: str, split: bool) -> None:
    template = Template(text, split)
    random = np.random.default_rng(2)
    made: dict[str, tuple[str, ...]] = {}
    for _ in range(20_000):
        values = tuple(random_text(random, 3) for _ in template.fields)
        feature = (random_text(random, 2),) if split else ()
        name = "/".join([series(template, *values), *map(template.escape, feature)])
        assert is_printable(name)
        assert made.setdefault(name, values + feature) == values + feature
    assert len(made) > 2_000


def test_values_without_special_characters_stay_as_they_are() -> None:
    random = np.random.default_rng(3)
    for _ in range(2000):
        text = random_text(random)
        if is_printable(text) and not re.search("%[0-9A-F]{2}", text):
            assert Template("{a}").escape(text) == text
