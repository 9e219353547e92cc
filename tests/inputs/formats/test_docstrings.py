"""Check that the examples of the formats print what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from eddy.stack.paths import ROOT

MODULES = sorted(path.stem for path in (ROOT / "inputs" / "formats").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str) -> None:
    module = importlib.import_module(f"eddy.inputs.formats.{name}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).failed == 0
