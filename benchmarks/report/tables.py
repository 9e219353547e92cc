"""Format figures as tables, on the terminal and in Markdown, from the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

FILE_COLUMNS = 200  # used for output to a file, which has no width to fit
LEFT = ("workload", "system", "detector", "client", "messages")
Rows = list[list[str]]  # the first is the header


def rows_of(found: dict[str, Any]) -> Rows:
    """Return the table of a measurement."""
    make: dict[str, Callable[[list[dict[str, Any]]], Rows]] = {
        "pipeline": _pipeline, "scoring": _scoring, "latency": _latency, "state": _state, "producers": _producers,
        "peers": _peers, "aggregates": _aggregates,
    }  # fmt: skip
    return make[found["benchmark"]](found["results"])


def show(found: dict[str, Any]) -> None:
    """Print the table of a measurement."""
    rows = rows_of(found)
    machine = found["machine"]
    table = Table(title=f"{found['benchmark']}: {machine['cpu']}, {machine['cores']} cores, load {machine['load']}")
    for name in rows[0]:
        table.add_column(name, justify="left" if name in LEFT else "right")
    for row in rows[1:]:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = FILE_COLUMNS
    console.print(table)


def markdown(rows: Rows) -> str:
    """Format rows as a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _rate(one: dict[str, Any]) -> str:
    """Format events per second, and the range over the rounds."""
    rounds = one.get("rounds_events_per_second")
    spread = f" ({_number(min(rounds))}–{_number(max(rounds))})" if rounds else ""
    return _number(one["events_per_second"]) + spread


def _pipeline(results: list[dict[str, Any]]) -> Rows:
    roles = ("python worker", "taskmanager", "kafka")
    rows = [["workload", "series", "TaskManagers", "events/s", "CPU µs per event: Python, TaskManager, Kafka",
             "all", "peak RSS MB: the same", "RSS MB per minute", "cost against the first row"]]  # fmt: skip
    first_totals: dict[str, float] = {}
    for one in results:
        work, cpu, memory = one["workload"], one["cpu_us_per_event"], one["peak_rss_mb"]
        total = sum(cpu.values())
        first = first_totals.setdefault(work["kind"], total)
        slope = one.get("rss_mb_per_minute") or {}
        rows.append([
            work["kind"], _number(work["series"]), str(one["taskmanagers"]), _rate(one),
            ", ".join(_number(cpu.get(role, 0), 2) for role in roles), _number(total, 2),
            ", ".join(_number(memory.get(role, 0)) for role in roles),
            ", ".join(_number(slope.get(role), 1) for role in roles), f"{total / first:.2f}" if first else "–",
        ])  # fmt: skip
    return rows


def _scoring(results: list[dict[str, Any]]) -> Rows:
    rows = [
        ["detector", "batch", "windows/s", "beside", "windows/s of that", "ratio", "ONNX Runtime", "largest difference"]
    ]
    for one in results:
        rows.append([
            one["detector"], str(one["batch"]), _number(one["windows_per_second"]), one["plain"],
            _number(one["plain_windows_per_second"]), f"{one['ratio']:.2f}", _number(one["onnx_windows_per_second"]),
            f"{one['largest_difference']:.1e}",
        ])  # fmt: skip
    return rows


def _latency(results: list[dict[str, Any]]) -> Rows:
    rows = [["workload", "peak events/s", "paced at", "p50 ms", "p95 ms", "p99 ms", "max ms",
             "to the micro-batch p50, p99", "from it p50, p99", "alerts",
             "start to first alert s", "of which stack", "of which submission"]]  # fmt: skip
    for one in results:
        delay = one["latency_ms"]
        rows.append([
            one["workload"]["kind"], _number(one["peak_events_per_second"]), _number(one["paced_events_per_second"]),
            *(_number(delay[name]) for name in ("p50", "p95", "p99", "max")),
            *(", ".join(_number(one[way][q]) for q in ("p50", "p99")) for way in ("to_micro_batch_ms", "to_alert_ms")),
            _number(one["alerts"]),
            _number(one["start_to_first_alert_seconds"], 1), _number(one["stack_seconds"], 1),
            _number(one["submit_seconds"], 1),
        ])  # fmt: skip
    return rows


