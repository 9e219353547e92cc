"""Check that a silent incident's page and lines speak of silence, not of a score."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from plotly.utils import PlotlyJSONEncoder

from eddy.alert import Alert
from eddy.cli.commands.alerts import _shown
from eddy.dashboard.pages import incident
from eddy.dashboard.parts.components import seen_of
from eddy.dashboard.stores.incidents import IncidentStore
from eddy.models.silence.incidents import SilentIncident
from eddy.models.silence.pauses import EVER, Silence

NOW, MINUTE = 1_735_689_600_000, 60_000


def silent() -> Alert:
    silence = Silence(0, NOW, 12 * MINUTE, MINUTE, NOW + 12 * MINUTE, EVER, EVER, 12 * MINUTE, NOW + 12 * MINUTE)
    return SilentIncident.of("pump-1", silence, 0, "2" * 16).alert("open", "eddy", None, NOW)


def text(node: Any) -> str:
    return json.dumps(node, cls=PlotlyJSONEncoder)


def test_page_says_since_when_nothing_came_and_names_no_score() -> None:
    store = IncidentStore(10)
    store.put(silent())
    (known,) = store.known.values()
    why = text(incident._why(known))
    assert "No event for 12 minutes, usually one within 1 minute." in why
    assert "Silence of 12 min is allowed." in why
    assert "score" not in why
    snapshot: Any = SimpleNamespace(at=NOW + 20 * MINUTE, incidents=SimpleNamespace(by_id={}))
    facts = text(incident._facts(snapshot, known))
    assert "Last event (UTC)" in facts
    for word in ("Model", "Confidence", "anomalous points"):
        assert word not in facts
    assert seen_of(known) == "no event for 12 minutes, usually one within 1 minute"


def test_line_of_the_command_says_so_too() -> None:
    line = _shown(silent(), as_json=False)
    assert "pump-1  silent: no event for 12 minutes, usually one within 1 minute" in line
