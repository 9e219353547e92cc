"""Replay dead letters of topics that input sources read: never into these topics, in canonical form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from eddy.errors import StackError
from eddy.inputs.record import RECORD_HEADERS, Record, headers_text
from eddy.ops.dead_letters import Replay, headers_of
from eddy.settings import Settings
from tests.integration import harness
from tests.integration.test_mapped_topics import make, with_sources

pytestmark = pytest.mark.stack

T = 1_764_000_000


def message(device: int, at: Any = T, value: Any = 1.5) -> bytes:
    return json.dumps({"dev": device, "at": at, "t": value}).encode()


def send_records(settings: Settings, topic: str, found: Sequence[tuple[bytes, list[tuple[str, bytes]]]]) -> None:
    make(settings, topic, [], partitions=1)
    with harness.producer(settings) as client:
        for value, headers in found:
            client.send(topic, value=value, headers=headers)


def send_letters(settings: Settings, found: Sequence[tuple[bytes | None, bytes, dict[str, str]]]) -> None:
    """Write (key, value, headers) as the job does."""
    with harness.producer(settings) as client:
        for key, value, headers in found:
            every = {"reason": "no-field", "detail": "x", "partition": "0", "offset": "0", "timestamp": "5", **headers}
            client.send(
                settings.topics.name("dlq"), key=key, value=value, headers=[(n, v.encode()) for n, v in every.items()]
            )


def mapped(settings: Settings, topic: str, **fields: Any) -> Settings:
    source = {
        "topics": [topic], "series": "{header.tenant}/{dev}", "time": {"field": "at", "unit": "s"},
        "values": {"value": "t"}, **fields,
    }  # fmt: skip
    return with_sources(settings, source)


def replayed(settings: Settings, **options: Any) -> dict[str, Any]:
    replay = Replay(settings, **options)
    replay.run()
    return replay.report()


def observations(settings: Settings) -> list[tuple[bytes, Any]]:
    return sorted((one.key, json.loads(one.value)) for one in harness.read(settings, "observations"))


def test_letters_of_mapped_topics_come_back_in_canonical_form_and_leave_their_topic_alone(
    unique_topics: Settings,
) -> None:
    topic = f"{unique_topics.topics.prefix}.plant"
    records = [(message(number), [("tenant", b"acme")]) for number in range(3)]
    send_records(unique_topics, topic, records)
    settings = mapped(unique_topics, topic)
    late = json.dumps({"series": "acme/9", "ts": 1000 * T, "value": 2.5}).encode()
    send_letters(
        settings,
        [
            *((None, value, {"topic": topic, "offset": str(at)}) for at, (value, _) in enumerate(records)),
            (b"acme/9", late, {"topic": topic, "reason": "late", "form": "observation"}),
            (b"own", b'{"series": "own", "ts": 1, "value": 1}', {"topic": settings.topics.name("observations")}),
        ],
    )
    dry = replayed(settings, dry_run=True)
    assert (dry["sent"], dry["failed"], observations(settings)) == (5, {}, [])
    done = replayed(settings)
    assert (done["sent"], done["reasons"], done["failed"]) == (5, {"no-field": 4, "late": 1}, {})
    assert observations(settings) == [
        *((f"acme/{n}".encode(), {"series": f"acme/{n}", "ts": 1000 * T, "value": 1.5}) for n in range(3)),
        (b"acme/9", json.loads(late)),
        (b"own", {"series": "own", "ts": 1, "value": 1}),
    ]
    kept = settings.model_copy(update={"topics": settings.topics.model_copy(update={"observations": topic})})
    assert len(harness.read(kept, "observations")) == 3, "nothing is written into a topic of input"
    assert replayed(settings)["sent"] == 0


def test_letter_is_read_where_its_record_is_gone_and_stays_while_it_fails(unique_topics: Settings) -> None:
    topic = f"{unique_topics.topics.prefix}.gone"
    send_records(unique_topics, topic, [(message(1), [("tenant", b"acme")])])
    settings = mapped(unique_topics, topic)
    other = "0" * 64
    letters = [
        (None, message(2), {"topic": topic, "offset": "0"}),  # the topic was made anew: another record is there
        (None, message(3), {"topic": topic, "offset": "77"}),
        (None, message(4), {"topic": topic, "offset": "-1", "partition": "no"}),
        (None, b"{", {"topic": topic, "offset": "5", "sha256": other, "size": "9", "truncated": "true"}),
        (None, message(5), {"topic": f"{topic}.nobody"}),
    ]
    send_letters(settings, letters)
    done = replayed(settings)
    assert (done["sent"], done["gone"], done["failed"]) == (0, 1, {"no-series": 3, "no-source": 1})
    assert observations(settings) == []
    again = harness.read(settings, "dlq")[len(letters) :]
    assert [one.value for one in sorted(again, key=lambda one: one.value)] == [message(n) for n in (2, 3, 4, 5)]
    assert {headers_of(one)["reason"] for one in again} == {"no-series", "no-source"}
    assert "tenant" in next(headers_of(one)["detail"] for one in again if one.value == message(2))

    mended = mapped(unique_topics, topic, series="{dev}")
    done = replayed(mended)
    assert (done["sent"], done["failed"]) == (3, {"no-source": 1})
    assert [key for key, _ in observations(mended)] == [b"2", b"3", b"4"]


def test_record_whose_elements_became_several_letters_is_sent_once(unique_topics: Settings) -> None:
    topic = f"{unique_topics.topics.prefix}.arrays"
    readings = [{"dev": 1, "at": T, "t": 1.0}, {"dev": 2, "at": T, "t": "4.5"}, {"dev": 3, "at": "soon", "t": "5,5"}]
    value = json.dumps({"readings": readings}).encode()
    send_records(unique_topics, topic, [(value, [])])
    settings = mapped(unique_topics, topic, series="{dev}", each="readings", numbers="text")
    bad_value = {"topic": topic, "reason": "bad-value", "detail": "readings[1]: values.value: found '4.5'"}
    bad_time = {"topic": topic, "reason": "bad-time", "detail": "readings[2]: at: found 'soon'"}
    send_letters(settings, [(None, value, one) for one in (bad_time, bad_value, bad_time, bad_value)])
    done = replayed(settings)
    assert (done["sent"], done["failed"]) == (2, {"bad-time": 2})
    assert [key for key, _ in observations(settings)] == [b"1", b"2"]


def test_cluster_that_is_away_ends_the_replay_before_anything_is_left_out(unique_topics: Settings) -> None:
    away = {"bootstrap_servers": "127.0.0.1:1", "request_timeout_ms": 1000}
    settings = mapped(unique_topics, "elsewhere", kafka=away, series="{dev}")
    send_letters(settings, [(None, message(1), {"topic": "elsewhere"})])
    replay = Replay(settings)
    with pytest.raises(StackError, match=r"127.0.0.1:1 does not answer"):
        replay.run()
    assert (replay.report()["sent"], replay.complete) == (0, False)
    assert replayed(mapped(unique_topics, "elsewhere", series="{dev}", kafka={}), dry_run=True)["found"] == 1


def test_topic_of_a_source_that_is_no_longer_there_is_no_reason_to_stop(unique_topics: Settings) -> None:
    settings = mapped(unique_topics, f"{unique_topics.topics.prefix}.deleted", series="{dev}")
    send_letters(settings, [(None, message(1), {"topic": f"{unique_topics.topics.prefix}.deleted"})])
    done = replayed(settings)
    assert (done["sent"], done["failed"]) == (1, {})
    assert [key for key, _ in observations(settings)] == [b"1"]


def test_headers_that_the_letter_kept_serve_where_the_record_is_gone(unique_topics: Settings) -> None:
    topic = f"{unique_topics.topics.prefix}.plant"
    send_records(unique_topics, topic, [])
    kept = {RECORD_HEADERS: headers_text(Record(topic, headers=[("tenant", b"acme")]))}
    settings = mapped(unique_topics, topic)
    send_letters(
        settings,
        [
            (None, message(1), {"topic": topic, **kept}),
            (None, message(2), {"topic": topic, "offset": "1", RECORD_HEADERS: "[[1"}),
        ],
    )
    done = replayed(settings)
    assert (done["sent"], done["failed"]) == (1, {"no-series": 1})
    assert observations(settings) == [(b"acme/1", {"series": "acme/1", "ts": 1000 * T, "value": 1.5})]
