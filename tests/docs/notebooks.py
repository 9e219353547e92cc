"""Runs the notebooks of the documentation; ``python -m tests.docs.notebooks`` writes what they give into them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from eddy.stack.paths import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
STACK = "stack"  # tag of cells that need Kafka
_KEPT = {"text/plain", "text/html", "image/png"}
_SECONDS = 300  # for one cell


def executed(path: Path, folder: Path, environment: Mapping[str, str] | None = None, stack: bool = False) -> Any:
    """Run a notebook in a folder of its own.

    Args:
        path: the notebook; it is not changed.
        folder: what the cells write goes there.
        environment: variables beside the process's own.
        stack: also run the cells that need Kafka.

    Returns:
        The notebook with its outputs.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    run = nbformat.from_dict({**notebook, "cells": [c for c in notebook.cells if stack or not needs_stack(c)]})
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EDDY_")}
    env = {**clean, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **(environment or {})}
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(run, timeout=_SECONDS, kernel_name="python3", resources=resources).execute(env=env)
    return run


def needs_stack(cell: Any) -> bool:
    """Whether a cell is to be run only where there is Kafka."""
    return STACK in cell.metadata.get("tags", ())


def printed(notebook: Any) -> list[str]:
    """What each code cell that needs no stack prints."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and not needs_stack(cell)]
    return ["".join(out.text for out in cell.outputs if out.get("name") == "stdout") for cell in cells]


def _write(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {cell.id: cell for cell in executed(path, Path(folder)).cells}
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.execution_count, cell.outputs = None, []
        for output in found[cell.id].outputs if cell.id in found else ():
            output.pop("execution_count", None)
            if "data" in output:
                output["data"] = {kind: content for kind, content in output["data"].items() if kind in _KEPT}
                output["metadata"] = {}
            if output.output_type == "execute_result":
                output = nbformat.v4.new_output("display_data", output["data"])  # noqa: PLW2901  without a count
            cell.outputs.append(output)
        cell.metadata.pop("execution", None)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for one in NOTEBOOKS:
        _write(one)
        print(one.relative_to(ROOT))
