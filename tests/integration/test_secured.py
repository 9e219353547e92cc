"""Run the whole path with TLS, SCRAM and ACLs for Kafka and TLS and ACL users for Redis; no secret leaks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import redis
from kafka import KafkaProducer
from kafka.errors import KafkaError
from pydantic import SecretStr

from eddy.client import AlertStream, LiveState
from eddy.configuration import as_text, flatten
from eddy.connections import kafka_client, redis_client
from eddy.dashboard.stores.collector import Collector
from eddy.flink_rest import FlinkRest
from eddy.ops.exporter import Exporter
from eddy.producers.transport import connect
from eddy.settings import RedisSettings, Settings
from eddy.stack import acls, topics
from eddy.stack.local import Stack
from eddy.training.registry.registry import Registry
from tests.integration import harness, secured
from tests.integration.certificates import Authority

pytestmark = [
    pytest.mark.stack,
    pytest.mark.own_stack("starts a broker and a Redis of its own, with TLS, on this machine's loopback"),
]

SIGNING_KEY = "signing-key-of-sixteen"
NAMES = ["a", "b"]
SECRETS = (secured.PASSWORD, SIGNING_KEY, json.dumps(secured.PASSWORD)[1:-1])


@dataclass(frozen=True)
class Secured:
    """Settings by role; ``admin`` may do all."""

    admin: Settings
    authority: Authority
    roles: dict[str, Settings]


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder / "certificates")
    secret, key = folder / "password", folder / "key"
    secret.write_text(secured.PASSWORD)
    key.write_text(SIGNING_KEY)
    base = stack.settings.model_copy(
        update={
            "topics": stack.settings.topics.model_copy(update={"prefix": "safe"}),
            "redis": stack.settings.redis.model_copy(update={"prefix": "safe"}),
            "job": stack.settings.job.model_copy(
                update={
                    "name": "safe",
                    "checkpoint_interval_ms": 2000,
                    "delivery": "exactly-once",
                    "transaction_timeout_ms": 60_000,
                }
            ),
            "registry": stack.settings.registry.model_copy(
                update={"signing_key": SecretStr(SIGNING_KEY), "signing_key_file": str(key)}
            ),
        }
    )
    with contextlib.ExitStack() as held:
        kafka = held.enter_context(secured.kafka(folder, authority))
        store = held.enter_context(secured.redis_server(folder, authority, base))
        admin = base.model_copy(update={"kafka": kafka, "redis": store})
        topics.create_missing(admin, kafka.bootstrap_servers, time.monotonic() + 60)
        roles: dict[str, Settings] = {}
        for role in acls.ROLES:
            secured.add_user(kafka, role, base)
            user = {"username": f"eddy-{acls.redis_role(role)}", "password_file": str(secret)}
            with_redis = store.model_copy(update={**user, "password": SecretStr(secured.PASSWORD)})
            roles[role] = secured.as_user(admin.model_copy(update={"redis": with_redis}), role, secret)
        yield Secured(admin, authority, roles)


def test_whole_path_works_with_tls_scram_acls_and_least_rights(stack: Stack, world: Secured) -> None:
    """Producers, registry, job, Redis, dashboard, readers and commands, each with its own minimal rights."""
    roles = world.roles
    observations = harness.noise(NAMES, 60, {("a", 30): 9.0, ("b", 50): -9.0})
    manifest = harness.model(limit=2.8)
    Registry(roles["trainer"]).publish(manifest, manifest.inline_artifact() or b"")
    with harness.running(stack, roles["job"]) as (cluster, number):
        half = len(observations) // 2
        parts: dict[Literal["kafka-python", "librdkafka"], Any] = {
            "kafka-python": observations[:half],
            "librdkafka": observations[half:],
        }
        for client, part in parts.items():
            transport = connect(roles["producer"].kafka, roles["producer"].topics.name("observations"), client)
            events = [harness.event(*o) for o in part]
            transport.send([key.encode() for key, _ in events], [value for _, value in events])
            assert transport.flush(30) == 0
            assert not transport.undelivered
            transport.close()
        harness.handled(cluster, number, len(observations))
        live = LiveState(roles["reader"])
        harness.until(lambda: len(live.alerts()) >= 4, "the alerts in Redis")
        (told, *_) = harness.until(lambda: harness.read(world.admin, "events", "read_committed"), "an event of the job")
        assert json.loads(told.value)["event"] == "model-loaded"

        _nothing_of_it_is_shown(stack, number)
        collector = Collector(roles["page"])
        try:
            collector.start()
            harness.until(lambda: len(collector.snapshot.incidents.by_id) == 2, "the page knows both incidents")
        finally:
            collector.close()
        exporter = Exporter(roles["exporter"])
        lines = exporter.text().splitlines()
        assert {"eddy_kafka_up 1", "eddy_training_requests_waiting 0", "eddy_redis_up 1"} <= set(lines)
        exporter.close()
        path = cluster.stop(number)
    with AlertStream(roles["reader"], group="eddy-reader-test", from_start=True, stop_at_end=True) as stream:
        found = list(stream)
    expected = harness.offline([manifest], observations)
    of_each = [sorted(((a.id, a.state) for a in alerts), key=lambda one: one[0]) for alerts in (found, expected)]
    assert of_each[0] == of_each[1], "in order for each incident; shards have no order between them"
    _in_no_file(Path(path.removeprefix("file:")), stack.folder / "logs", stack.folder / "flink")
    assert command(roles["operator"], "dlq", "list", "--json") == {
        "topic": "safe.observations.dlq",
        "total": 0,
        "reasons": {},
        "samples": {},
    }


def _nothing_of_it_is_shown(stack: Stack, number: str) -> None:
    """Flink's pages: the job's settings, its plan, the cluster's settings and logs."""
    flink = FlinkRest(stack.flink_address)
    managers = flink._get("/taskmanagers")["taskmanagers"]
    paths = [f"/jobs/{number}{end}" for end in ("", "/config", "/plan", "/exceptions", "/checkpoints/config")]
    paths += ["/jobmanager/config", "/jobmanager/environment", "/jobmanager/log"]
    paths += [f"/taskmanagers/{manager['id']}{end}" for manager in managers for end in ("", "/log")]
    for path in paths:
        shown = flink._ask("GET", path).text
        assert len(shown) > 20, path
        assert not any(secret in shown for secret in SECRETS), path


