"""Log every Kafka client in to a real broker: OAUTHBEARER, AWS_MSK_IAM, Kerberos, encrypted keys; say what is wrong."""

from __future__ import annotations

import contextlib
import logging
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eddy.configuration import flatten, load, secrets_as_environment
from eddy.connections import (
    kafka_admin,
    kafka_consumer,
    librdkafka_client,
    librdkafka_consumer,
    librdkafka_producer,
)
from eddy.errors import SettingsError, StackError
from eddy.flink_job.graph import kafka_properties
from eddy.flink_rest import FlinkRest
from eddy.producers.transport import connect
from eddy.stack import topics
from eddy.stack.local import Stack
from eddy.training.registry.registry import Registry
from tests.integration import harness
from tests.integration import login_brokers as logins
from tests.integration.login_brokers import TOPIC, World
from tests.integration.login_clients import (
    WAIT_MS,
    java,
    java_works,
    kerberos,
    kerberos_in_python,
    msk,
    oauth,
    python_clients_work,
    trouble,
)

pytestmark = [
    pytest.mark.stack,
    pytest.mark.own_stack("starts a broker, an issuer of tokens and a KDC of its own"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with logins.broker(tmp_path_factory.mktemp("logins")) as found:
        yield found


@pytest.fixture(autouse=True)
def _issuer_as_usual(world: World) -> Iterator[None]:
    yield
    issuer = world.issuer
    issuer.down, issuer.life, issuer.audience, issuer.off = False, 3600.0, logins.AUDIENCE, 0.0


def test_every_client_logs_in_with_tokens(world: World, tmp_path: Path) -> None:
    settings = oauth(world)
    python_clients_work(settings)
    java_works(settings, tmp_path)
    assert {form["scope"] for form in world.issuer.asked} == {"kafka.read kafka.write"}
    shown = str([(key, value) for key, value in flatten(settings) if key.startswith("kafka.")])
    assert "geheim" not in shown


def test_a_secret_in_a_file_reaches_every_client(world: World, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(logins.SECRET + "\n")
    settings = oauth(world, "kafka.oauth_client_secret=wrong", f"kafka.oauth_client_secret_file={file}")
    assert secrets_as_environment(settings) == {}
    python_clients_work(settings)
    java_works(settings, tmp_path)


def test_every_client_shows_amazon_a_signed_token(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's handler checks form and signature; Amazon itself was never asked."""
    for name, value in logins.AWS.items():
        monkeypatch.setenv(name, value)
    python_clients_work(msk(world))
    java_works(msk(world), tmp_path, logins.AWS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(
        StackError, match=r"the broker refused the token .*: access key AKIDEXAMPLE, region eu-central-1"
    ):
        kafka_consumer(msk(world).kafka, bootstrap_timeout_ms=2000)
    done = java(msk(world), tmp_path, 0, {**logins.AWS, "AWS_SECRET_ACCESS_KEY": "another"})
    assert 'failed authentication due to: {"status":"invalid_token"}' in done.stdout
    nowhere = {"HOME": str(tmp_path), "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}
    done = java(msk(world), tmp_path, 0, {**nowhere, "JAVA_TOOL_OPTIONS": f"-Duser.home={tmp_path}"})
    assert "LoginException: no credentials for Amazon MSK in the environment" in done.stderr


def test_kerberos_lets_java_kafka_python_and_librdkafka_in(world: World, tmp_path: Path) -> None:
    given = kerberos(world)
    settings = load(given, environ={}).settings
    java_works(settings, tmp_path)
    assert kerberos_in_python(given) == f"['{TOPIC}']"
    wrong = [*given, "kafka.kerberos_principal=nobody@EDDY.TEST"]
    assert kerberos_in_python(wrong).startswith(f"no Kerberos ticket for nobody@EDDY.TEST with {world.keytab}: ")
    done = java(load(wrong, environ={}).settings, tmp_path)
    assert f"kafka.kerberos_keytab: {world.keytab} cannot be read on this machine, or holds no key" in done.stderr
    with pytest.raises(SettingsError, match="GSSAPI: the installed confluent-kafka was built without it"):
        librdkafka_consumer(settings.kafka, {"group.id": "logins"}, "tests.logins")
    # Debian's librdkafka was built with it: our options let it in
    options = [part for name, value in librdkafka_client(settings.kafka).items() for part in ("-X", f"{name}={value}")]
    listed = subprocess.run(["kcat", *options, "-L"], capture_output=True, text=True, timeout=60, check=False)
    assert f'topic "{TOPIC}"' in listed.stdout, listed.stderr


@pytest.mark.parametrize("kind", [["-v2", "aes-256-cbc"], ["-v1", "PBE-SHA1-3DES"]], ids=["pbes2", "pbes1"])
@pytest.mark.parametrize("way", ["variable", "file"])
def test_encrypted_keys_are_read_by_every_client(world: World, tmp_path: Path, kind: list[str], way: str) -> None:
    certificate, key = world.authority.issue("client")
    locked, password = tmp_path / "locked.pem", tmp_path / "password"
    password.write_text(logins.KEY_PASSWORD + "\n")
    encrypt = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        str(key),
        "-out",
        str(locked),
        *kind,
        "-passout",
        f"file:{password}",
    ]
    subprocess.run(encrypt, check=True)
    given = [f"kafka.bootstrap_servers={world.tls}", "kafka.security_protocol=SSL"]
    given += [f"kafka.ssl_cafile={world.authority.ca}", f"kafka.ssl_certfile={certificate}"]
    given += [f"kafka.ssl_keyfile={locked}"]
    secret = f"_file={password}" if way == "file" else f"={logins.KEY_PASSWORD}"
    settings = load([*given, f"kafka.ssl_key_password{secret}"], environ={}).settings
    if way == "file" or kind[0] == "-v2":  # each way and each kind once: a JVM takes seconds
        java_works(settings, tmp_path)
    python_clients_work(settings)
    if kind[0] == "-v2" and way == "file":
        password.write_text("wrong")
        said = java(settings, tmp_path)
        assert f"kafka.ssl_keyfile: {locked} cannot be decrypted with kafka.ssl_key_password" in said.stderr


def test_troubles_with_tokens_are_one_line_each(world: World, tmp_path: Path) -> None:
    """The same line in Python, as a command's error, and in Java, as the cause of the job's failure."""
    away = "kafka.oauth_token_url=http://127.0.0.1:1/token"
    moved = f"kafka.oauth_token_url={world.issuer.url.replace('token', 'moved')}"
    for wrong, expected in (
        (away, "the token endpoint does not answer ("),
        (moved, "it refused with 302; check kafka.oauth_token_url"),
        (
            "kafka.oauth_client_secret=x",
            "it refused with 401 invalid_client (unknown client or wrong secret); check kafka",
        ),
        ("kafka.oauth_scope=all", "it refused with 400 invalid_scope; check kafka.oauth_scope"),
    ):
        settings = oauth(world, wrong)
        where = f"no token for Kafka from {settings.kafka.oauth_token_url}: "
        assert trouble(settings).startswith(where + expected)
        assert f"LoginException: {where}{expected}" in java(settings, tmp_path).stderr


def test_a_refused_token_is_shown_by_what_it_says_of_itself(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.issuer.audience = "billing"
    said = trouble(oauth(world))
    assert said.startswith(
        'the broker refused the token ({"status":"invalid_token"}): audience billing, scope kafka.read'
    )
    assert "compare it with the audience, scope and issuer" in said
    with caplog.at_level(logging.ERROR):
        options = librdkafka_client(oauth(world).kafka, "librdkafka-producer") | {"message.timeout.ms": 3000}
        sender = librdkafka_producer(options, "tests.logins")
        sender.produce(TOPIC, b"x")
        sender.flush(5)
    assert "the broker refused the token (invalid_token): audience billing" in caplog.text
    properties = kafka_properties.security(oauth(world).kafka)
    log4j = tmp_path / "log4j2.properties"
    log4j.write_text(
        "rootLogger.level=INFO\nrootLogger.appenderRef.o.ref=O\nappender.o.type=Console\nappender.o.name=O\n"
        "appender.o.layout.type=PatternLayout\nappender.o.layout.pattern=%p %c %m%n\n"
    )
    environment = secrets_as_environment(oauth(world)) | {"JAVA_TOOL_OPTIONS": f"-Dlog4j2.configurationFile={log4j}"}
    told = logins.java_client(properties, tmp_path, environment).stdout
    assert "token for Kafka: audience billing, scope kafka.read kafka.write, issuer https://issuer.test" in told
    assert 'failed authentication due to: {"status":"invalid_token"}' in told
    assert not [token for token in world.issuer.issued if token in told + caplog.text + said]


@pytest.mark.parametrize(
    ("off", "expected"), [(-7200.0, "the token ended 3"), (7200.0, "the broker refused the token")]
)
def test_a_skewed_clock_is_named(world: World, tmp_path: Path, off: float, expected: str) -> None:
    world.issuer.off = off
    said = trouble(oauth(world))
    assert expected in said
    side = "ahead of" if off < 0 else "behind"
    assert re.search(rf"; this machine's clock is 7(199|20[0-9]) s {side} the endpoint's", said), said
    if off < 0:
        assert "the token ended 3" in java(oauth(world), tmp_path).stderr


def test_tokens_are_renewed_in_mid_run_and_their_end_is_told(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens of 10 s, and sessions with them: what still works after 25 s has logged in again, in all clients."""
    world.issuer.life = 10.0
    settings = oauth(world)
    asked = len(world.issuer.asked)
    consumer = kafka_consumer(settings.kafka, bootstrap_timeout_ms=WAIT_MS)
    options = librdkafka_client(settings.kafka, "librdkafka-producer") | {"message.timeout.ms": 4000}
    sender = librdkafka_producer(options, "tests.logins")
    found: list[Any] = []
    # sent by others: the JVM reads what it has sent, so it goes first
    machine = threading.Thread(target=lambda: found.append(java(settings, tmp_path, 25)))
    machine.start()
    failed: list[Any] = []
    end = time.monotonic() + 25
    while time.monotonic() < end:
        assert TOPIC in consumer.topics()
        sender.list_topics(timeout=4)
        time.sleep(0.5)
    machine.join()
    assert found[0].returncode == 0, found[0].stdout + found[0].stderr
    assert len(world.issuer.asked) - asked >= 9, "three clients, each at least three tokens"
    world.issuer.down = True
    with caplog.at_level(logging.WARNING):
        end = time.monotonic() + 14
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                consumer.topics()
            sender.produce(TOPIC, b"x", on_delivery=lambda error, _: failed.append(error))
            sender.flush(1)
    where = f"no token for Kafka from {world.issuer.url}: it refused with 503"
    assert "the token for Kafka cannot be renewed, and ends in" in caplog.text
    ours = [record for record in caplog.records if record.name == "eddy.connection_logins"]
    assert [record for record in ours if record.getMessage().startswith(where)]
    assert len(ours) <= 4, "not a line for each try"
    consumer.close()


def test_a_job_runs_on_with_tokens_and_commits_for_its_group(stack: Stack, world: World, tmp_path: Path) -> None:
    """Tokens of 20 s: source, sinks and enumerator of the job log in again while it runs; none of them restarts it."""
    secret = tmp_path / "secret"
    secret.write_text(logins.SECRET)
    world.issuer.life = 20.0
    more = [f"kafka.oauth_client_secret_file={secret}", "kafka.client_rack=zone-a"]
    more.append('kafka.properties={"compression.type": "lz4", "fetch.min.bytes": 1, "metadata.max.age.ms": 5000}')
    own = stack.settings
    settings = own.model_copy(
        update={
            "kafka": oauth(world, *more).kafka,
            "topics": own.topics.model_copy(update={"prefix": "tokens"}),
            "redis": own.redis.model_copy(update={"prefix": "tokens"}),
            "job": own.job.model_copy(
                update={"name": "tokens", "group": "team.tokens", "checkpoint_interval_ms": 1000}
            ),
        }
    )
    topics.create_missing(settings, world.oauth, time.monotonic() + 60)
    manifest = harness.model(limit=2.8)
    Registry(settings).publish(manifest, manifest.inline_artifact() or b"")
    observations = harness.noise(["a", "b"], 60, {("a", 30): 9.0, ("b", 50): -9.0})
    half = len(observations) // 2
    with harness.running(stack, settings) as (cluster, number):
        for part, count in ((observations[:half], half), (observations[half:], len(observations))):
            transport = connect(settings.kafka, settings.topics.name("observations"), "librdkafka")
            events = [harness.event(*one) for one in part]
            transport.send([key.encode() for key, _ in events], [value for _, value in events])
            assert transport.flush(30) == 0
            assert not transport.undelivered
            transport.close()
            harness.handled(cluster, number, count)
            if count == half:
                time.sleep(30)  # longer than a token lasts
        with contextlib.closing(kafka_admin(settings.kafka)) as admin:
            committed = harness.until(lambda: admin.list_group_offsets({"team.tokens": None}), "the group's offsets")
        assert "tokens.observations" in str(committed)
        for page in ("config", "plan"):
            assert "geheim" not in FlinkRest(stack.flink_address)._ask("GET", f"/jobs/{number}/{page}").text
        assert FlinkRest(stack.flink_address)._get(f"/jobs/{number}/exceptions")["exceptionHistory"]["entries"] == []
