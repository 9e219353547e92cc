"""Check the security properties of the Java clients: everything but the passwords, which stay in the environment."""

from __future__ import annotations

import json

import pytest

from eddy.configuration import as_environment, load
from eddy.flink_job.graph import kafka_properties
from eddy.flink_job.graph.settings_arguments import without_secrets

PASSWORD = 'geheim"\\;$1'  # noqa: S105
SECRET = [
    "kafka.security_protocol=SASL_SSL",
    "kafka.sasl_mechanism=SCRAM-SHA-512",
    "kafka.sasl_username=eddy",
    f"kafka.sasl_password={PASSWORD}",
    "redis.password=geheim-redis",
    "kafka.ssl_cafile=/etc/ca.pem",
]


def settings(*more):
    return load([*SECRET, *more], environ={}).settings


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("client", [kafka_properties.consumer, kafka_properties.producer])
def test_client_properties_hold_no_password(mechanism, client):
    properties = client(settings(f"kafka.sasl_mechanism={mechanism}"))
    assert "geheim" not in json.dumps(properties)
    assert properties["sasl.mechanism"] == mechanism
    assert properties["security.protocol"] == "SASL_SSL"
    assert properties["ssl.truststore.location"] == "/etc/ca.pem"
    module = "PlainLoginModule" if mechanism == "PLAIN" else "ScramLoginModule"
    jaas = properties["sasl.jaas.config"]
    assert module in jaas
    assert 'username="eddy"' in jaas
    assert 'password="${eddy:EDDY_KAFKA_SASL_PASSWORD}"' in jaas
    assert properties["config.providers"] == "eddy"


def test_job_graph_holds_no_secret():
    found = without_secrets(settings("kafka.sasl_mechanism=PLAIN", "job.parallelism=3"))
    assert "job.parallelism=3" in found
    assert "kafka.sasl_username=eddy" in found
    assert "geheim" not in " ".join(found)
    assert not [item for item in found if "password" in item]
    load(found, environ={})


def test_worker_environment_holds_the_secrets_that_properties_refer_to():
    environment = as_environment(settings())
    assert environment["EDDY_KAFKA_SASL_PASSWORD"] == PASSWORD
    assert environment["EDDY_REDIS_PASSWORD"] == "geheim-redis"  # noqa: S105


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a;b", 'x" required password="y'])
def test_user_name_is_escaped_in_the_jaas_config(name):
    jaas = kafka_properties.security(settings("kafka.sasl_mechanism=PLAIN", f"kafka.sasl_username={name}").kafka)[
        "sasl.jaas.config"
    ]
    start = jaas.index('username="') + len('username="')
    text, at = "", start
    while jaas[at] != '"':  # as Java's StreamTokenizer reads a quoted word
        at += jaas[at] == "\\"
        text += jaas[at]
        at += 1
    assert text == name
    assert jaas[at:].startswith('" password="${eddy:')


def test_mutual_tls_and_host_name_check_reach_the_properties():
    properties = kafka_properties.security(
        settings("kafka.ssl_certfile=/c.pem", "kafka.ssl_keyfile=/k.pem", "kafka.ssl_check_hostname=false").kafka
    )
    assert properties["ssl.keystore.certificate.chain"] == "${eddy:/c.pem:text}"
    assert properties["ssl.keystore.key"] == "${eddy:/k.pem:text}", "the key itself must not travel"
    assert properties["ssl.endpoint.identification.algorithm"] == ""
    assert properties["ssl.keystore.type"] == "PEM"


def test_plaintext_connections_have_no_security_properties():
    properties = kafka_properties.consumer(load([], environ={}).settings)
    assert not [name for name in properties if name.startswith(("sasl", "ssl", "config."))]
