"""One try: a chunk of the stream, a fault at a random moment in it, and the check when all has settled."""

from __future__ import annotations

import threading
import time

from tests.faults import record
from tests.faults.injuries import Injury
from tests.faults.world import PER_SECOND, Stream, World
from tests.integration.harness import until


def attempt(world: World, stream: Stream, fault: str, injury: Injury, seed: str) -> None:
    """Do it, and note what came of it. Fails where the outcome differs from that of a run without the fault.

    Recovery is the time from the fault until a checkpoint covers all that had been sent when it came.
    """
    messages = stream.chunk()
    moment = stream.rng.uniform(0.1, 0.9) * len(messages) / PER_SECOND
    sender = threading.Thread(target=stream.send, args=(messages,))
    sender.start()
    time.sleep(moment)
    ends = stream.ends()
    began = time.monotonic()
    what = injury(world, stream)
    until(lambda: stream.covered(ends), f"recovered from: {what}", 300)
    recovery = time.monotonic() - began
    sender.join()
    stream.settle()
    result = stream.check()
    now = {"events": len(stream.observations) + len(stream.bad), **result}
    before, stream.noted = stream.noted, now
    record.note(
        fault,
        seed,
        what=what,
        moment=round(moment, 2),
        recovery=round(recovery, 1),
        delivery=stream.settings.job.delivery,
        **{key: now[key] - before[key] for key in now},
    )
