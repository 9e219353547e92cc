"""Find words of earlier versions, which the glossary has replaced, in prose and in Python files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCED = re.compile(r"^```(\w*)\n.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`]+\1(?!`)")


@dataclass(frozen=True)
class Word:
    """A replaced word.

    Attributes:
        term: what the glossary has in its place.
        prose: pattern in documentation and docstrings, of either case. If it has a group ``old``, only that group
            counts: what else matches is allowed.
        bad, good: sentences in which the pattern is found, and ordinary English in which it is not.
    """

    term: str
    prose: str
    bad: tuple[str, ...]
    good: tuple[str, ...] = ()

    def in_prose(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield (offset, text) of each occurrence."""
        for found in re.finditer(self.prose, text, re.IGNORECASE):
            if (old := found.groupdict().get("old", found[0])) is not None:
                yield found.start(), old


WORDS = (
    Word(
        "score, scorer; a model applies to a series",
        r"\bjudg(?:e|es|ed|ing|e?ments?)\b(?! \d)",
        ("the model judges a series", "one judge per model", "a judgement"),
        ("window 48, judged 4",),  # a parameter and its value
    ),
    Word(
        "dead letter",
        r"dead[\s-]+letters?\b|(?P<old>\bletters?\b)",
        ("letters are kept", "replay letters"),
        ("a dead letter", "the dead-letter topic", "dead\n    letters"),
    ),
    Word(
        "dashboard",
        r"\bthe page(?:'s)?\b(?! of (?:a|the|this|that)\b)|\bEddy's page\b",
        ("the page shows it", "points for the page"),
        ("the page of a series", "each page says for whom it is", "a page of the dashboard"),
    ),
    Word("retrain request", r"\bwish(?:es)?\b", ("drifts and wishes",)),
    Word("notified, reported, emitted", r"\btold\b(?!\s+apart)", ("a drift is told",), ("they are told apart",)),
    Word(
        "check, observe, poll",
        r"\b(?:a|one|each|per|every|last|next|newest) look\b(?!-)(?! at the)|\blooked at by\b|\blooks? is\b",
        ("an answer is made once per look", "the next look"),
        ("look at the groups", "it looks at the past", "a first look at the data"),
    ),
    Word(
        "severity level; feedback; state width",
        r"\b(?:severity|higher|highest|newest|lower|its|last) words?\b|\bword on an? incident\b",
        ("severity reaches a higher word", "the newest word on an incident"),
        ("in other words", "a list of words"),
    ),
    Word(
        "time bucket; span; subsequence",
        r"\bstretch(?:es)?\b",
        ("in the same stretch of event time", "quiet stretches"),
        ("stretched",),
    ),
    Word(
        "baseline", r"\bfloors\b|\brandom floor\b", ("floors stand beside every detector",), ("the floor of a value",)
    ),
    Word("resolver, tracker", r"\b(?:policy|model) ?books?\b", ("the model book",), ("a notebook",)),
    Word(
        "notify",
        r"\bcall(?:s|ed|ing)? (?:people|(?:no|some|any)(?:body|one))\b"
        r"|\b(?:people|(?:no|some)body) (?:is|are|be) called\b",
        ("it calls people once", "nobody is called"),
        ("it calls the function",),
    ),
    Word(
        "hold-out evaluation; smoke test",
        r"\b(?:the|its|on) trial\b(?! run)|\btrial (?:score|windows?)\b",
        ("F1 on the trial", "a model on trial", "a trial score"),
        ("the trial run", "a subscription or a trial"),
    ),
    Word("detach; releases the GIL", r"\blet(?:s|ting)? go\b", ("it lets go of the lock",)),
    Word("previous version; version in use", r"\bversion before\b", ("the version before goes on",)),
)

