"""Make one try: a chunk of each stream, a fault at a random moment in it, and the check when all has settled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.faults import record
from tests.faults.injuries import Injury
from tests.faults.world import Stream, World
from tests.integration.harness import until

PATIENCE_SECONDS = 600  # long, for a machine that other work keeps busy; the time it took is part of the record


def attempt(world: World, streams: Sequence[Stream], fault: str, injury: Injury, seed: str) -> None:
    """Apply the fault to all jobs at once, and record the results; fail if one differs from a run without it.

    While the fault lasts, each job gets a new version of its model, and a label for one of its incidents.

    Recovery is the time from the fault until a checkpoint covers everything sent before it.
    """
    first = streams[0]
    chunks = [stream.chunk() for stream in streams]
    moment = first.rng.uniform(0.1, 0.9) * len(chunks[0]) / first.per_second
    unsent: list[Exception] = []

    def quietly(send: Callable[[], None]) -> None:
        try:
            send()
        except Exception as error:
            unsent.append(error)

    def beside(*tasks: Callable[[], None]) -> list[threading.Thread]:
        threads = [threading.Thread(target=quietly, args=(task,), daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        return threads

    senders = beside(*(partial(stream.send, chunk) for stream, chunk in zip(streams, chunks, strict=True)))
    time.sleep(moment)
    ends = [stream.ends() for stream in streams]
    began = time.monotonic()
    senders += beside(*(stream.disturb for stream in streams))
    what = injury(world, first)
    recoveries = []
    for stream, end in zip(streams, ends, strict=True):
        until(
            partial(stream.covered, end),
            f"recovered from: {what}; {stream.state()}",
            PATIENCE_SECONDS,
        )
        recoveries.append(time.monotonic() - began)
    for sender in senders:
        sender.join()
    assert not unsent, unsent
    for stream, recovery in zip(streams, recoveries, strict=True):
        stream.settle()
        _note(stream, fault, seed, what=what, moment=round(moment, 2), recovery=round(recovery, 1))


def _note(stream: Stream, fault: str, seed: str, **fields: object) -> None:
    now = {"events": len(stream.observations) + len(stream.bad), **stream.check()}
    before, stream.noted = stream.noted, now
    delivery = stream.settings.job.delivery
    name = f"{fault} (exactly once)" if delivery == "exactly-once" else fault
    record.note(name, seed, delivery=delivery, **fields, **{key: now[key] - before[key] for key in now})
