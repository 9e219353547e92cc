"""List the minimal Kafka permissions of each part of Eddy, as ACL entries."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from eddy.settings import Settings
from eddy.training_request import TRAINER_GROUP

Resource = Literal["topic", "group", "transactional-id"]
Role = Literal["producer", "job", "trainer", "page", "operator", "reader", "exporter"]
RedisRole = Literal["job", "reader", "exporter"]

#: role -> who uses it
ROLES: Mapping[Role, str] = {
    "producer": "whatever sends observations (eddy produce)",
    "job": "the Flink job: client, JobManager and TaskManagers",
    "trainer": "who trains and publishes models (eddy train, eddy models, eddy trainer)",
    "page": "the dashboard, as long as it only shows",
    "operator": "who answers alerts (eddy alerts, the dashboard's buttons), resets series, and replays dead letters",
    "reader": "programs that act on alerts (eddy.client)",
    "exporter": "metrics of what is around the job (eddy exporter)",
}

#: consumer groups of docs/examples
EXAMPLE_GROUPS = ("notify-example", "print-alerts-example")


@dataclass(frozen=True)
class Entry:
    """Hold one permission.

    Attributes:
        resource, name: kind and name of the Kafka resource.
        operations: as Kafka calls them; READ and WRITE include DESCRIBE.
        prefixed: whether ``name`` stands for everything that begins so.
        servers: brokers of another cluster, that of an input source; empty = that of ``kafka``.
    """

    resource: Resource
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False
    servers: str = ""


def entries(settings: Settings, role: Role) -> list[Entry]:
    """Return the permissions of a role, with the topics, the input sources and the job's group of these settings."""
    job = settings.job.group_id
    history = Entry("topic", settings.topics.name("models") + ".history", ("READ", "WRITE", "CREATE"))
    match role:
        case "producer":
            return _topics(settings, ("observations", "labels"), "WRITE")
        case "job":
            return [
                *_topics(settings, ("observations", "models", "feedback"), "READ"),
                *_inputs(settings, job),
                *_topics(settings, ("alerts",), "READ", "WRITE"),  # it reads what Redis missed in a long outage
                *_topics(settings, ("scores", "dlq", "events"), "WRITE"),
                *_topics(settings, ("drift", "training", "shadow", "figures", "sources"), "WRITE"),
                *(Entry("group", name, ("READ",)) for name in (job, f"{job}-models", f"{job}-feedback")),
                Entry("transactional-id", job, ("WRITE", "DESCRIBE"), prefixed=True),  # job.delivery=exactly-once
            ]
        case "trainer":
            topics = ("observations", "labels", "feedback", "alerts", "drift", "training", "figures")
            read = _topics(settings, topics, "READ")
            both = _topics(settings, ("models", "trainer"), "READ", "WRITE")
            own = [history, Entry("group", TRAINER_GROUP, ("READ",))]
            return [*read, *_inputs(settings), *both, *_topics(settings, ("events",), "WRITE"), *own]
        case "page":
            shown = ("observations", "alerts", "dlq", "events", "drift", "models", "feedback", "sources")
            read = _topics(settings, shown, "READ")
            return [*read, Entry("topic", history.name, ("READ",)), Entry("group", "eddy-dashboard", ("READ",))]
        case "operator":
            return [
                *_topics(settings, ("alerts", "dlq", "events"), "READ"),
                *_topics(settings, ("feedback",), "READ", "WRITE"),
                *_topics(settings, ("observations", "training"), "WRITE"),
                *_topics(settings, ("models",), "READ", "WRITE"),
                history,
                Entry("group", f"{job}-dlq-replay", ("READ",)),
            ]
        case "reader":
            examples = [Entry("group", name, ("READ",)) for name in EXAMPLE_GROUPS]
            readers = Entry("group", "eddy-reader", ("READ",), prefixed=True)
            return [*_topics(settings, ("alerts",), "READ"), readers, *examples]
        case "exporter":  # how far the trainer is, and none of what it reads
            return [*_topics(settings, ("training",), "DESCRIBE"), Entry("group", TRAINER_GROUP, ("DESCRIBE",))]


def commands(settings: Settings, role: Role, principal: str) -> list[str]:
    """Return the permissions as calls of Kafka's own ``kafka-acls.sh``."""
    lines = []
    for entry in entries(settings, role):
        pattern = " --resource-pattern-type prefixed" if entry.prefixed else ""
        operations = " ".join(f"--operation {operation}" for operation in entry.operations)
        servers = entry.servers or settings.kafka.bootstrap_servers
        lines.append(
            f"kafka-acls.sh --bootstrap-server {servers} --command-config admin.properties --add "
            f"--allow-principal User:{principal} {operations} --{entry.resource} {shlex.quote(entry.name)}{pattern}"
        )
    return lines


def _inputs(settings: Settings, group: str = "") -> list[Entry]:
    """Return the topics of ``input``, each once, of a pattern the text that all its topics begin with.

    Args:
        settings: with the sources.
        group: consumer group, which another cluster needs as well.
    """
    found: dict[Entry, None] = {}
    for source in settings.input:
        servers = str(source.kafka.get("bootstrap_servers", ""))
        names = [(topic, False) for topic in source.topics]
        if source.pattern:
            start = _beginning(source.pattern)
            names.append((start or "*", bool(start)))
        for name, prefixed in names:
            found[Entry("topic", name, ("READ",), prefixed, servers)] = None
        if group and servers:
            found[Entry("group", group, ("READ",), servers=servers)] = None
    return list(found)


def _beginning(pattern: str) -> str:
    r"""Return the plain text that every match of a regular expression begins with; it may be shorter than possible.

    Examples:
        >>> _beginning(r"plant\.telemetry-[a-z]+"), _beginning("ab*"), _beginning("a|b"), _beginning("(a)")
        ('plant.telemetry-', 'a', '', '')
    """
    if "|" in pattern:
        return ""
    plain = re.match(r"(?:[A-Za-z0-9_-]|\\[.-])*", pattern)
    text = plain.group() if plain else ""
    if pattern[len(text) :][:1] in {"*", "?", "{"}:  # the last character may be left out
        text = text[: -2 if text.endswith(("\\.", "\\-")) else -1]
    return text.replace("\\", "")


def _topics(settings: Settings, roles: Sequence[str], *operations: str) -> list[Entry]:
    return [Entry("topic", settings.topics.name(role), operations) for role in roles]


def redis_role(role: Role) -> RedisRole | None:
    """Return which of Redis' users a role is, or that it needs none."""
    match role:
        case "job" | "exporter":
            return role
        case "page" | "operator" | "reader":
            return "reader"
        case _:
            return None


def redis_rules(settings: Settings, role: RedisRole) -> str:
    """Return a Redis user's rules, as ``ACL SETUSER`` takes them.

    The job writes, the dashboard and programs read, and the exporter sees how much memory there is.
    """
    own = f"~{settings.redis.prefix}:*"
    connect = "+ping +time"
    if role == "exporter":
        return f"-@all {connect} +info"
    if role == "reader":
        return f"{own} -@all {connect} +@read -@dangerous"
    script = "+eval +evalsha +script|exists +script|load"
    written = f"{script} +exists +get +set +persist +zrem +zadd +zscore +zremrangebyscore +xadd +hset +hdel +expire"
    return f"{own} -@all {connect} {written}"
