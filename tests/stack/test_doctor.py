"""Check ``eddy doctor`` without any service: it names what is missing or taken and says what to do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eddy.settings import Settings
from eddy.stack import doctor
from eddy.stack.doctor import Check, examine
from eddy.stack.local import Stack, isolated
from eddy.stack.paths import ROOT


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return isolated(Settings(), tmp_path / "data")


def by_name(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_stopped_stack_is_a_warning(settings: Settings) -> None:
    checks = examine(settings)
    for name in ("process kafka", "process redis", "process jobmanager", "Kafka", "Redis", "Flink"):
        check = by_name(checks, name)
        assert check.level == "warn"
        assert "eddy up" in check.todo
    assert by_name(checks, "python").level == "ok"


def test_codecs_that_cannot_be_read_are_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert by_name(examine(settings), "codecs").level == "ok"
    monkeypatch.setattr("kafka.codec.zstd", None)
    monkeypatch.setattr("kafka.codec.snappy", None)
    jars = tmp_path / "home" / "jars" / "flink"
    jars.mkdir(parents=True)
    for name in ("flink-sql-connector-kafka-5.0.0-2.2.jar", "eddy-flink.jar"):
        (jars / name).touch()
    monkeypatch.setenv("EDDY_HOME", str(tmp_path / "home"))
    checks = examine(settings)
    assert by_name(checks, "codecs").level == "fail"
    assert "snappy, zstd cannot be read" in by_name(checks, "codecs").found
    assert by_name(checks, "codecs of the job").level == "fail"
    assert "no zstd-jni jar" in by_name(checks, "codecs of the job").found
    (jars / "zstd-jni-1.5.6-10.jar").touch()
    assert not [check for check in examine(settings) if check.name == "codecs of the job"]


def test_missing_tools_and_jars_fail_with_what_to_install(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDDY_HOME", str(tmp_path / "empty"))
    checks = examine(settings)
    assert by_name(checks, "java") == Check(
        "java", "fail", "not found on PATH", "install it, on Debian or Ubuntu: apt-get install openjdk-17-jre-headless"
    )
    assert "apt-get install redis-server" in by_name(checks, "redis-server").todo
    assert by_name(checks, "jars of Kafka").level == "fail"
    assert "./run setup" in by_name(checks, "jars of the job").todo


@pytest.mark.parametrize(
    ("version", "level"), [("17.0.15", "ok"), ("21", "ok"), ("11.0.2", "fail"), ("1.8.0_292", "fail")]
)
def test_java_version_is_checked(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, level: str
) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert by_name(examine(settings), "java").level == level


def test_full_disk_is_a_failure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_FAIL_GIB", 1e9)
    check = by_name(examine(settings), "disk")
    assert check.level == "fail"
    assert "stack.data_dir" in check.todo


def test_clients_of_another_broker_are_a_warning(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"kafka": Settings().kafka})
    check = by_name(examine(elsewhere), "kafka.bootstrap_servers")
    assert check.level == "warn"
    assert f"--set kafka.bootstrap_servers={Stack(settings).kafka_address}" in check.todo


def test_doctor_command_fails_and_names_a_taken_port(settings: Settings) -> None:
    port = settings.stack.redis_port
    given = ["--set", f"stack.redis_port={port}", "--set", f"stack.data_dir={settings.stack.data_dir}"]
    command = [sys.executable, "-c", "from eddy.cli.main import main; main()", *given, "doctor", "--json"]
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    check = next(c for c in json.loads(done.stdout) if c["name"] == f"port {port} (stack.redis_port)")
    assert check["level"] == "fail"
    assert check["found"].startswith("held by pid")


def test_unreadable_certificate_is_named(settings: Settings, tmp_path: Path) -> None:
    there = tmp_path / "ca.pem"
    there.write_text("…")
    absent = {"ssl_cafile": str(there), "ssl_certfile": str(tmp_path / "absent.pem")}
    checks = examine(settings.model_copy(update={"kafka": settings.kafka.model_copy(update=absent)}))
    check = by_name(checks, "kafka.ssl_certfile")
    assert check.level == "fail"
    assert "No such file" in check.found
    assert not [c for c in checks if c.name == "kafka.ssl_cafile"]


def test_kafka_port_without_listener_is_named(settings: Settings) -> None:
    check = by_name(examine(settings), "Kafka")
    assert check.found == f"{settings.kafka.bootstrap_servers} does not accept connections"
    assert "correct kafka.bootstrap_servers" in check.todo
