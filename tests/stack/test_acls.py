"""Check that docs/security.md and ``eddy config acls`` list the rights of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from eddy.configuration import load
from eddy.flink_job.wire.frames import TOPIC_ROLES
from eddy.settings import Settings
from eddy.stack.acls import ROLES, _beginning, commands, entries

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("role", ROLES)
def test_security_document_lists_the_acls_of_each_role(role):
    (line,) = [x for x in (ROOT / "docs/security.md").read_text().splitlines() if x.startswith(f"| `{role}` |")]
    found = line.split(" | ")[2].rstrip(" |").split("; ")
    expected = [
        f"{', '.join(e.operations)} on {e.resource} `{e.name}{'*' if e.prefixed else ''}`"
        for e in entries(Settings(), role)
    ]
    assert found == expected


def test_reader_may_use_the_groups_of_the_shipped_examples():
    shipped = (ROOT / "docs/examples").glob("*.py")
    groups = {name for path in shipped for name in re.findall(r'group(?:=|", default=)"([\w-]+)"', path.read_text())}
    assert len(groups) == 2
    allowed = [entry for entry in entries(Settings(), "reader") if entry.resource == "group"]
    for group in groups:
        assert any(e.name == group or (e.prefixed and group.startswith(e.name)) for e in allowed), group


def test_acls_command_uses_names_from_the_settings():
    options = ["--set", "topics.prefix=plant", "--set", "job.name=night", "--set", "redis.prefix=p"]
    program = ["-c", "from eddy.cli.main import main; main()", *options, "config", "acls", "job", "--user", "jo"]
    done = subprocess.run([sys.executable, *program], capture_output=True, text=True, check=True, cwd=ROOT)
    settings = load(options[1::2], environ={}).settings
    assert commands(settings, "job", "jo")[0] in done.stdout
    assert "--operation READ --topic plant.observations" in done.stdout
    assert "--transactional-id night --resource-pattern-type prefixed" in done.stdout
    assert "ACL SETUSER jo on '>PASSWORD' ~p:* -@all" in done.stdout


def test_job_may_write_exactly_the_topics_it_has_records_for():
    written = {e.name for e in entries(Settings(), "job") if e.resource == "topic" and "WRITE" in e.operations}
    assert written == {Settings().topics.name(role) for role in TOPIC_ROLES}


def test_input_sources_are_read_by_job_and_trainer_where_they_are() -> None:
    sources = '[{"topics": ["plant", "plant.eu"]}, {"topics": "plant", "series": "x"}, {"pattern": "a\\\\.b-[0-9]+"},'
    sources += ' {"topics": "far", "kafka": {"bootstrap_servers": "other:9092"}}, {"pattern": "x|y"}]'
    settings = load([f"input={sources}", "job.name=night", "job.group=team-a"], environ={}).settings
    found = "\n".join(commands(settings, "job", "jo"))
    for name in ("plant", "plant.eu", "'*'"):
        assert found.count(f"--operation READ --topic {name}\n") == 1
    assert "--operation READ --topic a.b- --resource-pattern-type prefixed\n" in found
    other = [line for line in found.splitlines() if "--bootstrap-server other:9092" in line]
    assert [line.split("--operation ")[1] for line in other] == ["READ --topic far", "READ --group team-a"]
    assert {e.name for e in entries(settings, "job") if e.resource == "group"} == {
        "team-a", "team-a-models", "team-a-feedback",
    }  # fmt: skip
    assert "--transactional-id team-a --resource-pattern-type prefixed" in found
    trainer = "\n".join(commands(settings, "trainer", "jo"))
    assert "--topic plant\n" in trainer
    assert "team-a" not in trainer
    assert "plant" not in "\n".join(commands(settings, "producer", "jo"))


@pytest.mark.parametrize(
    ("pattern", "beginning"),
    [
        (r"plant\..*", "plant."), ("plant.*", "plant"), ("ab*", "a"), ("ab?c", "a"), (r"a\.{2}", "a"), ("a|b", ""),
        ("(a)b", ""), ("[ab]c", ""), ("abc", "abc"), ("(?i)abc", ""), ("ab+", "ab"), ("a.c", "a"), ("", ""),
        (r"\d+", ""),
    ],
)  # fmt: skip
def test_a_pattern_allows_what_all_its_topics_begin_with(pattern: str, beginning: str) -> None:
    assert _beginning(pattern) == beginning
