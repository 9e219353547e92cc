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
from eddy.stack.acls import ROLES, commands, entries

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
