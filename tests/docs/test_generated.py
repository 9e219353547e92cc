"""Check that tables which are generated into the documentation are up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from eddy.stack.paths import ROOT
from tests.import_graph import DOCUMENT, with_graph


@pytest.fixture
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_import_graph_of_the_document_is_the_one_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_graph(text), "run 'python -m tests.import_graph'"


def test_table_of_decisions_lists_each_file_with_its_status(hooks: ModuleType) -> None:
    index = ROOT / "docs" / "decisions" / "index.md"
    text = index.read_text(encoding="utf-8")
    assert text == hooks.with_decisions(text), "run 'python docs/hooks.py'"
    for path in index.parent.glob("[0-9]*.md"):
        assert f"]({path.name}) | " in text


@pytest.mark.parametrize(
    "content", ["# 070: No status\n", "# Untitled\n\nStatus: accepted.\n", "# 070: A\n\nStatus: ok.\n"]
)
def test_decision_without_title_or_status_is_an_error(
    hooks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "070-x.md").write_text(content)
    monkeypatch.setattr(hooks, "DECISIONS", tmp_path)
    with pytest.raises(ValueError, match=r"070-x\.md: expected a first line"):
        hooks.decision_table()
