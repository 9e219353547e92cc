"""Compute a digest of the code that a stored result depends on, so that a changed detector is measured again."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from eddy.models.catalog import DETECTORS

_OURS = ("eddy",)
_TABLES = {
    "eddy.models.catalog",
    "eddy.training.evaluation.runs.lineup",
}  # they name every detector; their content is in the key


def digest(modules: Iterable[str], kinds: Iterable[str]) -> str:
    """Digest some modules, the detectors of these kinds, and all of our modules that they import.

    Comments and layout do not count. A module that is not there is an error: its code would silently no longer count.
    """
    waiting = [*modules, *(DETECTORS.get(kind).__module__ for kind in kinds if kind)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen and name not in _TABLES:
            seen.add(name)
            waiting += _read(name)[1]
    text = "".join(f"{name} {_read(name)[0]}\n" for name in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """Return (digest of the module's syntax tree, our modules that it imports anywhere in it)."""
    found = importlib.util.find_spec(name)
    if found is None:
        raise ModuleNotFoundError(f"{name}: no such module", name=name)
    if found.origin is None:  # a folder without __init__.py
        return "", ()
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(sorted(set(_imported(tree))))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in _OURS and _is_module(name))


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # a name inside a module
