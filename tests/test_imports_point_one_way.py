"""Check that imports point one way: between packages, between the roles inside them, and that none goes in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import import_graph

ROOT = Path(__file__).parents[1]
#: which package may import which; ``eddy`` is the vocabulary that all share: settings, messages, connections, client
MAY_IMPORT = {
    "eddy": set(),
    "models": {"eddy"},
    "csv_files": {"eddy"},  # one reader for producing, training and scoring
    "inputs": {"eddy", "models"},  # rules of aggregation; one reader of the messages of other programs, for all
    "producers": {"eddy", "csv_files"},
    "stack": {"eddy"},
    "dashboard": {"eddy", "inputs"},
    "flink_job": {"eddy", "models", "inputs"},
    "training": {"eddy", "models", "csv_files", "inputs"},
    "testing": {
        "eddy",
        "models",
        "flink_job",
        "training",
        "dashboard",
        "inputs",
    },  # contract suites, for other packages too
    "ops": {"eddy", "flink_job", "stack", "training", "inputs"},
    "cli": {"eddy", "models", "flink_job", "training", "producers", "csv_files", "inputs", "dashboard", "stack", "ops"},
}
#: roles inside a package, from the bottom up: each may import those before it
ORDER = {
    "models": (
        "core", "", "windowing", "intervals", "preprocessing", "thresholds", "artifacts", "detectors", "drift",
        "alerting", "silence", "serving", "engine",
    ),
    "flink_job": ("wire", "sinks", "client", "model_updates", "operators", "graph", ""),
    "training": ("data", "fitting", "registry", "evaluation", "trainer", "notebook", ""),
    "dashboard": ("", "sources", "stores", "parts", "pages", "web"),
    "cli": ("", "train", "evaluate", "produce", "demo", "commands"),
}  # fmt: skip
#: ``models`` runs anywhere: neither Flink nor a Kafka or Redis client may come with it
NOT_IN_MODELS = {"pyflink", "kafka", "confluent_kafka", "redis", "apache_beam"}
EDGES = import_graph.graph()


def package_of(module: str) -> str:
    return import_graph.role(module).split(".")[0]


def test_every_package_is_in_the_tables():
    assert set(MAY_IMPORT) == {"eddy", "testing", *import_graph.LINKED}
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"eddy", "tests", "benchmarks"}
    assert folders == set(import_graph.LINKED), "a package that is not linked from eddy/ cannot be installed"
    for package, roles in ORDER.items():
        found = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert found == set(roles) - {""}, package


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_package_imports_only_what_the_table_allows(package: str):
    for module, targets in EDGES.items():
        if package_of(module) == package:
            wrong = {target for target in targets if package_of(target) not in MAY_IMPORT[package] | {package}}
            assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("package", ORDER)
def test_roles_inside_a_package_import_downwards_only(package: str):
    rank = {f"{package}.{role}".rstrip("."): at for at, role in enumerate(ORDER[package])}
    for module, targets in EDGES.items():
        own = import_graph.role(module)
        for target in targets:
            other = import_graph.role(target)
            if own in rank and other in rank:
                assert rank[other] <= rank[own], f"{module} imports {target}, which is above it"


def test_no_circle_at_module_level_in_functions_or_for_type_checking():
    assert import_graph.circles(EDGES) == []


def test_everything_is_imported_under_eddy():
    inside = set(import_graph.LINKED)
    for path in [
        *import_graph.modules().values(),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "benchmarks").rglob("*.py"),
    ]:
        wrong = {module for module, _ in import_graph.imported(path) if module.split(".")[0] in inside}
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}: say eddy.{min(wrong)}"


def test_models_need_no_stream_processor():
    for path in sorted((ROOT / "models").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
        }
        found = set()
        for node in ast.walk(tree):
            if id(node) not in inner and isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif id(node) not in inner and isinstance(node, ast.ImportFrom):
                found.add(str(node.module).split(".")[0])
        assert not found & NOT_IN_MODELS, f"{path.relative_to(ROOT)} imports {', '.join(sorted(found & NOT_IN_MODELS))}"


def test_graph_in_the_architecture_document_is_that_of_the_code():
    text = import_graph.DOCUMENT.read_text(encoding="utf-8")
    assert import_graph.with_graph(text) == text, "write it anew: python -m tests.import_graph"


def test_circle_hidden_in_a_function_is_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert import_graph.circles(edges) == [["a", "b", "c"]]
