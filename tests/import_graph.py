"""Read the import graph from the source: which module imports which, inside functions and for type checking too.

``python -m tests.import_graph`` writes it into ``docs/architecture.md``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "architecture.md"
#: folders beside ``eddy/`` that are imported as ``eddy.<folder>``
LINKED = tuple(sorted(path.name for path in (ROOT / "eddy").iterdir() if path.is_symlink()))
_BEGIN, _END = "<!-- import graph: begin -->", "<!-- import graph: end -->"

Graph = Mapping[str, set[str]]


def modules() -> dict[str, Path]:
    """Return every module of the distribution: name to file."""
    found = {f"eddy.{path.stem}": path for path in (ROOT / "eddy").glob("*.py") if path.stem != "__init__"}
    found["eddy"] = ROOT / "eddy" / "__init__.py"
    for path in (ROOT / "eddy" / "testing").glob("*.py"):
        found["eddy.testing" if path.stem == "__init__" else f"eddy.testing.{path.stem}"] = path
    for package in LINKED:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(("eddy", *(part for part in parts if part != "__init__")))] = path
    return found


def imported(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (module, names taken from it) of each import statement of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield str(node.module), tuple(alias.name for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Return the modules of the distribution with the modules of it that each imports."""
    known = modules()
    edges: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for module, names in imported(path):
            for taken in names or ("",):
                whole = f"{module}.{taken}"
                target = whole if whole in known else module
                if target in known and target not in (name, "eddy"):
                    edges[name].add(target)
    return edges


def role(module: str) -> str:
    """Return the part that a module belongs to: ``models.engine``, ``stack``; ``eddy`` is the vocabulary."""
    parts = module.split(".")
    if parts[1:2] == ["testing"]:
        return "testing"
    if len(parts) < 2 or parts[1] not in LINKED:
        return "eddy"
    inside = (ROOT / Path(*parts[1:3])).is_dir()
    return ".".join(parts[1:3]) if inside and len(parts) > 2 else parts[1]


def between(edges: Graph, name: str = "") -> dict[str, set[str]]:
    """Return the same graph between roles; with a name only between the sub-packages of that folder."""
    found: dict[str, set[str]] = defaultdict(set)
    for source, targets in edges.items():
        for target in targets:
            a, b = role(source), role(target)
            if a != b and (not name or (a.split(".")[0] == name and b.split(".")[0] == name)):
                found[a].add(b)
    return dict(found)


def circles(edges: Graph) -> list[list[str]]:
    """Return groups of nodes that import each other, directly or not (Tarjan 1972); empty if imports point one way."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def drawn() -> str:
    """Format the graph for the document: a row for each role, with the roles that it imports."""
    edges = between(graph())
    rows = [f"| `{source}` | {', '.join(f'`{t}`' for t in sorted(edges[source]))} |" for source in sorted(edges)]
    return "\n".join([_BEGIN, "| part | imports |", "| --- | --- |", *rows, _END])


def with_graph(text: str) -> str:
    """Return a document with the graph in the place that is marked for it."""
    before, _, rest = text.partition(_BEGIN)
    return before + drawn() + rest.partition(_END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(with_graph(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
