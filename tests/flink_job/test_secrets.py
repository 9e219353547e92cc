"""Check that the Java clients read secrets unchanged from the environment and from files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from eddy.configuration import load, secrets_as_environment
from eddy.flink_job.graph import kafka_properties
from eddy.stack.jars import flink_home, flink_jars

# What a Kafka client does with its properties: resolve, read the JAAS line, print the password in hex.
PROGRAM = """
import java.nio.file.*;
import java.util.*;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.config.types.Password;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.security.JaasContext;

public class Resolve {
    public static void main(String[] arguments) throws Exception {
        Properties given = new Properties();
        try (var in = Files.newBufferedReader(Path.of(arguments[0]))) {
            given.load(in);
        }
        String text = "org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization.StringSerializer";
        given.put("key.serializer", text);
        given.put("value.serializer", given.get("key.serializer"));
        ProducerConfig config = new ProducerConfig(given);
        var jaas = JaasContext.loadClientContext(config.values()).configurationEntries();
        String password = (String) jaas.get(0).getOptions().get("password");
        System.out.println(HexFormat.of().formatHex(password.getBytes("UTF-8")));
        Password key = config.getPassword("ssl.keystore.key");
        System.out.println(key == null ? "-" : HexFormat.of().formatHex(key.value().getBytes("UTF-8")));
    }
}
"""
PASSWORDS = ["plain", 'a"b', "a\\b", "x\\", '"; evil="', "a;b=c#d", "ü€ \t tab", "${eddy:PATH}", "'", "\\n\\042"]


def resolve(properties: dict[str, str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program, file = folder / "Resolve.java", folder / "client.properties"
    program.write_text(PROGRAM)
    escaped = (f"{k}={v.encode('unicode_escape').decode()}\n" for k, v in properties.items())
    file.write_text("".join(escaped))
    jars = [*(flink_home() / "lib").glob("*.jar"), *flink_jars()]
    return subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, jars)), str(program), str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
    )


@pytest.mark.parametrize("way", ["environment", "file"])
def test_any_password_reaches_the_login_unchanged(tmp_path: Path, way: str) -> None:
    # one for all: a JVM for each would take half a minute
    password = " ".join(PASSWORDS)
    secure = ["kafka.security_protocol=SASL_SSL", "kafka.sasl_mechanism=SCRAM-SHA-512", "kafka.sasl_username=me"]
    certificate, key, secret = (tmp_path / name for name in ("c.pem", "k.pem", "secret"))
    certificate.write_text("-----certificate-----\n")
    key.write_text('-----key "of" \\ mine-----\n')
    secret.write_text(password + "\n")
    secure += [f"kafka.ssl_certfile={certificate}", f"kafka.ssl_keyfile={key}"]
    given = f"kafka.sasl_password_file={secret}" if way == "file" else f"kafka.sasl_password={password}"
    settings = load([*secure, given], environ={}).settings
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == password
    environment = secrets_as_environment(settings)
    assert bool(environment) == (way == "environment"), "what lies in a file stays there"
    properties = kafka_properties.security(settings.kafka)
    assert not any(secret in str(properties) for secret in ("evil", "mine"))
    done = resolve(properties, tmp_path, environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found, found_key = (bytes.fromhex(line).decode() for line in done.stdout.splitlines())
    assert found == password
    assert found_key == key.read_text().strip()
    assert "evil" not in done.stderr, "what the client logs of its settings"


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    secure = ["kafka.security_protocol=SASL_SSL", "kafka.sasl_mechanism=PLAIN", "kafka.sasl_username=me"]
    done = resolve(kafka_properties.security(load(secure, environ={}).settings.kafka), tmp_path, {})
    assert done.returncode != 0
    assert "environment variable EDDY_KAFKA_SASL_PASSWORD is not set in this process" in done.stderr
