"""A series' own name is a pattern for it, wherever patterns are used."""

from __future__ import annotations

import doctest
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy import patterns
from eddy.alert_settings import AlertOverride
from eddy.patterns import fits, matches
from eddy.training.data import datasets
from tests.models.small_models import manifest

ZABBIX = "net.if.in[eth0]"


def test_examples_print_what_they_say():
    failed, tried = doctest.testmod(patterns)
    assert (failed, tried) == (0, 4)


@given(st.text(st.sampled_from("a[]!*?-\\b"), min_size=1, max_size=6))
def test_each_name_matches_itself_and_globs_stay_globs(name):
    assert matches(name, name)
    assert matches(name, "b") == (name == "b" or fnmatchcase("b", name))
    assert fits((name,), name) or name.startswith("!")
    assert not fits(("*", f"!{name}"), name)


@pytest.mark.parametrize(
    "named",
    [
        lambda name: AlertOverride(series=[name], direction="below").fits(ZABBIX),
        lambda name: manifest(series=(name,)).applies_to(ZABBIX),
        lambda name: fits((name,), ZABBIX),
    ],
)
def test_rules_and_models_take_the_name(named):
    assert named(ZABBIX)
    assert named("net.if.in[[]*")
    assert not named("net.if.in[lo]")


def test_training_data_take_the_name(tmp_path: Path):
    path = tmp_path / "zabbix.csv"
    rows = [f"2025-01-01 00:0{k}:00,{name},{k}" for name in (ZABBIX, "net.if.in[lo]", "cpu0") for k in range(5)]
    path.write_text("\n".join(["time,series,value", *rows]))
    (found,) = datasets.load(path).only(ZABBIX).series
    assert (found.name, np.asarray(found.values).ravel().tolist()) == (ZABBIX, [0, 1, 2, 3, 4])
