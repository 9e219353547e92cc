"""Settings' names of the release before still work, with a warning that names the new one."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eddy import renamed_settings
from eddy.configuration import as_environment, environment_name, flatten, load
from eddy.errors import SettingsError
from eddy.renamed_settings import RENAMED
from eddy.settings import Settings

ROOT = Path(__file__).parents[2]
DEFAULTS = dict(flatten(Settings()))


def other(key: str) -> str:
    """A value that is not the default, as text."""
    value = DEFAULTS[key]
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, str):
        return f"x{value}"
    return str(value + 1) if isinstance(value, int) else str(value / 2)


@pytest.fixture(autouse=True)
def _nothing_warned_of_yet():
    renamed_settings._warn.cache_clear()


@pytest.mark.parametrize("where", ["file", "environment", "command line"])
@pytest.mark.parametrize(("old", "new"), sorted(RENAMED.items()))
def test_an_old_name_sets_the_new_one_and_is_warned_of_once(old, new, where, tmp_path, caplog):
    value = other(new)
    file = tmp_path / "eddy.yaml"
    group, name = old.split(".")
    file.write_text(f"{group}: {{{name}: {value}}}\n" if where == "file" else "")
    environ = {environment_name(old): value} if where == "environment" else {}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            loaded = load([f"{old}={value}"] if where == "command line" else [], file, environ)
    expected = load([f"{new}={value}"], environ={}).settings
    assert loaded.settings == expected != Settings()
    source = {"file": str(file), "environment": environment_name(old)}.get(where, where)
    assert loaded.sources == {new: source}
    assert [record.getMessage() for record in caplog.records] == [
        f"setting {old} from {source} is now called {new}; the old name works in this release only"
    ]


def test_both_names_in_one_place_are_an_error(tmp_path):
    file = tmp_path / "eddy.yaml"
    file.write_text("learning: {most_pending: 3, max_pending_requests: 4}\n")
    said = r"learning\.max_pending_requests from .* and its old name learning\.most_pending from .* differ; give"
    with pytest.raises(SettingsError, match=said):
        load(file=file, environ={})
    with pytest.raises(SettingsError, match=said):
        load(environ={"EDDY_LEARNING_MOST_PENDING": "3", "EDDY_LEARNING_MAX_PENDING_REQUESTS": "4"})
    with pytest.raises(SettingsError, match=said):
        load(["learning.most_pending=3", "learning.max_pending_requests=4"], environ={})


def test_between_places_the_order_is_as_ever(tmp_path):
    file = tmp_path / "eddy.yaml"
    file.write_text("learning: {most_pending: 3}\n")
    environ = {"EDDY_LEARNING_MAX_PENDING_REQUESTS": "4"}
    assert load(file=file, environ=environ).settings.learning.max_pending_requests == 4
    loaded = load(["learning.most_pending=5"], file, environ)
    assert loaded.settings.learning.max_pending_requests == 5


@pytest.mark.parametrize(
    ("old", "given"),
    [
        ("learning.least_between_s", "0.50"),
        ("learning.figures", "0"),
        ("redis.alerts_kept", "7"),
        ("learning.band", "4"),
    ],
)
def test_a_child_process_that_inherits_the_old_variable_gets_the_same_settings(old, given):
    inherited = {environment_name(old): given}
    settings = load(environ=inherited).settings
    assert load(environ=inherited | as_environment(settings)).settings == settings


def test_an_error_names_the_new_name_and_where_the_old_one_was_given():
    with pytest.raises(SettingsError, match=r"setting learning\.max_alarm_ratio from EDDY_LEARNING_BAND: found '0'"):
        load(environ={"EDDY_LEARNING_BAND": "0"})


def test_old_names_are_no_settings_any_more_new_ones_are_and_no_variable_means_two():
    assert not set(RENAMED) & set(DEFAULTS)
    assert set(RENAMED.values()) <= set(DEFAULTS)
    variables = [environment_name(key) for key in [*RENAMED, *DEFAULTS]]
    assert len(set(variables)) == len(variables)


def test_no_setting_is_named_in_the_old_way():
    assert [key for key in DEFAULTS if re.search(r"(^|[._])(most|least|kept|fewest|longest)(_|$)", key)] == []


def test_the_page_on_upgrading_lists_them_all():
    page = (ROOT / "docs" / "upgrading-settings.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| `(\w+)` \|$", page, flags=re.MULTILINE)
    assert {f"{group}.{old}": f"{group}.{new}" for group, old, new in rows} == RENAMED


def test_the_command_says_it_in_one_line():
    command = [sys.executable, "-c", "from eddy.cli.main import main; main()", "--set", "learning.figures=false"]
    ran = subprocess.run([*command, "config", "show"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert re.search(r"^learning\.model_stats +False +command line$", ran.stdout, flags=re.MULTILINE)
    assert ran.stderr == (
        "setting learning.figures from command line is now called learning.model_stats; "
        "the old name works in this release only\n"
    )
