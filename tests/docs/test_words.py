"""Check that documentation, docstrings and names use the terms of the glossary, not the words of earlier versions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eddy.stack.paths import ROOT
from tests.docs.test_pages import PAGES
from tests.docs.words import NAMES, STAYS, WORDS, Word, in_document, in_python, python_files

GLOSSARY = ROOT / "docs" / "glossary.md"
OLD_WORDS = "## Words of earlier versions"
FOLDERS = (
    "eddy", "models", "flink_job", "training", "cli", "ops", "dashboard", "producers", "csv_files", "inputs", "stack",
)  # fmt: skip
#: modules that have not been rewritten yet, one path a line; lines only go away
TODO = Path(__file__).with_name("words_todo.txt")
MODULES = {path.relative_to(ROOT).as_posix(): path for path in python_files(ROOT, FOLDERS)}


def text_of(page: Path) -> str:
    """A page's text, for the glossary without the table of old words."""
    text = page.read_text(encoding="utf-8")
    return text.partition(OLD_WORDS)[0] if page == GLOSSARY else text


def todo() -> list[str]:
    return TODO.read_text(encoding="utf-8").split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_has_no_old_word(page: Path) -> None:
    hits = list(in_document(page.relative_to(ROOT).as_posix(), text_of(page)))
    assert not hits, "\n".join(map(str, hits))


def test_module_has_no_old_word_in_docstrings_and_names() -> None:
    waiting = set(todo())
    hits = [
        hit
        for name, path in MODULES.items()
        if name not in waiting
        for hit in in_python(name, path.read_text(encoding="utf-8"))
    ]
    assert not hits, "\n".join(map(str, hits))


def test_modules_to_be_rewritten_still_have_old_words() -> None:
    """A file that is clean, or gone, has to leave the list, so that the list only shrinks."""
    done = [name for name in todo() if name not in MODULES or not list(in_python(name, MODULES[name].read_text()))]
    assert done == [], f"remove these lines from {TODO.relative_to(ROOT)}"
    assert todo() == sorted(set(todo()))


def test_modules_are_read_from_their_own_folder_once() -> None:
    assert "models/core/detector.py" in MODULES
    assert "eddy/alert.py" in MODULES
    assert [name for name in MODULES if name.startswith("eddy/models")] == []


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.term)
def test_old_word_is_found_and_ordinary_english_is_not(word: Word) -> None:
    assert word.bad
    for sentence in word.bad:
        assert list(word.in_prose(sentence)), sentence
    for sentence in word.good:
        assert not list(word.in_prose(sentence)), sentence


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Which judge is asked."""\n', ["judge"]),
        ('def _f() -> None:\n    """A letter."""\n', ["letter"]),
        ("class ModelBook: ...\n", ["ModelBook"]),
        (
            "def f(most_pending: int) -> None:\n    letters = least_quality = 1\n",
            ["letters", "least_quality", "most_pending"],
        ),
        ("self.looked_at = 1\n", ["looked_at"]),
        ("def live(self, points_most: int): ...\n", ["points_most"]),
        ('"""A dead letter; see `judge`."""\ndead_letters = most = almost = told = lookup = 1\n', []),
        ("x = obj.judge\n", []),  # named where it is defined
    ],
)
def test_old_words_of_a_module_are_found(source: str, found: list[str]) -> None:
    assert sorted(hit.found for hit in in_python("m.py", source)) == sorted(found)


def test_code_blocks_and_names_in_pages_are_no_prose() -> None:
    page = 'A `severity_word` of\n\n```json\n{"letters": 1}\n```\n\n```text\nletters\n```\n\nthe page\n'
    page += "\n```bash\nx\n```\n"
    assert [(hit.place, hit.found) for hit in in_document("p", page)] == [("p:8", "letters"), ("p:11", "the page")]


def test_classes_and_modules_of_the_glossary_exist() -> None:
    terms = GLOSSARY.read_text(encoding="utf-8").partition(OLD_WORDS)[0]
    code = [
        span for row in re.findall(r"^\|.*\| ([^|]+) \|$", terms, re.MULTILINE) for span in re.findall("`([^`]+)`", row)
    ]
    assert len(code) >= 40
    source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES.values())
    defined = set(re.findall(r"^ *(?:class|def) (\w+)", source, re.MULTILINE))
    missing = [name for name in code if not ((ROOT / name).exists() if "/" in name else name in defined)]
    assert missing == []


def test_glossary_lists_the_old_words() -> None:
    table = GLOSSARY.read_text(encoding="utf-8").partition(OLD_WORDS)[2]
    missing = [word.term for word in WORDS if not list(word.in_prose(table))]
    assert missing == []


def test_names_that_stay_would_be_found_otherwise() -> None:
    assert [name for name in STAYS if not any(pattern.search(name) for pattern, _ in NAMES)] == []
