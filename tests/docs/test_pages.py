"""Check that the documentation builds without warnings and that its code blocks run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eddy.configuration import load
from eddy.formats import JsonFormat
from eddy.stack.paths import ROOT, home
from eddy.stack.ports import free_ports

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (?:run: (?P<how>bash|python|stack|settings|observations)|not run: (?P<why>\S.+)) -->\n\Z")
#: what a block may be, and how it can be run; ``text`` is a picture or what a program prints
LANGUAGES = {
    "text": set(),
    "bash": {"", "bash", "stack"},
    "python": {"", "python"},
    "yaml": {"", "settings"},
    "json": {"", "observations"},
}


@dataclass(frozen=True)
class Block:
    """A code block and what is to be done with it."""

    language: str
    code: str
    how: str  # empty: not run, and the page says why


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for fence in FENCE.finditer(text):
        place = f"{page.relative_to(ROOT)}:{text[: fence.start()].count(chr(10)) + 1}"
        language = fence["language"]
        assert language in LANGUAGES, f"{place}: the block needs a language, one of {sorted(LANGUAGES)}"
        if not LANGUAGES[language]:
            continue
        mark = MARK.search(text, 0, fence.start())
        assert mark, f"{place}: say '<!-- run: … -->' or '<!-- not run: why -->' above the block"
        assert (mark["how"] or "") in LANGUAGES[language], f"{place}: {language} cannot be run as {mark['how']}"
        yield Block(language, fence["code"], mark["how"] or "")


RUN = [page for page in PAGES if any(block.how in ("bash", "python", "stack") for block in blocks(page))]
READ = [(page, block) for page in PAGES for block in blocks(page) if block.how in ("settings", "observations")]


def test_every_code_block_is_run_or_says_why_not() -> None:
    found = [block for page in PAGES for block in blocks(page)]
    assert len(found) >= 20
    assert RUN
    assert len(READ) >= 3


@pytest.mark.parametrize(("page", "block"), READ, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_documented_settings_and_messages_are_valid(page: Path, block: Block, tmp_path: Path) -> None:
    if block.how == "observations":
        for line in block.code.splitlines():
            JsonFormat().parse(line.encode())
        return
    content = re.sub(r"/run/secrets/\w+|/etc/eddy/[\w.]+", str(tmp_path / "there"), block.code)
    (tmp_path / "there").write_text("a secret, a calendar, a certificate")
    (tmp_path / "eddy.yaml").write_text(content)
    load(file=tmp_path / "eddy.yaml", environ={})


@pytest.mark.stack
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_code_blocks_run(page: Path, tmp_path: Path) -> None:
    """Runs the blocks of a page in order in one folder, as a reader would."""
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
        for block in filter(lambda block: block.how in ("bash", "python", "stack"), blocks(page)):
            command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
            done = subprocess.run(
                [*command, block.code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block.code}\n{done.stdout}{done.stderr}"
    finally:
        subprocess.run(["eddy", "down"], cwd=tmp_path, env=env, capture_output=True, check=False)


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        ROOT / "mkdocs.yml",
        "-d",
        tmp_path / "site",
    ]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    assert "AlertStream" in (tmp_path / "site" / "reference.html").read_text()
    decisions = (tmp_path / "site" / "decisions" / "index.html").read_text()
    assert [p.stem for p in (ROOT / "docs" / "decisions").glob("0*.md") if f"{p.stem}.html" not in decisions] == []


def test_files_named_in_the_documentation_exist() -> None:
    """Checks paths in code style; the build checks links."""
    missing = []
    for page in PAGES:
        for name in re.findall(r"`((?:examples|docs|docker|kubernetes|tests|benchmarks)/[\w./-]+?)`", page.read_text()):
            if not (ROOT / name).exists():
                missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert missing == []
