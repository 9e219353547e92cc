"""List words in names of fields that tell what a field is for: hints for a guess, never a rule of a mapping."""

from __future__ import annotations

#: of an event time
TIME = frozenset({
    "ts", "time", "timestamp", "at", "date", "day", "datetime", "when", "epoch", "measured", "observed", "event",
    "sampled", "created", "instant", "utc", "taken", "recorded", "captured", "occurred", "logged", "stamp", "clock",
    "zeit", "zeitpunkt", "uhrzeit", "datum", "heure", "fecha", "hora",
})  # fmt: skip
#: of another time than that of the event
OTHER_TIME = frozenset({
    "ingested", "ingest", "received", "arrival", "processed", "updated", "sent", "inserted", "expires", "valid",
    "start", "end", "since", "boot", "uptime",
})  # fmt: skip
#: of what tells series apart
ID = frozenset({
    "id", "uuid", "guid", "name", "device", "sensor", "host", "hostname", "site", "station", "machine", "asset",
    "meter", "series", "tag", "metric", "location", "plant", "line", "instance", "node", "serial", "channel", "mac",
    "imei", "tenant", "region", "zone", "room", "parameter", "symbol", "building", "pump",
    "gateway", "controller", "key", "source", "component", "service", "container", "pod", "namespace", "cluster",
    "lane", "loop", "feeder", "cell", "rack", "vehicle", "truck", "store", "item", "customer", "account",
})  # fmt: skip
#: of texts that change within a series, or say nothing of it
OTHER_TEXT = frozenset({
    "status", "state", "level", "message", "msg", "type", "unit", "units", "version", "quality", "severity", "op",
    "operation", "mode", "firmware", "description", "comment", "note", "error", "currency", "schema", "reason",
})  # fmt: skip
#: of whole numbers that are no measurements
COUNTER = frozenset({
    "id", "seq", "sequence", "offset", "version", "schema", "index", "port", "number", "nr", "line", "serial", "uuid",
    "status", "quality", "code", "state", "valid", "flag", "flags",
})  # fmt: skip
#: of numbers that count up, and may look like a time
TOTAL = frozenset({
    "bytes", "octets", "packets", "count", "counter", "total", "sum", "size", "seq", "sequence", "offset", "id",
})  # fmt: skip
