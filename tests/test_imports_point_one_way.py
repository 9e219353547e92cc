"""Check that imports follow the table of docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "eddy": set(),
    "models": {"eddy"},
    "flink_job": {"eddy", "models"},
    "training": {"eddy", "models"},
    "producers": {"eddy"},
    "dashboard": {"eddy"},
    "stack": {"eddy"},
    "cli": {"eddy", "models", "flink_job", "training", "producers", "dashboard", "stack", "benchmarks"},
}
OURS = {*MAY_IMPORT, "tests", "benchmarks"}
#: ``models`` runs anywhere: neither Flink nor a Kafka or Redis client may come with it
NOT_IN_MODELS = {"pyflink", "kafka", "confluent_kafka", "redis", "apache_beam"}


def imported(path: Path, at_import_only: bool = False) -> set[str]:
    """Top-level names of what a file imports; on request only what runs when it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if at_import_only and id(node) in inner:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_the_table_allows(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        wrong = (imported(path) & OURS) - MAY_IMPORT[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_models_import_no_flink_kafka_or_redis():
    for path in sorted((ROOT / "models").rglob("*.py")):
        wrong = imported(path, at_import_only=True) & NOT_IN_MODELS
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_every_package_is_in_the_table():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= OURS
