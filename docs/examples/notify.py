"""An example consumer: hands each incident's alerts to a webhook, or prints them, once each.

``.venv/bin/python docs/examples/notify.py --webhook https://pager.example/hook --seen notified.sqlite``

What a consumer of alerts has to care about, and how this one does:

- **Kafka delivers at least once.** What was handed over is noted in ``--seen`` by incident, state and end; a repeat
  after a crash is left out. The webhook also gets an ``Idempotency-Key`` to tell repeats by itself: between its answer
  and our note lies a moment that no client can close.
- **The receiver may be away.** It is tried again with growing pauses, and as long as it does not take an alert the
  place in Kafka is not moved on: nothing is skipped. What the receiver refuses for good (4xx but 408 and 429) is
  reported and left behind, or it would block all that follow.
- **One page per incident.** ``--states open`` hands over openings alone; suppressed alerts never page anybody.

Settings (brokers, security, topics) come from ``EDDY_…`` variables or the file that ``EDDY_CONFIG`` names.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from datetime import UTC, datetime

import requests

from eddy.client import Alert, AlertStream
from eddy.errors import EddyError

REMEMBERED = 100_000  # transitions; older ones cannot come again from a group that moved on
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
ANSWER_S = 10.0
TRY_AGAIN = {408, 429}


class Seen:
    """Which transitions were handed over, in a file (or in memory, with ``":memory:"``)."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("CREATE TABLE IF NOT EXISTS seen (at INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE)")

    def __contains__(self, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM seen WHERE key = ?", [key]).fetchone() is not None

    def add(self, key: str) -> None:
        """Note one; the oldest are forgotten."""
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO seen (key) VALUES (?)", [key])
            self._db.execute("DELETE FROM seen WHERE at <= (SELECT max(at) FROM seen) - ?", [REMEMBERED])


def transition(alert: Alert) -> str:
    """What tells one message of an incident from a repeat of it."""
    return f"{alert.id}/{alert.state}/{alert.end}/{alert.severity}"


def line(alert: Alert) -> str:
    """An alert for people."""
    start = datetime.fromtimestamp(alert.start / 1000, UTC).isoformat(timespec="seconds")
    what = alert.reason if alert.kind == "silent" else f"score {alert.score:.3g}"
    return f"{start} {alert.severity_word:8} {alert.state:6} {alert.series} {what} id {alert.id}"


def deliver(alert: Alert, webhook: str) -> None:
    """Hand over one alert; returns when it was taken, or refused for good."""
    pause = FIRST_PAUSE_S
    headers = {"Content-Type": "application/json", "Idempotency-Key": transition(alert)}
    while True:
        try:
            answer = requests.post(webhook, data=alert.to_json(), headers=headers, timeout=ANSWER_S)
        except requests.RequestException as error:
            reason = type(error).__name__
        else:
            if answer.ok:
                return
            reason = f"status {answer.status_code}"
            if 400 <= answer.status_code < 500 and answer.status_code not in TRY_AGAIN:
                print(f"notify: the webhook refuses {transition(alert)}: {reason}; left behind", file=sys.stderr)
                return
        print(f"notify: the webhook does not take {alert.id} ({reason}); again in {pause:g} s", file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def main() -> int:
    """Follow the alerts until Ctrl-C, or to the end of what is there with ``--once``."""
    parser = argparse.ArgumentParser(description="Hand each alert of Eddy to a webhook, or print it, once.")
    parser.add_argument("--webhook", metavar="URL", help="receives each alert by POST; without it they are printed")
    parser.add_argument("--states", default="open,update,closed", help="comma separated; such as 'open'")
    parser.add_argument("--least-severity", type=int, default=0, metavar="0-100")
    parser.add_argument("--series", default="*", metavar="GLOB")
    parser.add_argument("--seen", default=":memory:", metavar="FILE", help="remembers what was handed over")
    parser.add_argument("--group", default="notify-example", help="Kafka consumer group: its place is kept")
    parser.add_argument("--once", action="store_true", help="end after the alerts that are there now")
    options = parser.parse_args()
    states = set(options.states.split(","))
    try:
        seen = Seen(options.seen)
        with AlertStream(
            group=options.group, from_start=True, series=options.series, stop_at_end=options.once
        ) as alerts:
            for alert in alerts:
                key = transition(alert)
                if alert.state not in states or alert.severity < options.least_severity or alert.suppressed:
                    continue
                if key in seen:
                    continue
                if options.webhook:
                    deliver(alert, options.webhook)
                else:
                    print(line(alert), flush=True)
                seen.add(key)
    except KeyboardInterrupt:
        return 0
    except sqlite3.Error as error:
        print(f"notify: --seen {options.seen}: cannot be used: {error}", file=sys.stderr)
        return 2
    except EddyError as error:
        print(f"notify: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
