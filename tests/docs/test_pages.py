"""The documentation builds without a warning, and its code blocks do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.paths import ROOT, home
from stack.ports import free_ports

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<language>bash|python)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (?:run: (?P<how>bash|python|stack)|not run: (?P<why>\S.+)) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A code block and what is to be done with it."""

    language: str
    code: str
    how: str  # empty: not run, and the page says why


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for fence in FENCE.finditer(text):
        mark = MARK.search(text, 0, fence.start())
        line = text[: fence.start()].count("\n") + 1
        assert mark, (
            f"{page.relative_to(ROOT)}:{line}: say '<!-- run: … -->' or '<!-- not run: why -->' above the block"
        )
        yield Block(fence["language"], fence["code"], mark["how"] or "")


RUN = [page for page in PAGES if any(block.how for block in blocks(page))]


def test_every_block_is_run_or_says_why_not() -> None:
    assert sum(1 for page in PAGES for _ in blocks(page)) >= 6
    assert RUN


@pytest.mark.stack
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_code_blocks(page: Path, tmp_path: Path) -> None:
    """The blocks of a page one after the other in one folder, as a reader would."""
    names = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "REDIS_PORT", "FLINK_REST_PORT", "FLINK_RPC_PORT", "DASHBOARD_PORT")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    here = {name: value for name, value in os.environ.items() if not name.startswith(("EDDY_", "FLINK_", "PYTHONPATH"))}
    env = {
        **here,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "EDDY_HOME": str(home()),
        "EDDY_STACK_DATA_DIR": str(tmp_path / "stack"),
        **{f"EDDY_STACK_{name}": str(port) for name, port in ports.items()},
        "EDDY_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['KAFKA_PORT']}",
        "EDDY_REDIS_PORT": str(ports["REDIS_PORT"]),
    }
    try:
        for block in filter(lambda block: block.how, blocks(page)):
            command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
            done = subprocess.run(
                [*command, block.code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block.code}\n{done.stdout}{done.stderr}"
    finally:
        subprocess.run(["eddy", "down"], cwd=tmp_path, env=env, capture_output=True, check=False)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ROOT / "mkdocs.yml", "-d", tmp_path / "site"]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    assert "AlertStream" in (tmp_path / "site" / "reference.html").read_text()
    decisions = (tmp_path / "site" / "decisions" / "index.html").read_text()
    assert [p.stem for p in (ROOT / "docs" / "decisions").glob("0*.md") if f"{p.stem}.html" not in decisions] == []


def test_files_that_pages_name_are_there() -> None:
    """Links are checked by the build; this is for paths in code style."""
    missing = []
    for page in PAGES:
        for name in re.findall(r"`((?:examples|docs|docker|kubernetes|tests|benchmarks)/[\w./-]+?)`", page.read_text()):
            if not (ROOT / name).exists():
                missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert missing == []
