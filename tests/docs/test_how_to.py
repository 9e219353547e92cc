"""Follow each how-to page literally in an empty folder: make its files, announce them, run its commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from eddy.stack.paths import ROOT
from tests.models.plugin_package import write_package

#: pages of ``docs/how-to`` with blocks marked ``<!-- not run: how-to FILE, … -->``, or ``how-to run``
PAGES = ("detector", "threshold", "page")
BLOCK = re.compile(r"<!-- not run: how-to (\S+), by \S+ -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(page: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Do what a page says; results of its commands, each of which has to succeed."""
    blocks = BLOCK.findall((ROOT / "docs" / "how-to" / f"{page}.md").read_text())
    files = {name: text for name, text in blocks if name != "run"}
    for name, text in files.items():
        (folder / name).write_text(text)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    points = "\n".join(
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    write_package(folder, project["name"].replace("-", "_"), {}, points)  # 'pip install .', without an index
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name, module in (("python", ""), ("eddy", "-m eddy.cli ")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n')
        (bin_folder / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "COLUMNS": "120",
    }
    done = []
    for name, text in blocks:
        for command in text.splitlines() if name == "run" else ():
            result = subprocess.run(
                ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=250,
                check=False,
            )  # fmt: skip
            assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
            done.append(result)
    return done


def test_detector_page_makes_a_detector_that_passes_its_contract_and_trains(tmp_path: Path) -> None:
    suite, _, trained, shown = follow("detector", tmp_path)
    assert " passed" in suite.stdout
    assert "--margin" in shown.stdout
    assert "range" in trained.stdout
    from_job = (
        "import numpy as np; from pathlib import Path\n"
        "from eddy.training.fitting import artifacts\n"
        "from eddy.models.serving.model_set import ModelSet\n"
        "from eddy.models.engine.engine import Engine, EngineOptions\n"
        "manifest, content = artifacts.read(Path('my-model'))\n"
        "models = ModelSet(); models.put(manifest, lambda _: content)\n"
        "engine = Engine(models, EngineOptions()); engine.adopt_models()\n"
        "values = np.r_[np.arange(30) % 7, 50.0, 50.0][:, None].astype(float)\n"
        "slots = engine.slots(['history'] * 32)\n"
        "print(len(engine.process(slots, np.arange(32) * 60_000, values, 0, True).alerts))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", from_job], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def test_threshold_page_makes_a_threshold_that_passes_its_contract_and_trains(tmp_path: Path) -> None:
    suite, _, trained = follow("threshold", tmp_path)
    assert " passed" in suite.stdout
    assert "record" in trained.stdout


def test_page_page_makes_a_page_that_passes_its_contract(tmp_path: Path) -> None:
    [suite] = follow("page", tmp_path)
    assert " passed" in suite.stdout


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_ten_minutes(page: str) -> None:
    """One file of code, numbered steps, no more than 140 lines to type."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
    blocks = dict(BLOCK.findall(text))
    code = [name for name in blocks if name.endswith(".py") and not name.startswith("test_")]
    assert len(code) == 1
    steps = [int(number) for number in re.findall(r"^## (\d)\. ", text, re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 3
    assert sum(block.count("\n") for name, block in blocks.items() if name != "run") <= 140
