"""Check for performance regressions in CI: ``./run bench-check``.

Uses no absolute times. The engine's time per event is compared with a plain numpy implementation of the same work on
the same events in the same process, rounds interleaved, by the median of the rounds' ratios; scoring is compared with
scikit-learn and torch in the same way. Bounds are twice (half) the values measured when they were set, so only a real
regression exceeds them. Instructions are counted where the machine lets ``perf`` count them: they hardly vary, so their
bound is tighter.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.job import scoring
from benchmarks.measuring.workload import START, STEP_MS, Workload
from benchmarks.peers.detectors import load
from benchmarks.peers.export import export
from benchmarks.peers.windows import BatchScorer
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.stack.paths import ROOT

EVENTS, SERIES, BATCH = 200_000, 500, 8192
ROUNDS = 5
#: the engine's time over that of numpy: 1.1 to 1.6 on a busy machine when this was set
ENGINE_BOUND = 3.2
ENGINE_INSTRUCTIONS_BOUND = 3.2  # no available machine let perf count when this was set: the bound of the time
#: Eddy's windows per second over those of scikit-learn and torch, batches of 256: 27 and 1.9 when this was set
MIN_SCORING = {"F": 8.0, "L": 0.95}
SCORING_BATCH = 256


@dataclass(frozen=True)
class CheckResult:
    """Hold the result of one check; ``good`` is None if it could not be made."""

    name: str
    good: bool | None
    text: str


def engine_and_numpy(events: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return two functions that process the same events: Eddy's engine, and a dozen lines of numpy."""
    work = Workload("Z", events, SERIES)
    manifest, content = work.model()
    with tempfile.TemporaryDirectory() as folder:
        export(work, manifest, content, Path(folder))
        detector = load(Path(folder))
    models = ModelSet()
    models.put(manifest, lambda _: content)
    index = np.arange(events)
    codes, ts, values = index % SERIES, START + index // SERIES * STEP_MS, work.values(0, events)
    names = work.names()
    series = [names[k] for k in codes]

    def engine() -> object:
        return replay(models, EngineOptions(), names, codes, ts, values[:, None], BATCH)

    def reference() -> object:
        scorer = BatchScorer(detector)
        parts = [slice(i, i + BATCH) for i in range(0, events, BATCH)]
        return [scorer.score_batch(series[p], ts[p], values[p]) for p in parts]

    return engine, reference


def check_engine() -> CheckResult:
    """Compare time per event with numpy's."""
    engine, reference = engine_and_numpy(EVENTS)
    engine(), reference()  # compiles, and warms caches
    ratios = []
    for _ in range(ROUNDS):
        began = time.process_time()
        engine()
        middle = time.process_time()
        reference()
        ratios.append((middle - began) / (time.process_time() - middle))
    ratio = float(np.median(ratios))
    return CheckResult("engine", ratio <= ENGINE_BOUND, f"{ratio:.2f} of numpy's time; at most {ENGINE_BOUND:g}")


def check_scoring() -> list[CheckResult]:
    """Check that scores are equal, and that speed relative to scikit-learn and torch has not dropped."""
    found = []
    for one in scoring.run("".join(MIN_SCORING), (SCORING_BATCH,), onnx=False)["results"]:
        minimum = MIN_SCORING[one["kind"]]
        text = f"{one['ratio']:.2f} times {one['plain']}; at least {minimum:g}; scores differ by "
        text += f"{one['largest_difference']:.1e}"
        found.append(CheckResult(one["detector"], bool(one["equal"] and one["ratio"] >= minimum), text))
    return found


def check_instructions() -> CheckResult:
    """Compare instructions per event with numpy's, by ``perf stat`` in processes of their own."""
    name = "instructions"
    if shutil.which("perf") is None:
        return CheckResult(name, None, "perf is not installed")
    counts = {which: _instructions(which, EVENTS) - _instructions(which, 0) for which in ("engine", "numpy")}
    if not all(counts.values()):
        return CheckResult(name, None, "this machine does not let perf count instructions")
    ratio = counts["engine"] / counts["numpy"]
    bound = ENGINE_INSTRUCTIONS_BOUND
    return CheckResult(name, ratio <= bound, f"{ratio:.2f} of numpy's; at most {bound:g}")


def _instructions(which: str, events: int) -> int:
    command = ["perf", "stat", "-x,", "-e", "instructions:u", sys.executable, "-m", "benchmarks.check", which]
    done = subprocess.run([*command, str(events)], capture_output=True, text=True, check=False, cwd=ROOT)
    found = re.search(r"^(\d+),.*instructions", done.stderr, re.MULTILINE)
    return int(found[1]) if found else 0


def main() -> int:
    if len(sys.argv) == 3:  # one implementation once or not at all, for perf
        ways = dict(zip(("engine", "numpy"), engine_and_numpy(EVENTS), strict=True))
        ways[sys.argv[1]]()
        for _ in range(int(sys.argv[2]) // EVENTS):
            ways[sys.argv[1]]()
        return 0
    results = [check_engine(), *check_scoring(), check_instructions()]
    for result in results:
        status = {True: "ok", False: "FAILED", None: "skipped"}[result.good]
        print(f"bench-check: {result.name:18} {status:8} {result.text}")
    counts = [sum(v.good is kind for v in results) for kind in (True, False, None)]
    print("bench-check: {} ok, {} failed, {} skipped".format(*counts))
    return int(counts[1] > 0)


if __name__ == "__main__":
    sys.exit(main())
