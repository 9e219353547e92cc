"""Write the workload's observations as other programs would, and say how Eddy reads them."""

from __future__ import annotations

import json
from typing import Any

TOPIC = "bench.input"
#: input source by form; ``own`` is the observations topic itself
SOURCES: dict[str, dict[str, Any]] = {
    "own": {},
    "flat": {"series": "{device}", "time": {"field": "at", "unit": "s"}, "values": {"value": "temperature"}},
    "nested": {
        "series": "{site.name}/{device.id}",
        "time": {"field": "meta.at", "unit": "ms"},
        "values": {"value": "data.temperature"},
    },
}


def message(form: str, key: bytes, ts: int, value: float) -> bytes:
    """Return the bytes of one message."""
    if form == "flat":
        return b'{"device":"%b","at":%d,"temperature":%.4f}' % (key, ts // 1000, value)
    if form == "nested":
        return (
            b'{"site":{"name":"north","line":3},"device":{"id":"%b","firmware":"4.2.1"},"meta":{"at":%d,"seq":%d},'
            b'"data":{"temperature":%.4f,"unit":"C","ok":true}}'
        ) % (key, ts, ts // 1000 % 65536, value)
    return b'{"series":"%b","ts":%d,"value":%.4f}' % (key, ts, value)


def settings(form: str) -> list[str]:
    """Return the overrides with which the job reads a form."""
    return [f"input={json.dumps([{'topics': TOPIC, **SOURCES[form]}])}"] if SOURCES[form] else []
