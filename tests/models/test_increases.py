"""Increases of counters against a real Prometheus (Debian's package) on the same samples."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eddy.input_settings import InputSource
from eddy.inputs.interval_rules import interval_rules
from eddy.models.intervals import increases as module
from eddy.models.intervals.aggregator import Aggregator
from eddy.models.intervals.increases import SampleLog
from eddy.stack.ports import free_ports

T0 = 1_767_225_600_000
MINUTE, HOURS = 60_000, 3


def counters(seed: int) -> dict[str, tuple[Any, Any]]:
    """Return samples (ts, values) as node exporters give them: scraped each 15 s, and what happens to scrapes."""
    rng = np.random.default_rng(seed)
    n = HOURS * 240
    regular = T0 + 3_217 + 15_000 * np.arange(n)

    def total(rate: float, start: float = 0.0) -> Any:
        return start + np.cumsum(rng.gamma(2.0, rate * 7.5, n))

    def restarted(values: Any, at: list[int]) -> Any:
        for k in at:
            values[k:] -= values[k - 1] + rng.random()
            values[k:] -= min(values[k:].min(), 0)
        return values

    jitter = regular + rng.integers(-400, 400, n)
    kept = np.ones(n, bool)
    for start, size in (
        (50, 3),
        (200, 9),
        (333, 1),
        (500, 30),
        (650, 5),
    ):  # scrapes that hung, or a target that was down
        kept[start : start + size] = False
    idle = total(900.0, 4e12)
    idle[100:400] = idle[100]  # a network device at night
    return {
        "node_cpu_seconds_total": (regular, np.round(total(0.8, 91_231.0), 2)),
        "node_network_receive_bytes_total": (jitter, np.floor(idle)),
        "http_requests_total": (jitter, np.floor(restarted(total(3.0), [77, 78, 300, 612]))),
        "with_holes_total": (regular[kept], np.floor(total(50.0, 1e6)[kept])),
        "just_born_total": (regular[300:], np.floor(total(2.0)[: n - 300])),
        "rare_total": (regular[::3], np.floor(restarted(total(0.01), [400])[::3])),
        "errors_total": (regular, np.zeros(n)),
    }


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start one with all counters in it, and give its port."""
    for program in ("prometheus", "promtool"):
        assert shutil.which(program), (
            f"{program} is not installed; './run test' does it, or: apt-get install prometheus"
        )
    folder = tmp_path_factory.mktemp("prometheus")
    lines = []
    for seed in (0, 1):
        for name, (ts, values) in counters(seed).items():
            lines.append(f"# TYPE {name.removesuffix('_total')}_{seed} counter")
            for t, value in zip(ts.tolist(), values.tolist(), strict=True):
                lines.append(f"{name.removesuffix('_total')}_{seed}_total {value!r} {t / 1000:.3f}")
    (folder / "samples").write_text("\n".join([*lines, "# EOF", ""]))
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "samples"), str(folder / "data")]
    subprocess.run(made, check=True, capture_output=True)
    (port,) = free_ports(1)
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            deadline = time.monotonic() + 40
            while True:
                try:
                    asked(port, "/-/ready")
                    break
                except OSError:
                    assert server.poll() is None, Path(folder / "log").read_text()
                    assert time.monotonic() < deadline, Path(folder / "log").read_text()
                    time.sleep(0.05)
            yield port
        finally:
            server.kill()
            server.wait()


def asked(port: int, path: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return bytes(answer.read())


def by_prometheus(port: int, query: str) -> dict[int, float]:
    """Return its answer at the end of each minute, by the minute's begin."""
    words = {"query": query, "start": T0 / 1000 + 60, "end": T0 / 1000 + HOURS * 3600, "step": "60"}
    found = json.loads(asked(port, f"/api/v1/query_range?{urllib.parse.urlencode(words)}"))["data"]["result"]
    return {round(t * 1000) - MINUTE: float(value) for t, value in found[0]["values"]} if found else {}


def by_eddy(ts: Any, values: Any, function: str, seed: int) -> dict[int, float]:
    """Aggregate the samples, out of order by up to five and partly twice."""
    aggregate = {"every": "1m", "wait": "5m", "values": {"value": f"{function} of total"}}
    one = Aggregator(interval_rules({"input.0": InputSource(topics="t", aggregate=aggregate)})[0])
    rng = np.random.default_rng(seed)
    order = np.argsort(np.arange(len(ts)) + rng.uniform(0, 5, len(ts)), kind="stable")
    again = rng.integers(0, len(ts), 50)
    found: dict[int, float] = {}
    for at in [*np.array_split(order, 40), again]:
        one.add(0, ["a"], np.zeros(len(at), np.int64), ts[at], values[at][:, None])
    while (closed := one.close(T0 + (HOURS + 1) * 3_600_000)) is not None:
        found |= {t: v for t, (v,) in zip(closed.ts.tolist(), closed.values.tolist(), strict=True) if v == v}  # noqa: PLR0124
    return found


@pytest.mark.parametrize("function", ["increase", "rate"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", list(counters(0)))
def test_increase_is_that_of_prometheus(prometheus: int, name: str, seed: int, function: str) -> None:
    ts, values = counters(seed)[name]
    expected = by_prometheus(prometheus, f"{function}({name.removesuffix('_total')}_{seed}_total[1m])")
    found = by_eddy(ts, values, function, seed)
    assert len(expected) > 30
    assert found == expected  # bit for bit


def test_samples_between_others_are_left_out_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ts, values = counters(0)["http_requests_total"]
    owners = np.zeros(len(ts), np.int64)
    whole = SampleLog()
    whole.add(owners, ts, values)
    monkeypatch.setattr(module, "_COMPACT", 100)
    short = SampleLog()
    for at in range(0, len(ts), 30):
        short.add(owners[at : at + 30], ts[at : at + 30], values[at : at + 30])
    kept = short.samples()
    assert len(kept.ts) < 150
    assert kept.weights.sum() == len(ts)
    ask = np.zeros(1, np.int64)
    assert module.increases(kept, ask, T0, T0 + HOURS * 3_600_000) == module.increases(
        whole.samples(), ask, T0, T0 + HOURS * 3_600_000
    )
