"""Settings of each of Kafka's logins, and what shows that every client logs in with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eddy.configuration import load, secrets_as_environment
from eddy.connections import (
    kafka_consumer,
    kafka_producer,
    librdkafka_client,
    librdkafka_consumer,
    librdkafka_producer,
)
from eddy.errors import EddyError
from eddy.flink_job.graph import kafka_properties
from eddy.settings import Settings
from tests.integration import login_brokers as logins
from tests.integration.login_brokers import TOPIC, World

DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
WAIT_MS = 6000
KERBEROS_PROGRAM = f"""
import sys
try:
    import gssapi
except ImportError:
    sys.path.append({DEBIAN_PACKAGES!r})
from eddy.configuration import load
from eddy.connections import kafka_consumer
from eddy.errors import EddyError
try:
    consumer = kafka_consumer(load(sys.argv[1:], environ={{}}).settings.kafka, bootstrap_timeout_ms={WAIT_MS})
    print(sorted(consumer.topics()))
    consumer.close()
except EddyError as error:
    print(error)
"""


def oauth(world: World, *more: str) -> Settings:
    return load(
        [
            f"kafka.bootstrap_servers={world.oauth}",
            "kafka.security_protocol=SASL_PLAINTEXT",
            "kafka.sasl_mechanism=OAUTHBEARER",
            f"kafka.oauth_token_url={world.issuer.url}",
            f"kafka.oauth_client_id={logins.CLIENT}",
            f"kafka.oauth_client_secret={logins.SECRET}",
            "kafka.oauth_scope=kafka.read kafka.write",
            'kafka.oauth_extensions={"logicalCluster": "lkc-1"}',
            "kafka.request_timeout_ms=5000",
            *more,
        ],
        environ={},
    ).settings


def msk(world: World, *more: str) -> Settings:
    given = [f"kafka.bootstrap_servers={world.msk}", "kafka.security_protocol=SASL_SSL"]
    given += ["kafka.sasl_mechanism=AWS_MSK_IAM", f"kafka.aws_region={logins.REGION}"]
    return load([*given, f"kafka.ssl_cafile={world.authority.ca}", *more], environ={}).settings


def kerberos(world: World) -> list[str]:
    return [
        f"kafka.bootstrap_servers={world.kerberos}",
        "kafka.security_protocol=SASL_PLAINTEXT",
        "kafka.sasl_mechanism=GSSAPI",
        f"kafka.kerberos_principal={logins.PRINCIPAL}@{logins.REALM}",
        f"kafka.kerberos_keytab={world.keytab}",
        f"kafka.kerberos_config={world.krb5}",
    ]


def python_clients_work(settings: Settings) -> None:
    """Both Python clients send a record and see the topic."""
    producer = kafka_producer(settings.kafka, bootstrap_timeout_ms=WAIT_MS)
    assert producer.send(TOPIC, b"kafka-python").get(10).offset >= 0
    producer.close()
    consumer = kafka_consumer(settings.kafka, bootstrap_timeout_ms=WAIT_MS)
    assert TOPIC in consumer.topics()
    consumer.close()
    failed: list[Any] = []
    options = librdkafka_client(settings.kafka, "librdkafka-producer") | {"message.timeout.ms": WAIT_MS}
    sender = librdkafka_producer(options, "tests.logins")
    sender.produce(TOPIC, b"librdkafka", on_delivery=lambda error, _: failed.append(error))
    assert sender.flush(10) == 0
    assert failed == [None]
    reader = librdkafka_consumer(settings.kafka, {"group.id": "logins"}, "tests.logins")
    assert TOPIC in reader.list_topics(timeout=5).topics
    reader.close()


def java(settings: Settings, folder: Path, seconds: int = 0, environment: dict[str, str] | None = None) -> Any:
    properties = kafka_properties.security(settings.kafka)
    assert "geheim" not in json.dumps(properties), "a secret would travel in the job's graph"
    secrets = secrets_as_environment(settings)
    return logins.java_client(properties, folder, {**secrets, **(environment or {})}, seconds)


def java_works(settings: Settings, folder: Path, environment: dict[str, str] | None = None) -> None:
    done = java(settings, folder, 0, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "{records=1}" in done.stdout


def kerberos_in_python(given: list[str]) -> str:
    """What kafka-python finds or Eddy says, in a process of its own: Kerberos is set up by its environment."""
    command = [sys.executable, "-c", KERBEROS_PROGRAM, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def trouble(settings: Settings) -> str:
    """The one line that a command shows."""
    with pytest.raises(EddyError) as caught:
        kafka_consumer(settings.kafka, bootstrap_timeout_ms=2000).close()
    assert "\n" not in str(caught.value)
    return str(caught.value)
