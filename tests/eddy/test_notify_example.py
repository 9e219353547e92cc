"""Run the example notifier against a real webhook that is down, recovers late, or refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eddy.settings import Settings
from tests.cli.alerts_at_hand import ROOT, alert, environment, to_kafka

pytestmark = pytest.mark.stack


class Webhook:
    """A receiver on loopback: answers with the given statuses in turn, then with 200; keeps what it was sent."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[tuple[str, dict]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.statuses.pop(0) if outer.statuses else 200
                if status == 200:
                    outer.received.append((self.headers["Idempotency-Key"], body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    found = Webhook()
    yield found
    found.server.shutdown()
    found.server.server_close()


def notify(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "docs" / "examples" / "notify.py"
    return subprocess.run(
        [sys.executable, str(script), "--once", *arguments],
        capture_output=True, text=True, check=False, cwd=ROOT, env=environment(settings), timeout=120,
    )  # fmt: skip


def test_each_alert_is_delivered_once_despite_failures_and_repeats(
    unique_topics: Settings, webhook: Webhook, tmp_path: Path
) -> None:
    opened, closed = alert("s-1"), alert("s-1", "closed")
    to_kafka(unique_topics, [opened, opened, alert("s-2", suppressed="maintenance: works"), closed])
    webhook.statuses = [503, 429]
    options = ["--webhook", webhook.url, "--seen", str(tmp_path / "seen.sqlite")]
    done = notify(unique_topics, *options)
    assert done.returncode == 0, done.stderr
    assert [body["state"] for _, body in webhook.received] == ["open", "closed"]
    assert len({key for key, _ in webhook.received}) == 2
    assert done.stderr.count("does not take") == 2

    # Another group begins anew, as after lost offsets: what was handed over is not handed over again.
    to_kafka(unique_topics, [opened, alert("s-3")])
    notify(unique_topics, *options, "--group", "another")
    assert [body["series"] for _, body in webhook.received] == ["s-1", "s-1", "s-3"]


def test_permanently_refused_alert_does_not_block_the_next(unique_topics: Settings, webhook: Webhook) -> None:
    to_kafka(unique_topics, [alert("s-1"), alert("s-2")])
    webhook.statuses = [400]
    done = notify(unique_topics, "--webhook", webhook.url)
    assert [body["series"] for _, body in webhook.received] == ["s-2"]
    assert "refuses" in done.stderr


def test_notifier_prints_lines_without_a_webhook_and_names_errors(unique_topics: Settings, tmp_path: Path) -> None:
    to_kafka(unique_topics, [alert("s-1"), alert("s-1", "closed"), alert("s-2", severity=10)])
    done = notify(unique_topics, "--states", "open", "--least-severity", "50")
    assert done.stdout.count("\n") == 1
    assert "high     open   s-1" in done.stdout
    wrong = notify(unique_topics, "--seen", str(tmp_path / "no" / "such" / "folder"))
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("notify: --seen")
    assert wrong.stderr.count("\n") == 1
