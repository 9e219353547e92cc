"""An example consumer: prints each alert once as one line, and goes on where it left off when it is started again.

Run it from a checkout with ``.venv/bin/python docs/examples/print_alerts.py``; settings come from ``EDDY_…`` variables
or the file that ``EDDY_CONFIG`` names. Replace ``handle`` by what should happen: a page, a ticket, a webhook.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from datetime import UTC, datetime

from eddy.client import Alert, AlertStream
from eddy.errors import EddyError

REMEMBERED = 10_000  # transitions; Kafka delivers at least once, so a few come again after a crash


def handle(alert: Alert) -> None:
    """What this consumer does."""
    start = datetime.fromtimestamp(alert.start / 1000, UTC).isoformat(timespec="seconds")
    print(f"{start} {alert.severity_word:8} {alert.state:6} {alert.series} score {alert.score:.3g}", flush=True)


def main() -> int:
    """Follow the alerts until Ctrl-C."""
    seen: OrderedDict[tuple[str, str, int], None] = OrderedDict()
    try:
        with AlertStream(group="print-alerts-example", from_start=True) as alerts:
            for alert in alerts:
                transition = (alert.id, alert.state, alert.end)
                if transition in seen:
                    continue
                handle(alert)
                seen[transition] = None
                if len(seen) > REMEMBERED:
                    seen.popitem(last=False)
    except KeyboardInterrupt:
        return 0
    except EddyError as error:
        print(f"print_alerts: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
