"""Check that the files that a code forge reads are valid and name what this repository has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import eddy
from eddy.stack.paths import ROOT

FORGE = ROOT / ".github"
WORKFLOW = FORGE / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
FORMS = sorted(path for path in (FORGE / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def check_schema(name: str, *files: Path) -> None:
    """Fail with the checker's message if a file breaks the schema that check-jsonschema brings under this name."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [checker, "--builtin-schema", f"vendor.{name}", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return dict(yaml.safe_load(WORKFLOW.read_text()))


def test_workflow_and_issue_forms_follow_their_schemas() -> None:
    check_schema("github-workflows", WORKFLOW)
    check_schema("github-issue-config", FORGE / "ISSUE_TEMPLATE" / "config.yml")
    assert len(FORMS) >= 3
    check_schema("github-issue-forms", *FORMS)


def test_workflow_runs_the_commands_of_a_developer_and_no_others(workflow: dict[Any, Any]) -> None:
    job = workflow["jobs"]["test"]
    commands = {entry["command"] for entry in job["strategy"]["matrix"]["include"]}
    assert commands == {"./run test --fast", ".ci/run"}
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == "${{ matrix.command }}"
    assert "exec ./run test\n" in (ROOT / ".ci" / "run").read_text()


def test_workflow_pins_actions_to_full_versions_and_cannot_write(workflow: dict[Any, Any]) -> None:
    actions = [step["uses"] for step in workflow["jobs"]["test"]["steps"] if "uses" in step]
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[\w/-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", action)] == []
    assert workflow["permissions"] == {"contents": "read"}


def test_workflow_caches_depend_on_files_that_exist(workflow: dict[Any, Any]) -> None:
    (key,) = [step["with"]["key"] for step in workflow["jobs"]["test"]["steps"] if "cache" in step.get("uses", "")]
    patterns = re.findall(r"'([^']+)'", key)
    assert "requirements.txt" in patterns
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []


def test_codeowners_names_only_paths_that_exist() -> None:
    lines = (FORGE / "CODEOWNERS").read_text().splitlines()
    paths = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert paths[0] == "*"
    assert [path for path in paths[1:] if not (ROOT / path.lstrip("/")).exists()] == []


def test_changelog_has_unreleased_first_and_then_the_current_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert headings[1].startswith(f"[{eddy.__version__}] - ")
    assert [
        heading for heading in headings[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
    ] == []


#: written together with the interfaces that they describe: their links are checked as soon as the folder is there
HOW_TO = ROOT / "docs" / "how-to"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_of_root_documents_lead_to_files_that_exist(name: str) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", (ROOT / name).read_text())
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert [target for target in missing if HOW_TO.exists() or HOW_TO not in (ROOT / target).parents] == []


def test_fast_tests_leave_out_registered_markers() -> None:
    named = re.search(r'left_out="([\w ]+)"', (ROOT / "run").read_text())
    assert named
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    registered = {re.split(r"[(:]", marker)[0] for marker in options["markers"]}
    left_out = set(named[1].split(" or "))
    assert {"slow", "stack", "docker", "faults"} == left_out
    assert left_out <= registered


def test_security_policy_has_no_address_and_links_the_threat_model() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "private vulnerability reporting" in text
    assert re.search(r"\S@\S", text) is None
    assert "(docs/security.md)" in text


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty git repository with this checkout's hooks."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    shutil.copy(HOOKS, tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.parametrize(
    ("hook", "name", "bad", "good"),
    [
        ("trailing-whitespace", "a.py", "x = 1 \n", "x = 1\n"),
        ("end-of-file", "a.py", "x = 1", "x = 1\n"),
        ("end-of-file", "a.md", "text\n\n", "text\n"),
        ("merge-conflict", "a.md", "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n", "a\n=======\n"),
        ("yaml", "a.yaml", "a: [1\n", "a: [1]\n---\nb: 2\n"),
    ],
)
def test_hook_refuses_the_bad_file_and_accepts_the_good_one(
    repository: Path, hook: str, name: str, bad: str, good: str
) -> None:
    for content, refused in ((bad, True), (good, False)):
        (repository / name).write_text(content)
        subprocess.run(["git", "add", name], cwd=repository, check=True)
        command = [sys.executable, "-m", "pre_commit", "run", hook, "--files", name]
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(repository),
            "PRE_COMMIT_HOME": str(repository / "cache"),
        }
        done = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == refused, done.stdout + done.stderr
        assert hook in done.stdout or not refused


def test_hooks_fetch_nothing() -> None:
    repositories = yaml.safe_load(HOOKS.read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    languages = {hook["language"] for hook in repositories[0]["hooks"]}
    assert languages <= {"system", "pygrep"}


SHIPPED = [
    path
    for room in ("cli", "dashboard", "eddy", "flink_job", "models", "ops", "producers", "stack", "training")
    for path in sorted((ROOT / room).rglob("*.py"))
]
CLIENT = re.compile(
    r"\b(?:KafkaConsumer|KafkaProducer|KafkaAdminClient|Consumer|Producer|AdminClient)(?:\(|, settings)"
)


def test_kafka_clients_are_made_in_one_module() -> None:
    """Where all of them get address, credentials, codecs and read_committed."""
    assert len(SHIPPED) > 300
    found = [str(path.relative_to(ROOT)) for path in SHIPPED if CLIENT.search(path.read_text(encoding="utf-8"))]
    assert found == ["eddy/connections.py"]


def test_observations_are_parsed_by_one_parser() -> None:
    """The job's; the trainer, backtests and the dashboard import it, and nothing else reads an observation's JSON."""
    by_hand = re.compile(r"""(?:\[|get\()["']series["'][\])].*(?:\[|get\()["']ts["'][\])]|message\[["']values?["']\]""")
    found = {str(path.relative_to(ROOT)) for path in SHIPPED if by_hand.search(path.read_text(encoding="utf-8"))}
    assert found == {"eddy/formats.py"}
    assert "form.read(" in (ROOT / "inputs/readers.py").read_text(encoding="utf-8")
    for reader in ("training/data/kafka_history.py", "dashboard/sources/history.py"):
        assert "reader.read(" in (ROOT / reader).read_text(encoding="utf-8"), reader
