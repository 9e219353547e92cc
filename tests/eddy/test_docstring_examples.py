"""Every settings group and message has an example in its docstring, and the examples print what they say."""

from __future__ import annotations

import doctest

import pytest

import eddy
from eddy import (
    alert_settings,
    connection_settings,
    feedback,
    input_settings,
    job_settings,
    learning_settings,
    renamed_settings,
    settings,
    settings_group,
    training_request,
)

MODULES = [
    alert_settings, connection_settings, feedback, input_settings, job_settings, learning_settings, renamed_settings,
    settings, settings_group, training_request, eddy,
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_print_what_they_say(module):
    failed, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert tried
    assert not failed


def test_every_group_has_an_example_and_every_setting_a_description():
    annotations = (field.annotation for field in settings.Settings.model_fields.values())
    groups = {one for one in annotations if isinstance(one, type) and one is not bool}
    assert len(groups) == 12
    for group in groups | {settings.Settings}:
        found = doctest.DocTestFinder(recurse=False).find(group, group.__name__)
        assert any(one.examples for one in found), f"{group.__name__}: no example"
        for name, field in group.model_fields.items():
            assert field.description or field.annotation in groups, f"{group.__name__}.{name}: no description"
