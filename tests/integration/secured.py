"""Start a Kafka broker with TLS, SCRAM and ACLs, and a Redis with TLS and ACL users, with real configurations."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import redis
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError
from pydantic import SecretStr

from eddy.connections import kafka_client, redis_client
from eddy.settings import KafkaSettings, RedisSettings, Settings
from eddy.stack import acls
from eddy.stack.jars import kafka_classpath
from eddy.stack.ports import free_ports
from tests.integration.certificates import Authority
from tests.integration.harness import until

ADMIN = "admin"
#: contains every character that a JAAS line or a shell could misread
PASSWORD = "geheim-\"x\\y'$z;=ü #1"  # noqa: S105
MECHANISM = "SCRAM-SHA-512"


@contextlib.contextmanager
def kafka(folder: Path, authority: Authority) -> Iterator[KafkaSettings]:
    """Start a broker that requires a certificate of ours and a password; yield its administrator."""
    port, controller = free_ports(2)
    certificate, key = authority.issue("kafka")
    both = folder / "broker.pem"
    both.write_text(key.read_text() + certificate.read_text())
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        f"listener.name.sasl_ssl.{MECHANISM.lower()}.sasl.jaas.config": f'{login} username="{ADMIN}" password="hush";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": both,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.ca,
        "listener.name.sasl_ssl.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",  # anonymous is the controller's own listener, on loopback
        "log.dirs": folder / "log",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    config = folder / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    java = ["java", "-XX:TieredStopAtLevel=1", "-Xmx384m", "-cp", kafka_classpath()]
    scram = f"{MECHANISM}=[name={ADMIN},password=hush]"
    form = [*java, "kafka.tools.StorageTool", "format", "-t", "EddyTestCluster0000000", "-c", str(config)]
    done = subprocess.run([*form, "--add-scram", scram], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    client_certificate, client_key = authority.issue("client")
    admin = KafkaSettings(
        bootstrap_servers=f"127.0.0.1:{port}",
        security_protocol="SASL_SSL",
        sasl_mechanism=MECHANISM,
        sasl_username=ADMIN,
        sasl_password="hush",  # noqa: S106
        ssl_cafile=str(authority.ca),
        ssl_certfile=str(client_certificate),
        ssl_keyfile=str(client_key),
    )
    with (folder / "out").open("wb") as out:
        broker = subprocess.Popen([*java, "kafka.Kafka", str(config)], stdout=out, stderr=out)
    try:
        until(lambda: _serves(admin), "the secured broker serves")
        yield admin
    finally:
        broker.kill()
        broker.wait()


def _serves(settings: KafkaSettings) -> bool:
    try:
        with contextlib.closing(KafkaAdminClient(**kafka_client(settings), bootstrap_timeout_ms=1000)) as client:
            client.list_topics()
    except KafkaError:
        return False
    return True


@contextlib.contextmanager
def redis_server(folder: Path, authority: Authority, settings: Settings) -> Iterator[RedisSettings]:
    """Start a Redis that accepts only TLS, with the users of :mod:`eddy.stack.acls`; yield the job's settings."""
    (port,) = free_ports(1)
    certificate, key = authority.issue("redis")
    files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority.ca]
    users = folder / "users.acl"
    users.write_text("user default off\nuser admin on nopass ~* +@all\n")
    command = ["redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", *files]
    command += ["--tls-auth-clients", "no", "--save", "", "--dir", folder, "--aclfile", users]
    server = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    admin = settings.redis.model_copy(
        update={"port": port, "tls": True, "ssl_cafile": str(authority.ca), "username": "admin"}
    )
    try:
        client = redis_client(admin)
        until(lambda: _pings(client), "the secured Redis answers")
        for role in get_args(acls.RedisRole):
            rules = acls.redis_rules(settings, role).split()
            client.execute_command("ACL", "SETUSER", f"eddy-{role}", "on", f">{PASSWORD}", *rules)
        yield admin
    finally:
        server.kill()
        server.wait()


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def add_user(admin: KafkaSettings, role: acls.Role, settings: Settings) -> None:
    """Add a Kafka user with the rights of the role, and no more."""
    allow: list[Any] = []
    for entry in acls.entries(settings, role):
        kind = ResourceType[entry.resource.upper().replace("-", "_")]
        pattern = ACLResourcePatternType.PREFIXED if entry.prefixed else ACLResourcePatternType.LITERAL
        place = ResourcePattern(kind, entry.name, pattern)
        allow += [
            ACL(f"User:eddy-{role}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, place)
            for operation in entry.operations
        ]
    with contextlib.closing(KafkaAdminClient(**kafka_client(admin))) as client:
        mechanism = ScramMechanism[MECHANISM.replace("-", "_")]
        client.alter_user_scram_credentials([UserScramCredentialUpsertion(f"eddy-{role}", mechanism, PASSWORD)])
        client.create_acls(allow)


def as_user(settings: Settings, role: acls.Role, secret: Path) -> Settings:
    """Return the settings of a role, its password in a file."""
    password = SecretStr(secret.read_text())
    user = {"sasl_username": f"eddy-{role}", "sasl_password": password, "sasl_password_file": str(secret)}
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=user)})
