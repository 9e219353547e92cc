"""Check the job, its models and its dead letters for ``eddy doctor``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from eddy.errors import EddyError
from eddy.flink_job.client.cluster import Cluster, Job
from eddy.model_events import off_interval
from eddy.ops.dead_letters import LATE
from eddy.settings import Settings
from eddy.stack import flink, ports
from eddy.stack.doctor import Check, Level
from eddy.texts import as_argument, escaped
from eddy.topic_reader import TopicReader, whole_topic
from eddy.training.registry.registry import Registry

DEAD_LETTERS_READ = 200  # the newest dead letters
FAILED_CHECKPOINTS = 3  # in a row: one can be a restart
RESTARTS_WARN = 3


def examine_job(settings: Settings) -> Iterator[Check]:
    """Yield all checks of the job; none if Flink or Kafka do not answer, which other checks report."""
    if ports.answers(settings.stack.flink_rest_port, settings.stack.host):
        try:
            yield from _job(settings)
        except EddyError as error:
            yield Check("job", "warn", str(error), "see whether Flink is well: eddy status")
    host, _, port = settings.kafka.bootstrap_servers.split(",")[0].strip().rpartition(":")
    if port.isdigit() and ports.answers(int(port), host):
        try:
            yield from _models(settings)
            yield from _dead_letters(settings)
        except EddyError as error:
            yield Check("models", "warn", str(error), "eddy up creates missing topics")


def _job(settings: Settings) -> Iterator[Check]:
    cluster, name = Cluster(flink.rest_address(settings.stack)), settings.job.name
    job = cluster.running(name)
    if job is None:
        last = next((one for one in cluster.jobs() if one.name == name), None)
        if last is not None and last.state == "FAILED":
            yield Check("job", "fail", f"{name} failed: {cluster.failure(last.id)}", "mend that, then: eddy up")
        else:
            yield Check("job", "warn", f"no job named {name} runs", "submit it: eddy job submit")
        return
    reasons = cluster.exceptions(job.id)
    if job.state != "RUNNING":
        reason = reasons[0] if reasons else "it has just been submitted"
        yield Check("job", "fail", f"{name} is {job.state}: {reason}", "mend that: the job tries again by itself")
        return
    level: Level = "warn" if len(reasons) >= RESTARTS_WARN else "ok"
    said = f"; {len(reasons)} restarts, the last for: {reasons[0]}" if reasons else ""
    yield Check("job", level, f"{name} runs{said}", "look for a pattern in the TaskManager's log" if said else "")
    yield _checkpoints(settings, cluster, job)
    yield from _metrics(cluster.metrics(job.id))
    if settings.job.delivery == "exactly-once" and (lost := cluster.transactions_lost(job.id)):
        found = f"{lost} could not be committed: alerts that they held may be missing in Kafka"
        yield Check("transactions", "fail", found, "docs/operations.md#eddytransactionslost says how to get them back")


def _checkpoints(settings: Settings, cluster: Cluster, job: Job) -> Check:
    found: Any = cluster.checkpoints(job.id)
    newest = [one["status"] for one in found["history"] if one["status"] != "IN_PROGRESS"][:FAILED_CHECKPOINTS]
    counts = found["counts"]
    if len(newest) == FAILED_CHECKPOINTS and set(newest) == {"FAILED"}:
        reason = next((one.get("failure_message") or "" for one in found["history"]), "")
        todo = "see whether the checkpoint folder can be written and has room, and whether the job keeps up"
        return Check("checkpoints", "fail", f"the last {FAILED_CHECKPOINTS} failed: {reason}", todo)
    return Check("checkpoints", "ok", f"{counts['completed']} completed, {counts['failed']} failed")


def _metrics(metrics: dict[str, float]) -> Iterator[Check]:
    events = metrics.get("events", 0)
    if waiting := int(metrics.get("series_without_model", 0)):
        todo = "publish a model whose series patterns take them in: eddy models list, eddy models publish"
        yield Check("series without a model", "warn", f"{waiting} series wait for a model", todo)
    if refused := int(metrics.get("models_refused", 0)):
        yield Check(
            "refused models", "warn", f"{refused} versions refused", "reasons: topic events, or the dashboard's Models"
        )
    if limited := int(metrics.get("limits_reached", 0)):
        todo = "limit-reached on the topic events says which; docs/operations.md#eddylimitreached what to do"
        yield Check("limits of memory", "warn", f"{limited} observations refused, dropped or released early", todo)
    if lacking := int(metrics.get("features_missing", 0)):
        todo = "reasons: topic events; if the version is wrong: eddy models rollback NAME"
        yield Check("features", "warn", f"{lacking} times a series brings none of a model's features", todo)
    if int(metrics.get("interval_mismatch", 0)):
        todo = "which: topic events, or the dashboard's Models; train with the interval of the series"
        yield Check("interval", "warn", "a series has another interval than its model", todo)
    if away := int(metrics.get("redis_away_seconds", 0)):
        yield Check(
            "the job's Redis", "fail", f"away for {away} s: alerts wait", "see whether Redis is up and not full"
        )
    if late := int(metrics.get("late", 0)):
        level: Level = "warn" if late > 0.01 * events else "ok"
        todo = "raise job.out_of_orderness_ms, or send each series in order" if level == "warn" else ""
        yield Check("late events", level, f"{late} of {int(events)}", todo)


def _models(settings: Settings) -> Iterator[Check]:
    listing = Registry(settings).read()
    for key, problem in listing.broken.items():
        todo = f"publish it again with this version of Eddy, or withdraw it: eddy models withdraw {as_argument(key)}"
        yield Check(f"model {escaped(key)}", "fail", problem, todo)
    if not listing.current:
        yield Check("models", "warn", "none is published: nothing is scored", "eddy train …, eddy models publish …")
    else:
        yield Check("models", "ok", f"{len(listing.current)} published")
    said = _job_events(settings) if listing.current else []
    for manifest in listing.current.values():
        note = off_interval(said, manifest.name, manifest.version) or manifest.metrics.get("interval_mismatch")
        if note:
            todo = "train it again with the interval of its series, or without --interval"
            yield Check(f"model {manifest.name}", "warn", escaped(str(note)), todo)


def _job_events(settings: Settings) -> list[dict[str, Any]]:
    """Return what the job said on the events topic, the newest first."""
    found: list[dict[str, Any]] = []
    for record in whole_topic(settings, "events"):
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(record.value or b"")
            if isinstance(event, dict):
                found.append(event)
    return found[::-1]


def _dead_letters(settings: Settings) -> Iterator[Check]:
    reader = TopicReader(settings, "dlq")
    try:
        ends = reader.ends()
        total = sum(ends.values())
        for partition, end in ends.items():
            reader.consumer.seek(partition, max(0, end - DEAD_LETTERS_READ))
        newest = list(reader.to_end()) if total else []
        reasons = [dict(record.headers).get("reason", b"?").decode(errors="replace") for record in newest]
    finally:
        reader.close()
    if not total:
        yield Check("dead letters", "ok", "none")
        return
    worst = max(set(reasons), key=reasons.count) if reasons else "unknown"
    found = f"{total} in all; of the last {len(reasons)}, {reasons.count(worst)} are '{escaped(worst)}'"
    listing = f"look at them: eddy dlq list --reason {as_argument(worst)}"
    if worst == LATE:  # sent again, they would only be late again
        todo = f"{listing}; a replay is late again: raise job.out_of_orderness_ms, or backfill (docs/operations.md)"
    else:
        todo = f"{listing}; then eddy dlq replay"
    yield Check("dead letters", "warn", found, todo)
