"""Run ``eddy alerts`` as a user does."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from eddy.settings import Settings
from tests.cli.alerts_at_hand import ROOT, START, STEP, alert, command, eddy, environment, to_kafka, to_redis

pytestmark = pytest.mark.stack


def test_alerts_tail_follows_until_interrupted(unique_topics: Settings) -> None:
    to_kafka(unique_topics, [alert("s-1"), alert("t-1")])
    arguments = command("alerts", "tail", "--json", "--from-start", "--series", "t-*")
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(unique_topics)
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline()) == json.loads(alert("t-1").to_json())
        to_kafka(unique_topics, [alert("s-1", "closed"), alert("t-1", "closed")])
        assert json.loads(process.stdout.readline())["state"] == "closed"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "", "")


def test_alerts_list_and_show_print_alerts(unique_topics: Settings) -> None:
    assert "no alerts" in eddy(unique_topics, "alerts", "list").stderr
    closed = alert("s-1", "closed", end=START + STEP, return_period_s=1_900_000)
    to_redis(unique_topics, [alert("s-1"), alert("t-1"), closed])

    done = eddy(unique_topics, "alerts", "list", "--json")
    assert [json.loads(line)["state"] for line in done.stdout.splitlines()] == ["closed", "open", "open"]
    assert eddy(unique_topics, "alerts", "list", "--limit", "1").stdout.count("\n") == 1
    done = eddy(unique_topics, "alerts", "list", "--open")
    assert done.returncode == 0
    assert done.stdout.split() == (f"2025-01-01 00:00:00Z open 60 high t-1 score 4.5 > 3 {alert('t-1').id}".split())

    shown = eddy(unique_topics, "alerts", "show", closed.id).stdout
    for text in (
        "closed",
        "60 (high)",
        "9, expected 1 (-2 to 4), 100% of the score",
        "z version 2 (zscore)",
        "about once in 3 weeks",
    ):
        assert text in shown
    assert json.loads(eddy(unique_topics, "alerts", "show", closed.id, "--json").stdout)["state"] == "closed"
    missing = eddy(unique_topics, "alerts", "show", "f" * 16)
    assert missing.returncode == 2
    assert missing.stderr.startswith(f"eddy: alert '{'f' * 16}': not in Redis")
    assert missing.stderr.count("\n") == 1
