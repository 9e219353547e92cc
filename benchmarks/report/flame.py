"""Draw a flame graph of an event: CPU of the Python worker and of the TaskManager, in microseconds per event.

    perf record -F 999 -e cpu-clock -g -o tm.perf -p TASKMANAGER -- sleep 4; jcmd TASKMANAGER Compiler.perfmap
    perf script -i tm.perf --no-inline > tm.txt
    py-spy record --nonblocking -r 250 -t -f raw -d 5 -o py.txt -p WORKER
    python -m benchmarks.report.flame py.txt tm.txt 1.35 1.19 docs/pictures/flame.svg

The two numbers are the CPU per event that ``eddy bench pipeline`` reports for each; samples only divide them.
"""

from __future__ import annotations

import html
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTH, ROW, MIN_WIDTH = 1000, 15, 1.5  # pixels
OURS = ("flink_job/", "models/", "eddy/", "redis/", "numpy")
IDLE = re.compile(
    r"\b(wait|acquire|accept|select|sleep|channel_spin)\b|Queue\.get|_Worker\.run \(.*:57\)|threading.py:982"
)
JVM = (
    (("C1 Compil", "C2 Compil"), "just-in-time compiler"),
    (("GC ", "G1 ", "VM Thread"), "garbage collection"),
    (("Source Data Fet",), "Kafka consumer"),
    (("Source: observa",), "shards and frames"),
    (("grpc", "pool-", "score"), "transport to Python"),
    (("records", "kafka-producer", "alerts", "group"), "sinks"),
)
Stacks = Counter[tuple[str, ...]]


def python_stacks(text: str) -> Stacks:
    """Parse py-spy's raw form: part of the worker, then our functions and those that they call."""
    found: Stacks = Counter()
    for line in text.splitlines():
        stack, count = line.rsplit(" ", 1)
        frames = stack.split(";")
        if IDLE.search(frames[-1]) or "_find_and_load" in stack:
            continue
        part = "Beam and gRPC"
        for mark, name in (
            ("redis-writer", "Redis writer"),
            ("Scoring.process", "micro-batches"),
            ("Grouping.", "groups"),
        ):
            if mark in stack:
                part = name
        own = [frame.split(" (")[0] for frame in frames[1:] if any(mark in frame for mark in OURS)]
        found[f"Python: {part}", *own] += int(count)
    return found


def java_stacks(text: str) -> Stacks:
    """Parse ``perf script``: kind of thread, then its six innermost frames."""
    found: Stacks = Counter()
    for thread, frames in _samples(text):
        if thread == "python":
            continue
        kind = next((name for marks, name in JVM if thread.startswith(marks)), "other")
        named = [re.sub(r"\+0x.*|\(.*", "", frame).split("/")[-1] for frame in frames if "[unknown]" not in frame]
        found[f"JVM: {kind}", *named[-6:]] += 1
    return found


def _samples(text: str) -> Iterator[tuple[str, list[str]]]:
    for block in text.split("\n\n"):
        head, *lines = block.strip("\n").splitlines() or [""]
        if thread := re.match(r"\s*(.+?)\s+\d+\s", head):
            yield thread[1], [line.strip().split(" ", 1)[-1] for line in reversed(lines)]


def scaled(stacks: Stacks, total: float) -> dict[tuple[str, ...], float]:
    """Convert samples to microseconds per event."""
    samples = sum(stacks.values())
    return {stack: count / samples * total for stack, count in stacks.items()}


def draw(stacks: dict[tuple[str, ...], float]) -> str:
    """Draw the graph as SVG: the outermost frame lowest, width = time."""
    tree: dict[str, Any] = {}
    for stack, value in stacks.items():
        level = tree
        for name in stack:
            node = level.setdefault(name, [0.0, {}])
            node[0] += value
            level = node[1]
    total = sum(stacks.values())
    boxes = list(_boxes(tree, total))
    height = (max(depth for _, depth, *_ in boxes) + 2) * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="9">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/><text x="4" y="11">{total:.2f} µs of CPU per event; '
        "Python yellow, JVM of the TaskManager blue; width = time</text>",
    ]
    for x, depth, width, name, value, colour in boxes:
        y, shown = height - (depth + 1) * ROW, html.escape(name[: int(width / 5)]) if width > 3 * 5 else ""
        lines.append(
            f"<g><title>{html.escape(name)}: {value:.3f} µs</title><rect x='{x:.1f}' y='{y}' width='{width:.1f}' "
            f"height='{ROW - 1}' fill='{colour}'/><text x='{x + 2:.1f}' y='{y + 11}'>{shown}</text></g>"
        )
    return "\n".join([*lines, "</svg>", ""])


def _boxes(
    level: dict[str, Any], total: float, x: float = 0.0, depth: int = 0, colour: str = ""
) -> Iterator[tuple[float, int, float, str, float, str]]:
    for name, (value, inner) in sorted(level.items(), key=lambda item: -item[1][0]):
        width = value / total * WIDTH
        if width >= MIN_WIDTH:
            own = colour or ("#f2c879" if name.startswith("Python") else "#9cc3e6")
            yield x, depth, width, name, value, own
            yield from _boxes(inner, total, x, depth + 1, own)
        x += width


def main(python: str, java: str, python_us: str, java_us: str, target: str) -> None:
    stacks = scaled(python_stacks(Path(python).read_text()), float(python_us))
    stacks |= scaled(java_stacks(Path(java).read_text(errors="replace")), float(java_us))
    parts: Counter[str] = Counter()
    for stack, value in stacks.items():
        parts[stack[0]] += value  # type: ignore[assignment]
    for name, value in parts.most_common():
        print(f"| {name} | {value:.2f} |")
    Path(target).write_text(draw(stacks))


if __name__ == "__main__":
    main(*sys.argv[1:])
