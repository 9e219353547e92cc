"""Check that detectors and thresholds are described for users: when they fail, what they cost, an example that runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re

import pytest

from eddy import plugins
from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.core import parameters
from eddy.testing import toy_series

VERBS = ("Score", "Combine", "Set", "Keep")
CLASSES = [*((DETECTORS, name) for name in DETECTORS.shipped), *((THRESHOLDS, name) for name in THRESHOLDS.shipped)]


@pytest.mark.parametrize(("registry", "name"), CLASSES, ids=[name for _, name in CLASSES])
def test_class_is_described_and_its_example_runs(registry: plugins.ClassRegistry, name: str) -> None:
    found = registry.get(name)
    text = inspect.cleandoc(vars(found)["__doc__"])
    assert text.startswith(VERBS)
    for wanted in (r"^Works ", r"\*\*Fails?\*\* ", r"^Cost: ", r"^References:$", r"^Examples:$"):
        assert re.search(wanted, text, re.MULTILINE), f"{name}: no {wanted}"
    module = importlib.import_module(found.__module__)
    [example] = doctest.DocTestFinder(recurse=False).find(found, found.__name__, module=module)
    assert len(example.examples) >= 3
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("module", [plugins, parameters, toy_series], ids=lambda module: module.__name__)
def test_examples_of_the_registry_and_the_suites_run(module: object) -> None:
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0  # type: ignore[arg-type]
