"""Load and run mutated artifacts of every kind of detector, by the hundred thousand, in processes that may die.

``python -m tests.faults.fuzz_artifacts --count 100000`` trains a small model of each kind, mutates its artifact, and
has worker processes load each mutant and score with it, from the states in it, from fresh ones and from mutated ones.
A mutant is refused, or accepted and run; a process that dies, and an exception while scoring, are crashes. Prints a
line of JSON. With ``NUMBA_BOUNDSCHECK=1`` compiled code reports every access outside an array as an exception.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.random import Generator

from eddy.errors import EddyError
from eddy.models.catalog import threshold_from_params
from eddy.models.core.detector import Detector, WindowBatch
from eddy.models.core.state_bounds import Bounds
from eddy.models.core.threshold import Threshold
from eddy.models.serving.loaded_model import load_model
from tests.models.mutated_artifacts import (
    SMALL,
    START,
    STEP,
    Sound,
    adaptive_thresholds,
    mutations,
    packed,
    sound,
    state_rows,
    unpacked,
)

_BATCH = 1000  # mutants of a process
_ROWS = 6
_SECONDS = 3600.0  # for a batch; a mutant that hangs counts as a crash
_LEVELS = (10.0, 10.0, 1e6, -3.0)


def exercise(one: Sound, rng: Generator) -> str:
    """Load an artifact and score with it; return ``accepted`` or why it is refused.

    Raises:
        Exception: whatever scoring raises, which would stop a worker.
    """
    try:
        model = load_model(one.manifest, one.content)
    except EddyError as error:
        return str(error)
    with np.errstate(all="ignore"):
        run(model.detector, rng)
    return "accepted"


def run(detector: Detector, rng: Generator) -> None:
    """Score and explain with series from training, others, and states that keyed state might bring back."""
    spec, bounds = detector.spec, detector.state_bounds()
    binding = detector.bind(["pump-1", "pump-2", "a", "b", "c", "d"])
    state, end = detector.initial_state(_ROWS), START + 1200 * STEP
    for step, level in enumerate(_LEVELS * 3):
        values = level + rng.normal(0, 0.3, (_ROWS, spec.window, len(spec.features)))
        values[rng.random(values.shape) < 0.1] = np.nan
        end += STEP * (1 if step % 3 else 5000)
        ends = np.full(_ROWS, end, np.int64)
        batch = WindowBatch(values, np.zeros(values.shape[:2], np.bool_), ends, binding, state)
        detector.score(batch)
        detector.explain(batch, np.full(_ROWS, 3.0))
        if step % 4 == 3 and bounds is not None:
            state = _restored(state, detector.initial_state(_ROWS), bounds, rng)


def run_threshold(threshold: Threshold, rng: Generator, rounds: int = 40) -> None:
    """Set limits from states that keyed state might bring back."""
    bounds = threshold.state_bounds()
    state, binding = threshold.initial_state(_ROWS), np.full(_ROWS, -1, np.int64)
    for _ in range(rounds):
        for _ in range(int(rng.integers(1, 60))):
            threshold.limits(rng.exponential(size=_ROWS), binding, state)
        if bounds is not None:
            state = _restored(state, threshold.initial_state(_ROWS), bounds, rng)


def _restored(state: np.ndarray, fresh: np.ndarray, bounds: Bounds, rng: Generator) -> np.ndarray:
    """Mutate rows as keyed state might bring them back; those that a job would refuse begin anew."""
    mutated = state_rows(state, rng)
    fits = bounds.fits(mutated)
    return np.where(fits[:, None], mutated, fresh)


def work(folder: Path, seed: int, count: int) -> Counter[str]:
    """Run a batch in this process; notes the mutant at hand in a file, for the process that watches this one."""
    lines = (folder / "sound").read_text(encoding="utf-8").splitlines()
    rng = np.random.default_rng(seed)
    originals = [unpacked(line) for line in lines]
    streams = [mutations(one, rng) for one in originals]
    found: Counter[str] = Counter()
    for number in range(count):
        at = int(rng.integers(len(streams)))
        mutant = next(streams[at])
        (folder / f"now-{seed}").write_text(packed(mutant), encoding="utf-8")
        try:
            outcome = exercise(mutant, rng)
        except Exception:  # it would have stopped a worker
            traceback.print_exc()
            (folder / f"crashed-{seed}-{number}").write_text(packed(mutant), encoding="utf-8")
            outcome = "crashed"
        found[outcome if outcome in ("accepted", "crashed") else "refused"] += 1
    for params in adaptive_thresholds():
        run_threshold(threshold_from_params(params), rng, rounds=4)
    return found


def fuzz(count: int, seed: int, kinds: tuple[str, ...], folder: Path) -> dict[str, object]:
    """Run so many mutants in processes; return the counts, and the folder of those that crashed."""
    began, found = time.monotonic(), Counter[str]()
    (folder / "sound").write_text("\n".join(packed(sound(kind)) for kind in kinds), encoding="utf-8")
    for batch, start in enumerate(range(0, count, _BATCH)):
        size = min(_BATCH, count - start)
        arguments = ["--worker", str(folder), "--seed", str(seed + batch), "--count", str(size)]
        command = [sys.executable, "-m", "tests.faults.fuzz_artifacts", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
            code, said = done.returncode, done.stderr
        except subprocess.TimeoutExpired:
            code, said, done = -9, "no end", None
        if done is None or code != 0:
            found["crashed"] += 1
            now = folder / f"now-{seed + batch}"
            print(f"process died with {code}: {now}\n{said[-2000:]}", file=sys.stderr)
            now.rename(folder / f"died-{seed + batch}")
            continue
        if said.strip():
            print(said[-4000:], file=sys.stderr)
        found.update(json.loads(done.stdout.splitlines()[-1]))
    seconds = round(time.monotonic() - began, 1)
    return {"mutants": count, "kinds": len(kinds), **dict(sorted(found.items())), "seconds": seconds}


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(SMALL))
    parser.add_argument("--worker", type=Path)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(work(asked.worker, asked.seed, asked.count)))
        return
    folder = Path(tempfile.mkdtemp(prefix="eddy-mutants-"))
    found = fuzz(asked.count, asked.seed, tuple(asked.kinds.split(",")), folder)
    print(json.dumps({**found, "folder": str(folder)}))
    sys.exit(1 if found.get("crashed") else 0)


if __name__ == "__main__":
    main()