def _state(results: list[dict[str, Any]]) -> Rows:
    rows = [["workload", "series", "state bytes", "per series", "raw window", "ratio", "per further series"]]
    for one in results:
        rows.append([
            one["workload"]["kind"], _number(one["series"]), _number(one["state_bytes"]),
            _number(one["bytes_per_series"]), _number(one["raw_window_bytes"]), f"{one['ratio_to_raw']:.2f}",
            _number(one["bytes_per_further_series"]),
        ])  # fmt: skip
    return rows


def _workload(one: dict[str, Any]) -> tuple[str, str]:
    return one["workload"]["kind"], _number(one["workload"]["series"])


def _producers(results: list[dict[str, Any]]) -> Rows:
    rows = [["client", "events", "events/s", "CPU µs per event"]]
    for one in results:
        rows.append([one["client"], _number(one["events"]), _number(one["events_per_s"]), f"{one['cpu_us_per_event']}"])
    return rows


def _titled(one: dict[str, Any]) -> str:
    """Return a system's title and the versions of its packages."""
    versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
    return str(one["title"]) + (f" ({versions})" if versions else "")


def _peers(results: list[dict[str, Any]]) -> Rows:
    rows = [["workload", "series", "system", "events/s", "Eddy against it", "first alert s", "CPU µs per event",
             "broker's", "peak RSS MB", "incidents", "equal"]]  # fmt: skip
    eddy = {_workload(one): one.get("events_per_second") for one in results if one["system"] == "eddy"}
    for one in results:
        name = _titled(one)
        kind, series = _workload(one)
        if "failed" in one:
            rows.append([kind, series, name, "failed", *["–"] * 6, "–"])
            continue
        own = eddy.get((kind, series))
        equal = "yes" if one["equal"] else f"{one['missing']} missing, {one['extra']} extra"
        rows.append([
            kind, series, name, _rate(one),
            f"{own / one['events_per_second']:.2f}×" if own and one["system"] != "eddy" else "–",
            _number(one["first_alert_seconds"], 1), _number(one["cpu_us_per_event"], 2),
            _number(one["broker_cpu_us_per_event"], 2), _number(one["peak_rss_mb"]), _number(one["incidents"]), equal,
        ])  # fmt: skip
    return rows


def _aggregates(results: list[dict[str, Any]]) -> Rows:
    rows = [["messages", "series", "system", "events/s", "Eddy against it", "CPU µs per event", "broker's",
             "peak RSS MB", "intervals", "equal", "load before"]]  # fmt: skip
    eddy = {one["workload"]["form"]: one.get("events_per_second") for one in results if one["system"] == "eddy"}
    for one in results:
        form, load = one["workload"]["form"], _number(one["load_before"], 2)
        head = [form, _number(one["workload"]["series"]), _titled(one)]
        if "failed" in one:
            rows.append([*head, "failed", *["–"] * 6, load])
            continue
        own = eddy.get(form)
        rows.append([
            *head, _rate(one) + ("" if one["finished"] else ", stopped at the time limit"),
            f"{own / one['events_per_second']:.2f}×" if own and one["system"] != "eddy" else "–",
            _number(one["cpu_us_per_event"], 2), _number(one["broker_cpu_us_per_event"], 2),
            _number(one["peak_rss_mb"]), _number(one.get("results")), _equal(one), load,
        ])  # fmt: skip
    return rows


def _equal(one: dict[str, Any]) -> str:
    """Say whether a system's intervals are the truth, and how they differ; Eddy writes none."""
    if one["equal"] is None:
        return "writes none"
    wrong = ", ".join(f"{one[k]:,} {k}" for k in ("missing", "extra", "different", "repeated") if one[k])
    return wrong or "yes"
