"""Send a few thousand fuzzed messages (``tests.faults.fuzz`` sends a million), then replay the dead letters."""

from __future__ import annotations

import pytest

from eddy.ops.dead_letters import Replay
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.faults import fuzz, fuzz_topics
from tests.integration import harness

pytestmark = pytest.mark.stack

STILL_TOO_LARGE = 20_000_000  # bytes of a message, after the limit was raised
OTHERS = 600  # messages for each of the other input topics


@pytest.mark.timeout(600)
def test_every_fuzzed_message_is_scored_or_a_dead_letter_and_replay_loses_none(
    stack: Stack, unique_topics: Settings
) -> None:
    settings = harness.changed(unique_topics, max_event_bytes=50_000)
    harness.publish(settings, harness.model(limit=6.0))
    with harness.running(stack, settings) as (cluster, number):
        fuzz_topics.send(settings, OTHERS, seed=7)
        sent = fuzz.send(settings, 30_000, seed=7)
        found = fuzz.outcome(settings, cluster, number, sent, seconds=240)
        fuzz.check(found)
        fuzz_topics.check(fuzz_topics.outcome(settings, OTHERS), OTHERS)
        path = cluster.stop(number)
    oversized = found["reasons"]["oversized"]
    assert oversized > 10
    sizes = [int(dict(letter.headers()).get("size", b"0")) for letter in fuzz.dead_letters(settings)]
    still = sum(size > STILL_TOO_LARGE for size in sizes)

    # The limit is raised, the letters are sent again: each is read now, none is lost, none comes twice.
    wider = harness.changed(settings, max_event_bytes=STILL_TOO_LARGE)
    with harness.running(stack, wider, savepoint=path) as (cluster, number):
        replay = Replay(wider, "oversized")
        replay.run()
        assert replay.report()["sent"] == oversized
        harness.handled(cluster, number, oversized - still)
        Replay(wider, "oversized").run()
        metrics = cluster.metrics(number)
        assert metrics["events"] == oversized - still, "the second replay sent nothing"
        assert cluster.exceptions(number) == []
        # Each is read now, or is a dead letter again for what else is wrong with it: late, by now, among other things.
        harness.until(lambda: fuzz.covered(wider), "a checkpoint covers the replayed ones")
        again = metrics.get("bad", 0) + metrics.get("late", 0) + still
        # What is still too large came back as a new letter, which the second replay may have sent once more.
        assert 0 <= sum(1 for _ in fuzz.dead_letters(wider)) - found["letters"] - again <= still
