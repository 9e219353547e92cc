"""Check the path language: what is a path, what it finds, and what errors say."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.inputs.paths import MISSING, Path, parse, spelled
from tests.inputs.random_json import random_json, random_text

MESSAGE = {"a": {"b": [10, {"c": None}], "x.y": 1, 'q"': 2}, "0": "zero", "@t": 3, "größe": 4}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.b[0]", 10),
        ("a.b[1].c", None),
        ('a["x.y"]', 1),
        ('["a"]["b"][0]', 10),
        ('a["q\\""]', 2),
        ('a["\\u0078.y"]', 1),
        ("0", "zero"),
        ("@t", 3),
        ("größe", 4),
        ("a.b[2]", MISSING),
        ("a.b.0", MISSING),
        ("[0]", MISSING),
        ("a.b[1].c.d", MISSING),
    ],
)
def test_path_finds_what_stands_there(text: str, found: object) -> None:
    assert parse(text).find(MESSAGE) == found
    assert (parse(text).find(MESSAGE) is MISSING) == (found is MISSING)


@pytest.mark.parametrize(
    "text",
    ["", ".", ".a", "a.", "a..b", "a[", "a[]", "a[-1]", "a[01]", "a[1:2]", "a[*]", "a['b']", 'a["b]', 'a["\\x"]', "a b",
     "a}", "a[0]b", "*", "a.*", "a[0000000001]", "a[10000000000]", ".".join("a" * 101)],
)  # fmt: skip
def test_text_that_is_no_path_is_refused(text: str) -> None:
    if text in {"*", "a.*"}:  # a name like any other: no wildcard
        assert parse(text).find({"*": 1, "a": {"*": 1}}) == 1
        return
    with pytest.raises(ValueError, match="expected"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.z", "a: found no field 'z'; there are 'b', 'x.y', 'q\"'"),
        ("z", "the message: found no field 'z'; there are 'a', '0', '@t', 'größe'"),
        ("a.b[5]", "a.b: found 2 elements, expected an element [5]"),
        ("a[0]", "a: found {'b': [10, {'c': None}], 'x.y': 1, 'q\"': 2}, expected an array with an element [0]"),
        ("a.b[1].c.d", "a.b[1].c: found None, expected an object with a field 'd'"),
    ],
)
def test_trouble_says_how_far_the_path_led(text: str, said: str) -> None:
    assert parse(text).trouble(MESSAGE) == said


def test_names_beyond_the_fifth_are_counted() -> None:
    assert parse("z").trouble(dict.fromkeys("abcdefg")).endswith("there are 'a', 'b', 'c', 'd', 'e' and 2 more")
    assert parse("z").trouble({}).endswith("there is none")


def test_spelled_steps_are_read_again_and_random_json_raises_nothing() -> None:
    random = np.random.default_rng(1)
    for _ in range(2000):
        steps = tuple(
            random_text(random) if random.random() < 0.7 else int(random.integers(0, 12))
            for _ in range(random.integers(1, 6))
        )
        assert parse(spelled(steps)).steps == steps
        message = random_json(random, 4)
        if Path(steps).find(message) is MISSING:
            assert Path(steps).trouble(message)
