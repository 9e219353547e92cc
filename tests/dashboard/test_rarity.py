"""Check that an incident's page says how often such a score comes in normal times, where that is known."""

from __future__ import annotations

import json

from plotly.utils import PlotlyJSONEncoder

from eddy.dashboard.pages import incident
from eddy.dashboard.stores.incidents import IncidentStore
from tests.dashboard.messages import alert


def shown(return_period_s: int | None) -> str:
    store = IncidentStore(10)
    store.put(alert(return_period_s=return_period_s))
    (known,) = store.known.values()
    return json.dumps(incident._why(known), cls=PlotlyJSONEncoder)


def test_page_says_how_often_such_a_score_comes() -> None:
    assert "Such a score comes about once in 3 weeks in normal times." in shown(1_900_000)
    assert "normal times" not in shown(None)
