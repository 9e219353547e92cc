"""Check that every command, option and setting named in the documentation exists."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer
from typer.main import get_command

from eddy.cli import main as command_line
from eddy.configuration import flatten
from eddy.models.catalog import DETECTORS
from eddy.settings import Settings
from eddy.stack.paths import ROOT
from eddy.training.evaluation.runs.lineup import LINEUP, NAMED
from tests.docs.test_pages import PAGES

FENCED = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
#: names of packages, drawn from the code
IMPORT_GRAPH = re.compile(r"<!-- import graph: begin -->.*?<!-- import graph: end -->", re.DOTALL)
CALL = re.compile(r"^(?:\$ )?(?:\.venv/bin/|\./run )?eddy\s+(\S.*)$")
WORDS_OF_RUN = {"setup", "demo", "eddy", "test", "docs", "wheel", "bench-check"}
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # no public name for it
GROUPS = {key.partition(".")[0] for key, _ in flatten(Settings())}


@cache
def root() -> Any:
    """The command line with all its groups and its own options."""
    app = typer.Typer()
    app.callback()(command_line.root)
    for name in command_line.COMMANDS:
        importlib.import_module(f"eddy.cli.{name}").register(app)
    return get_command(app)


def lines(text: str) -> Iterator[str]:
    """What stands in code style: lines of blocks, those that go on joined, and words in the text."""
    blocks = FENCED.findall(text)
    for block in blocks:
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())
    rest = FENCED.sub("", text)
    yield from (line.strip() for line in rest.splitlines() if line.startswith("    "))
    for span in INLINE.findall(rest):
        yield " ".join(span.split())


def words_of(command: str) -> list[str]:
    """A command's words as a shell has them; what a page marks as optional is taken as given."""
    command = re.sub(r"\s#.*", "", command)
    command = re.split(r"\s(?:\||&&|>|;)\s", command)[0]
    return shlex.split(command.replace("[--", "--").replace("]", ""))


def trouble(words: list[str]) -> str | None:
    """What is wrong with the words after ``eddy``; values are not looked at, for pages have ``FILE`` and ``ID``."""
    command: Any = root()
    path = "eddy"
    while True:
        context = command.context_class(command, info_name=path)
        try:
            plain = command.rewritten(words) if hasattr(command, "rewritten") else list(words)
            given, rest, _ = command.make_parser(context).parse_args(plain)
        except USAGE_ERROR as error:
            return f"{path}: {error}"
        for setting in given.get("overrides") or []:
            key = setting.partition("=")[0]
            if key not in dict(flatten(Settings())):
                return f"--set {key}: no such setting"
        if not hasattr(command, "commands") or not rest or rest[0] == "…":
            return None  # a group may stand by itself
        if rest[0] not in command.commands:
            return f"{path}: no command {rest[0]!r}"
        path, command, words = f"{path} {rest[0]}", command.commands[rest[0]], rest[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_documented_commands_exist_with_their_options(page: Any) -> None:
    wrong = []
    for line in lines(page.read_text()):
        if (call := CALL.match(line)) and (found := trouble(words_of(call[1]))):
            wrong.append(f"{line}\n    {found}")
        elif (run := re.match(r"^\./run\s+([a-z-]+)", line)) and run[1] not in WORDS_OF_RUN:
            wrong.append(f"{line}\n    ./run: no command {run[1]!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_documented_settings_exist(page: Any) -> None:
    """A ``group.key`` in code style must be a setting, or a pattern of settings such as ``kafka.*``."""
    known = {key for key, _ in flatten(Settings())}
    text = IMPORT_GRAPH.sub("", FENCED.sub("", page.read_text()))
    named = [span for span in INLINE.findall(text) if re.fullmatch(r"\w+\.(?!env$)\w+(=\S+)?", span)]  # no file job.env
    wrong = [s for s in named if s.partition(".")[0] in GROUPS and s.partition("=")[0] not in known]
    assert wrong == []


def test_wrong_command_or_setting_is_found() -> None:
    assert "No such option: --fast" in str(trouble(["job", "submit", "--fast"]))
    assert "no command 'jump'" in str(trouble(["job", "jump"]))
    assert "no such setting" in str(trouble(["--set", "job.colour=red", "job", "state"]))
    assert trouble(["job", "submit", "--from", "PATH"]) is None


def test_documented_detectors_exist() -> None:
    pages = [page for page in PAGES if page.parent.name != "how-to"]  # these make a detector of their own
    named = {name for page in pages for name in re.findall(r"--detector ([a-z][\w-]*)", page.read_text())}
    choice = (ROOT / "docs" / "choosing-a-detector.md").read_text()
    named |= set(re.findall(r"^\| [^|]+ \| `([\w-]+)`", choice, re.MULTILINE))
    assert len(named) >= 8
    assert named - set(DETECTORS.names()) - {entrant.name for entrant in (*LINEUP, *NAMED)} == set()
