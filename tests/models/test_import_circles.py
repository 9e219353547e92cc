"""Check that modules of ``eddy.models`` import in one direction, inside functions and for type checking included."""

from __future__ import annotations

from tests.import_graph import circles, graph


def test_no_modules_of_models_import_each_other() -> None:
    assert [group for group in circles(graph()) if any(name.startswith("eddy.models.") for name in group)] == []
