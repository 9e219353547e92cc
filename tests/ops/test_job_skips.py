"""Check which places ``eddy job skip`` takes, before it touches a job."""

from __future__ import annotations

import pytest

from eddy.configuration import load
from eddy.errors import SettingsError
from eddy.ops.job_skips import checked
from eddy.settings import Settings

SETTINGS = Settings()


def test_places_of_observations_and_feedback_are_taken() -> None:
    places = ("eddy.observations:3:10442", "eddy.feedback:0:0")
    assert checked(SETTINGS, places) == places
    assert load([f"job.skip={','.join(places)}"], environ={}).settings.job.skip == places


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("eddy.observations:3", "expected TOPIC:PARTITION:OFFSET"),
        ("eddy.observations:3:-1", "expected TOPIC:PARTITION:OFFSET"),
        ("eddy.observations:3:007", "expected TOPIC:PARTITION:OFFSET"),
        ("eddy.observations:3:7\n", "expected TOPIC:PARTITION:OFFSET"),
        ("eddy.models:0:7", "eddy models withdraw NAME"),
        ("other:0:7", "expected eddy.observations or eddy.feedback"),
    ],
)
def test_other_places_are_refused_with_what_was_expected(place: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        checked(SETTINGS, [place])
