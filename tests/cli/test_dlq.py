"""Run ``eddy dlq``: count dead letters, show samples, replay each once."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from eddy.ops import dead_letters
from eddy.ops.dead_letters import Replay
from eddy.settings import Settings
from tests.cli.alerts_at_hand import eddy
from tests.integration import harness

pytestmark = pytest.mark.stack


def write(settings: Settings, found: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
    """Dead letters as the job writes them: (reason, key, value)."""
    topic = settings.topics.name("dlq")
    with harness.producer(settings) as client:
        for k, (reason, key, value) in enumerate(found):
            headers = {
                "reason": reason,
                "detail": f"found {k}\x1b[31m, expected better",
                "topic": settings.topics.name("observations"),
                "partition": "1",
                "offset": str(k),
                "timestamp": "5",
            }
            client.send(topic, key=key, value=value, headers=[(n, v.encode()) for n, v in headers.items()])


LETTERS = [
    ("late", b"s-1", b'{"series": "s-1", "ts": 1, "value": 1}'),
    ("not-json", b"s-2", b"\xff\x1b[2J{"),
    ("late", b"s-1", b'{"series": "s-1", "ts": 2, "value": 1}'),
    ("empty", None, b""),
]


def observations(settings: Settings) -> list[tuple[bytes | None, bytes]]:
    return sorted((r.key or b"", r.value) for r in harness.read(settings, "observations"))


def sent(*found: tuple[str, bytes | None, bytes]) -> list[tuple[bytes, bytes]]:
    return sorted((key or b"", value) for _, key, value in found)


def test_dlq_list_counts_reasons_and_shows_samples(unique_topics: Settings) -> None:
    assert eddy(unique_topics, "dlq", "list").stdout == "no dead letters\n"
    write(unique_topics, LETTERS)
    found = json.loads(eddy(unique_topics, "dlq", "list", "--json", "--limit", "1").stdout)
    assert found["total"] == 4
    assert found["reasons"] == {"late": 2, "not-json": 1, "empty": 1}
    (late,) = found["samples"]["late"]
    assert late["value"] == LETTERS[2][2].decode()
    assert (late["key"], late["partition"], late["offset"], late["bytes"]) == ("s-1", "1", "2", len(LETTERS[2][2]))
    assert found["samples"]["empty"][0]["key"] is None

    done = eddy(unique_topics, "dlq", "list", "--reason", "not-json")
    assert done.returncode == 0
    assert "not-json: 1" in done.stdout
    assert "late" not in done.stdout
    assert "\x1b" not in done.stdout, "what a terminal would obey is escaped"


def test_each_dead_letter_is_replayed_once(unique_topics: Settings) -> None:
    write(unique_topics, LETTERS)
    dry = json.loads(eddy(unique_topics, "dlq", "replay", "--dry-run", "--json").stdout)
    assert (dry["sent"], dry["dry_run"], dry["complete"]) == (4, True, True)
    assert observations(unique_topics) == []

    one = eddy(unique_topics, "dlq", "replay", "--reason", "late")
    assert one.stdout == "sent 2 dead letters: late 2\n"
    assert observations(unique_topics) == sent(LETTERS[0], LETTERS[2])

    rest = json.loads(eddy(unique_topics, "dlq", "replay", "--json").stdout)
    assert rest["reasons"] == {"not-json": 1, "empty": 1}
    assert observations(unique_topics) == sent(*LETTERS)

    assert eddy(unique_topics, "dlq", "replay").stdout == "sent 0 dead letters\n"
    write(unique_topics, LETTERS[:1])
    assert eddy(unique_topics, "dlq", "replay", "--reason", "late").stdout == "sent 1 dead letters: late 1\n"
    assert observations(unique_topics) == sent(*LETTERS, LETTERS[0])


def test_interrupted_replay_resumes_after_the_last_dead_letter(
    unique_topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_BATCH", 3)
    found = [("late", b"s", str(k).encode()) for k in range(10)]
    write(unique_topics, found)
    replay = Replay(unique_topics)
    asked = iter(range(100))
    replay.run(lambda: next(asked) == 5)
    assert not replay.complete
    assert replay.report()["sent"] == 5
    assert observations(unique_topics) == sent(*found[:5])
    rest = Replay(unique_topics)
    rest.run()
    assert rest.complete
    assert observations(unique_topics) == sent(*found)


def test_dead_letters_that_arrive_during_a_replay_wait_for_the_next_one(unique_topics: Settings) -> None:
    write(unique_topics, LETTERS[:1])
    replay = Replay(unique_topics)
    asked: list[int] = []

    def stopped() -> bool:
        if not asked:  # what the job would do with a letter that is still bad
            write(unique_topics, LETTERS[:1])
        asked.append(1)
        return False

    replay.run(stopped)
    assert replay.sent.total() == 1
    again = Replay(unique_topics)
    again.run()
    assert again.sent.total() == 1


def test_late_observations_that_come_back_are_not_sent_for_ever(unique_topics: Settings) -> None:
    """The job finds a late observation late again: each replay would send as many as the one before."""
    write(unique_topics, LETTERS[:1])
    answers = []
    for _ in range(5):
        dry = Replay(unique_topics, "late", dry_run=True)
        dry.run()
        replay = Replay(unique_topics, "late")
        replay.run()
        answers.append((replay.sent.total(), replay.returned))
        assert dry.sent == replay.sent
        if replay.sent.total():
            write(unique_topics, LETTERS[:1])
    assert answers == [(1, 0), (1, 0), (0, 1), (0, 0), (0, 0)]
    write(unique_topics, [LETTERS[0], LETTERS[2], LETTERS[1], LETTERS[1], LETTERS[1]])
    done = eddy(unique_topics, "dlq", "replay")
    assert done.stdout == "sent 4 dead letters: not-json 3, late 1\n", "others are sent as often as they come"
    assert "not sent: 1 observations that were sent before and are late again; a backfill scores them" in done.stderr
