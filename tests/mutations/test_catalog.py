"""Check that every breakage of the catalog still applies, and that its test exists; running them takes half an hour."""

from __future__ import annotations

import re

import pytest

from tests.mutations.catalog import ROOT, Breakage, breakages

ALL = breakages()


def test_there_are_enough_breakages_and_each_has_its_own_name() -> None:
    assert len({one.name for one in ALL}) == len(ALL) >= 40


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_breakage_applies_and_its_test_exists(one: Breakage) -> None:
    whole = (ROOT / one.file).read_text(encoding="utf-8")
    assert one.broken(whole) != whole
    file, _, name = one.test.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not name or re.search(rf"^def {re.escape(name.split('[')[0])}\(", text, flags=re.MULTILINE)