#: names of functions, classes, arguments, attributes and variables
_NAMES = (
    (r"judg(?!ement)", "scorer, score, applies to"),
    (r"(?:^|_)wish(?:es)?(?:_|$)", "retrain_request"),
    (r"(?<!dead)(?:^|_)letters?(?:_|$)", "dead_letter"),
    (r"(?:^|_)told(?:_|$)|^_?tell_", "notified, reported, emit_"),
    (r"^_?(?:most|least)_|\w_(?:most|least)$", "max_, min_"),
    (r"(?:^|_)looked(?:_at)?$|^_?look(?:s|_.*)?$", "observe, check, poll"),
    (r"(?:policy|model)_?book", "resolver, tracker"),
    (r"(?:^|_)lets?_go(?:_|$)", "detach, releases_gil"),
    (r"(?:^|_)stretch(?:es)?(?:_|$)", "bucket, span, subsequence"),
    (r"(?:^|_)floors(?:_|$)", "baselines"),
    (r"^_?words$", "state_width, levels"),
    (r"peak_stage", "peak_filter"),
    (r"^_?dirty_unclaimed$|^_?unclaimed$", "restored"),
)
NAMES = tuple((re.compile(pattern), term) for pattern, term in _NAMES)

#: names that are stored or sent, or come from elsewhere: they stay
STAYS = {
    "judged": "parameter of the LSTM detectors, in artifacts",
    "told": "field of an incident and of a time bucket, in keyed state",
    "words": "argument of kernels that take lists of words",
}


#: the same where a docstring describes or sets them: ``told: number …``, ``"judged": 2``
STORED = re.compile(rf"\"?\b(?:{'|'.join(STAYS)})\"?(?=:)")


@dataclass(frozen=True)
class Hit:
    """An old word: where it stands, what was found, and the term to use."""

    place: str
    found: str
    term: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found!r}, write: {self.term}"


#: files about single pages of the dashboard: "the page" is one of them there, not the dashboard
ABOUT_PAGES = ("docs/how-to/page.md", "eddy/testing/pages.py", "dashboard/pages/", "dashboard/parts/address.py")


def _words_for(name: str) -> list[Word]:
    return [word for word in WORDS if not (word.term == "dashboard" and name.startswith(ABOUT_PAGES))]


def in_document(name: str, text: str) -> Iterator[Hit]:
    """Find old words in a page; code and names in code style are not prose."""
    prose = INLINE.sub(_blank, FENCED.sub(lambda block: block[0] if block[1] == "text" else _blank(block), text))
    for word in _words_for(name):
        for at, found in word.in_prose(prose):
            yield Hit(f"{name}:{prose[:at].count(chr(10)) + 1}", found, word.term)


def in_python(name: str, source: str) -> Iterator[Hit]:
    """Find old words in the docstrings and names of a module, public and private."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = STORED.sub(_blank, INLINE.sub(_blank, ast.get_docstring(node, clean=False) or ""))
            line = node.body[0].lineno if node.body else 1
            for word in _words_for(name):
                for at, found in word.in_prose(text):
                    yield Hit(f"{name}:{line + text[:at].count(chr(10))}", found, word.term)
        for given, line in _names(node):
            for pattern, term in NAMES:
                if given not in STAYS and pattern.search(_snake(given)):
                    yield Hit(f"{name}:{line}", given, term)


def python_files(root: Path, folders: tuple[str, ...]) -> list[Path]:
    """List the modules of the folders; links are not followed, so that each file comes once."""
    return [path for folder in folders for path in sorted((root / folder).rglob("*.py")) if not _linked(root, path)]


def _linked(root: Path, path: Path) -> bool:
    return any(parent.is_symlink() for parent in path.parents if parent != root and root in parent.parents)


def _names(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names that a node defines, with their line."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name, node.lineno
    elif isinstance(node, ast.arg):
        yield node.arg, node.lineno
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, node.lineno
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr, node.lineno


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _blank(found: re.Match[str]) -> str:
    """Keep the line breaks, so that lines can be counted."""
    return re.sub(r"[^\n]", " ", found[0])