def _in_no_file(*folders: Path) -> None:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".jar"]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in SECRETS), path


def command(settings: Settings, *arguments: str) -> Any:
    """An Eddy command that gets its password from the environment."""
    options = [
        part
        for key, value in flatten(settings)
        if value is not None and not isinstance(value, SecretStr) and not key.endswith("password_file")
        for part in ("--set", f"{key}={as_text(value)}")
    ]
    program = "import sys; from eddy.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *options, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "EDDY_KAFKA_SASL_PASSWORD": secured.PASSWORD, "EDDY_REDIS_PASSWORD": secured.PASSWORD},
    )
    assert done.returncode == 0, done.stderr
    assert secured.PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("producer", "alerts"),
        ("producer", "models"),
        ("job", "observations"),
        ("job", "models"),
        ("trainer", "observations"),
        ("trainer", "alerts"),
        ("page", "feedback"),
        ("reader", "alerts"),
        ("reader", "observations"),
        ("exporter", "training"),
    ],
)
def test_roles_cannot_write_other_topics(world: Secured, role: str, topic: str) -> None:
    settings = world.roles[role]
    refused = pytest.raises(KafkaError, match=r"(?i)authoriz")
    with contextlib.closing(KafkaProducer(**kafka_client(settings.kafka))) as client, refused:
        client.send(settings.topics.name(topic), b"{}").get(20)


def test_wrong_password_or_certificate_is_refused(world: Secured, tmp_path: Path) -> None:
    good = world.roles["reader"].kafka
    stranger = Authority(tmp_path / "another").ca
    for wrong in (
        {"sasl_password": SecretStr("guessed")},
        {"ssl_cafile": str(stranger)},
        {"ssl_certfile": None, "ssl_keyfile": None},
        {"security_protocol": "PLAINTEXT", "sasl_mechanism": None},
    ):
        settings = kafka_client(good.model_copy(update=wrong))
        with pytest.raises(KafkaError):
            KafkaProducer(**settings, bootstrap_timeout_ms=3000)


def test_redis_requires_its_certificate_and_limits_each_user(world: Secured, tmp_path: Path) -> None:
    job, reader = world.roles["job"].redis, world.roles["reader"].redis
    assert redis_client(job).hset("safe:x", "a", "b") == 1
    assert redis_client(reader).hget("safe:x", "a") == b"b"
    for settings, call in (
        (reader, lambda c: c.hset("safe:x", "a", "c")),
        (job, lambda c: c.hget("other:x", "a")),
        (job, lambda c: c.flushall()),
        (job, lambda c: c.config_get("*")),
        (reader, lambda c: c.keys("*")),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            call(redis_client(settings))
    stranger = Authority(tmp_path / "another").ca
    wrong: list[RedisSettings] = [
        job.model_copy(update={"ssl_cafile": str(stranger)}),
        job.model_copy(update={"tls": False}),
        job.model_copy(update={"host": "localhost"}),  # the certificate is for 127.0.0.1
        job.model_copy(update={"password": SecretStr("guessed")}),
    ]
    for settings in wrong:
        with pytest.raises(redis.RedisError):
            redis_client(settings).ping()
    assert redis_client(wrong[2].model_copy(update={"ssl_check_hostname": False})).ping()


def test_unsigned_model_is_refused(stack: Stack, world: Secured) -> None:
    trainer = world.roles["trainer"]
    forger = trainer.model_copy(update={"registry": trainer.registry.model_copy(update={"signing_key": None})})
    manifest = harness.model("forged")
    Registry(forger).publish(manifest, manifest.inline_artifact() or b"")
    with harness.running(stack, world.roles["job"].model_copy(update={"job": _again(world)})) as (cluster, number):
        harness.until(lambda: cluster.metrics(number).get("models_refused", 0) >= 1, "refused")
        refused = harness.until(
            lambda: [v for r in harness.read(world.admin, "events") if b"model-refused" in (v := r.value)], "told"
        )
    assert "not signed" in json.loads(refused[0])["reason"]


def _again(world: Secured) -> Any:
    return world.admin.job.model_copy(update={"delivery": "at-least-once"})
