"""A notebook's detector and the job: a frame replayed through Kafka gives the incidents that ``detect`` gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eddy import Detector
from eddy.alert import Alert
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.training.registry.registry import Registry
from tests.integration import harness
from tests.training.pumps import START, long, wide

pytestmark = pytest.mark.stack

TRAINED = 860
NAMES = [f"pump-{k}" for k in range(1, 7)]


def frame() -> pd.DataFrame:
    """Six pumps: one cause in all of them, a spike of one, cells without a point, an hour without any.

    What follows the training part is less than a day: a group forgets incidents that are older, and in a backfill
    shards do not go through the days together.
    """
    pumps = wide(1004, dict.fromkeys(NAMES, 900), names=6)
    pumps.loc[990:993, "pump-6"] -= 60
    pumps.loc[880:885, "pump-1"] = np.nan
    return pumps.drop(index=range(940, 946))


def messages(rows: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    """The rows of a long frame as a producer would send them; an empty cell is a value that is missing."""
    features = [name for name in rows.columns if name not in ("time", "series")]
    for row in rows.to_dict("records"):
        values: dict[str, Any] = {name: None if np.isnan(row[name]) else row[name] for name in features}
        sent = {"value": values["value"]} if len(values) == 1 else {"values": values}
        body = {"series": row["series"], "ts": row["time"].value // 10**6, **sent}
        yield row["series"], json.dumps(body).encode()


def groups(found: list[Alert]) -> dict[str, set[str]]:
    """All members that the messages of each group name."""
    members: dict[str, set[str]] = {}
    for one in (one for one in found if one.kind == "group"):
        members.setdefault(one.id, set()).update(str(member["id"]) for member in one.members)
    return members


@pytest.mark.parametrize(
    ("parameters", "features"),
    [({}, 1), ({}, 2), ({"kind": "isolation-forest", "window": 12, "params": {"trees": 20}}, 1)],
    ids=["auto", "auto-two-features", "isolation-forest"],
)
def test_a_frame_gives_the_same_incidents_in_a_notebook_and_through_kafka(
    stack: Stack, unique_topics: Settings, parameters: dict[str, Any], features: int
) -> None:
    rows = long(frame())
    if features == 2:
        rows["flow"] = rows["value"] * 0.5 + np.random.default_rng(5).normal(0, 0.1, len(rows))
        rows.loc[rows.index % 50 == 7, "flow"] = np.nan
    split = START + TRAINED * pd.Timedelta("10min")
    old, new = rows[rows["time"] < split], rows[rows["time"] >= split]
    detector = Detector(interval="10m", name="pumps", alerts={"close_after": 6}, **parameters).fit(old)
    result = detector.detect(new, unique_topics)

    assert detector.publish(settings=unique_topics) == "pumps@1"
    assert Registry(unique_topics).read().current["pumps"].sha256 == detector.manifest_.sha256
    harness.send(unique_topics, messages(new))
    harness.run_to_end(stack, unique_topics)
    alerted = harness.alerts(unique_topics)

    def of_incidents(alerts: list[Alert]) -> list[Alert]:
        return [one for one in alerts if one.kind == "incident"]

    assert harness.plain(of_incidents(alerted)) == harness.plain(of_incidents(list(result.alerts)))
    groups_sent, groups_found = groups(alerted), groups(list(result.alerts))
    assert set(groups_sent) == set(groups_found) != set()
    # a group is closed when the incidents that it knows of are: in a backfill perhaps before the last shard has its own
    assert all(groups_found[number] >= groups_sent[number] for number in groups_found)
    newest = {one.id: one for one in of_incidents(alerted)}
    incidents = result.incidents
    assert len(incidents) == len(newest) >= 6
    for row in incidents.to_dict("records"):
        one = newest[row["id"]]
        assert (row["series"], row["state"], row["severity"]) == (one.series, one.state, one.severity)
        assert (row["start"].value // 10**6, row["end"].value // 10**6) == (one.start, one.end)


def test_a_candidate_is_published_beside_the_version_in_use(unique_topics: Settings) -> None:
    detector = Detector(name="pumps").fit(wide(TRAINED, {}))
    assert [detector.publish(settings=unique_topics) for _ in range(2)] == ["pumps@1", "pumps@2"]
    name, _, version = detector.publish(stage="canary", share=0.5, settings=unique_topics).partition("@")
    current = Registry(unique_topics).read().current
    assert set(current) == {"pumps", name}
    assert (version, current[name].rollout["of"], current[name].rollout["share"]) == ("1", "pumps", 0.5)
    assert detector.publish("valves", settings=unique_topics) == "valves@1"
