"""Check that the client's wheel is small, complete, and fit for Python 3.9 and later.

The checks of the source are made with this Python; ``test_client_works_alone`` runs on every Python of the list that
this machine has, and says so where it has one not.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from eddy.stack.paths import ROOT
from tests import import_graph
from tests.packaging.conftest import run
from wheels.build import client_files

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
PLAIN = {"PATH": "/usr/bin:/bin"}
FILES = [ROOT / name for name in client_files() if name.endswith(".py")]
PROJECT = tomllib.loads((ROOT / "wheels" / "client.toml").read_text(encoding="utf-8"))["project"]
#: what the client is for, without brokers: they are named where nothing listens
PROGRAM = """
import json, sys
from eddy.client import Alert, AlertStream, LiveState
from eddy.configuration import load
from eddy.errors import DataError, StackError
from eddy.feedback import Feedback
from eddy.feedback_sender import feedback_on, send_feedback

def refused(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(call)

quick = ["kafka.bootstrap_servers=127.0.0.1:1", "kafka.request_timeout_ms=1000", "redis.port=1"]
settings = load([*quick, "job.start_time=2025-01-01", 'alerts.overrides=[{"series":"a-*"}]'], environ={}).settings
assert settings.job.start_time.tzinfo is not None and settings.alerts.overrides[0].fits("a-1")
numbers = {"value": 1.0}
alert = Alert("0" * 16, "a-1", "open", 1, 2, 3, 4.0, 2.0, 50, "high", 1, 0, numbers, numbers, numbers, numbers, numbers,
              {"name": "m", "version": 1}, "zscore")
assert Alert.from_json(alert.to_json()) == alert
(answer,) = feedback_on(alert, "label", by="ann", label="leak")
assert Feedback.from_json(answer.to_json()) == answer and "label" in Feedback.json_schema()["properties"]
said = [
    refused(DataError, Feedback, "x", "s", "m", "shrug", "ann", 1, 0, 1),
    refused(DataError, Alert.from_json, b"[]"),
    refused(StackError, AlertStream, settings),
    refused(StackError, LiveState(settings).open_incidents),
    refused(StackError, send_feedback, settings, [answer]),
]
print(json.dumps({"python": sys.version_info[:2], "modules": sorted(sys.modules), "said": said}))
"""


def imported_by(*roots: str) -> set[str]:
    """The modules that some modules need, directly or not."""
    edges, waiting, found = import_graph.graph(), list(roots), {"eddy"}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += edges[name]
    return found


def test_client_holds_what_it_imports_and_nothing_else():
    named = {f"eddy.{path.stem}" if path.stem != "__init__" else "eddy" for path in FILES}
    assert named == imported_by("eddy.client", "eddy.feedback_sender")


def test_client_declares_the_packages_that_it_imports_in_the_versions_of_eddy():
    names = {"yaml": "PyYAML", "kafka": "kafka-python", "pydantic_core": "pydantic"}
    found = {module.split(".")[0] for path in FILES for module, _ in import_graph.imported(path)}
    ours = {"eddy", "__future__", *sys.stdlib_module_names}
    ours.add("confluent_kafka")  # in functions that the client never calls
    ours.add("botocore")  # with AWS_MSK_IAM only, which says so where it is missing
    needed = {names.get(name, name.replace("_", "-")) for name in found - ours}
    declared = {wanted.name: wanted for wanted in map(Requirement, PROJECT["dependencies"])}
    assert needed == {name for name in declared if name != "eval-type-backport"}
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    of_eddy = {wanted.name: wanted for wanted in map(Requirement, whole["dependencies"])}
    assert {str(declared[name]) for name in needed} == {str(of_eddy[name]) for name in needed}
    assert [line.split(" :: ")[-1] for line in PROJECT["classifiers"] if "Python :: 3" in line] == list(PYTHONS)
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_client_uses_only_syntax_and_library_of_its_oldest_python():
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=int(PYTHONS[0].partition(".")[2]))
        assert evaluated_unions(tree) == [], f"{path}: {PYTHONS[0]} cannot evaluate this: say Optional, or a tuple"
    checker = Path(sys.executable).with_name("vermin")
    done = subprocess.run(
        [checker, f"-t={PYTHONS[0]}-", "--violations", "--no-tips", *FILES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "Minimum required versions: 3." in done.stdout


@pytest.mark.parametrize("line", ["N = dict[str, float | None]", "isinstance(3, int | str)", "N = None | int"])
def test_evaluated_unions_are_found(line: str):
    assert len(evaluated_unions(ast.parse(line))) == 1
    assert evaluated_unions(ast.parse("def f(x: int | None) -> str | None: y: int | None = x | {1: 2}")) == []


def evaluated_unions(tree: ast.AST) -> list[int]:
    """Lines on which types are joined by ``|`` outside of annotations, which Python 3.9 cannot do."""
    types = {"int", "str", "float", "bytes", "bool", "list", "tuple", "dict", "set", "Mapping", "Sequence"}

    def is_type(node: ast.AST) -> bool:
        is_none = isinstance(node, ast.Constant) and node.value is None
        return is_none or (isinstance(node, ast.Name) and node.id in types)

    unions = (node for node in _evaluated(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr))
    return [node.lineno for node in unions if is_type(node.left) or is_type(node.right)]


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree without annotations, which ``from __future__ import annotations`` leaves as text."""
    yield node
    for name, value in ast.iter_fields(node):
        if name not in {"annotation", "returns"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _evaluated(child)


def interpreter(version: str) -> str | None:
    """A Python of this version that runs, from ``PATH`` or from pyenv's folder, whose commands on ``PATH`` may not."""
    known = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in filter(None, [shutil.which(f"python{version}"), *map(str, known)]):
        start = [candidate, "-c", "import ssl"]
        if subprocess.run(start, env=PLAIN, capture_output=True, check=False).returncode == 0:
            return candidate
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_client_works_alone(version: str, built: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here: the client was not run with it, only its source was checked")
    (wheel,) = built.glob("eddy_client-*.whl")
    site = tmp_path / "site"
    binary = ["--only-binary", ":all:", "--python-platform", "x86_64-manylinux_2_31", "--python-version", version]
    run(sys.executable, "-m", "uv", "pip", "install", "-q", *binary, "--target", site, wheel, cwd=tmp_path)
    env = {**PLAIN, "PYTHONPATH": str(site)}
    found = json.loads(run(python, "-c", PROGRAM, cwd=tmp_path, env=env))
    assert found["python"] == [int(part) for part in version.split(".")]
    loaded = {name.split(".")[0] for name in found["modules"]}
    assert (
        loaded & {"numpy", "pyflink", "apache_beam", "py4j", "numba", "torch", "confluent_kafka", "requests"} == set()
    )
    assert not any(name.startswith(("numpy", "apache_flink")) for name in (path.name for path in site.iterdir()))
    assert [text.split(":")[0] for text in found["said"]] == [
        "feedback", "alert", "Kafka at 127.0.0.1", "Redis at 127.0.0.1", "Kafka at 127.0.0.1",
    ]  # fmt: skip
