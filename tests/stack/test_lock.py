"""Check that the lock file matches the declared dependencies."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from eddy.stack.paths import ROOT


def test_every_declared_dependency_is_locked_in_a_matching_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [Requirement(text) for group in (project["dependencies"], *extras) for text in group]
    declared = [wanted for wanted in declared if wanted.name != project["name"]]  # one extra that contains another
    lines = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    locked = {name.lower().replace("_", "-"): version for name, version in lines}
    unfit = [str(wanted) for wanted in declared if not wanted.specifier.contains(locked.get(wanted.name.lower(), "0"))]
    how = "uv pip compile --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11"
    assert unfit == [], f"run: {how} pyproject.toml --all-extras -o requirements.txt"


def test_every_locked_package_has_hashes() -> None:
    for name in ("requirements.txt", "requirements-uv.txt"):
        entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / name).read_text(), flags=re.MULTILINE)
        assert [entry for entry in entries if entry.strip() and "--hash=sha256:" not in entry] == [], name
