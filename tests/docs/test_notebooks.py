"""The notebooks of the documentation run, and print what is printed in them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from eddy.configuration import as_environment
from eddy.settings import Settings
from eddy.training.registry.registry import Registry
from tests.docs.notebooks import NOTEBOOKS, executed, needs_stack, printed

RENEW = "'python -m tests.docs.notebooks' writes what they print now"


def test_there_are_two_and_one_publishes() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first-look", "tune-and-publish"]
    tagged = [cell.source for path in NOTEBOOKS for cell in nbformat.read(path, 4).cells if needs_stack(cell)]
    assert len(tagged) == 1
    assert "publish(" in tagged[0]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_print_what_they_show(path: Path, tmp_path: Path) -> None:
    done = executed(path, tmp_path)
    assert printed(done) == printed(nbformat.read(path, as_version=4)), RENEW
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert not [out for cell in code for out in cell.outputs if out.get("name") == "stderr"], "a warning"


@pytest.mark.stack
def test_the_cell_that_publishes_does(unique_topics: Settings, tmp_path: Path) -> None:
    done = executed(NOTEBOOKS[1], tmp_path, as_environment(unique_topics), stack=True)
    published = [cell for cell in done.cells if needs_stack(cell)]
    assert [out.text for cell in published for out in cell.outputs] == ["published: taxi@1\n"]
    assert Registry(unique_topics).read().current["taxi"].series == ("taxi-*",)
