"""Check the model registry with a real broker."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaProducer
from pydantic import SecretStr

from eddy.connections import kafka_client
from eddy.errors import ModelError, StackError
from eddy.models.artifacts import artifact, signing
from eddy.models.artifacts.fetch import fetch_artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.settings import Settings
from eddy.topic_reader import newest_by_key
from eddy.topic_writer import TopicWriter
from eddy.training.registry.registry import Registry

pytestmark = pytest.mark.stack


def model(name: str = "m", window: int = 10) -> tuple[Manifest, bytes]:
    content = artifact.dump(RollingZScore(WindowSpec(window)))
    manifest = Manifest(
        name, 1, "zscore", ("*",), ("value",), window, 1, 0, {"policy": "fixed", "default": 3.0},
        datetime.now(UTC).isoformat(), artifact.sha256(content),
    )  # fmt: skip
    return manifest, content


def seen_by_job(settings: Settings) -> dict[str, Manifest]:
    return {key.decode(): Manifest.from_json(value) for key, value in newest_by_key(settings, "models").items()}


def test_versions_count_up_and_can_be_rolled_back(unique_topics: Settings) -> None:
    registry = Registry(unique_topics)
    assert registry.read().current == {}
    first, second = model(window=10), model(window=20)
    assert registry.publish(*first).version == 1
    assert registry.publish(*second).version == 2
    assert seen_by_job(unique_topics)["m"].window == 20

    assert registry.rollback("m").version == 3
    now = seen_by_job(unique_topics)["m"]
    assert (now.version, now.window, now.metrics) == (3, 10, {"rollback_to": 1})
    assert fetch_artifact(now, unique_topics.registry) == first[1]

    assert registry.rollback("m", to=2).version == 4
    assert seen_by_job(unique_topics)["m"].window == 20
    assert sorted(registry.read().versions["m"]) == [1, 2, 3, 4]


def test_withdrawn_model_can_be_published_again_with_the_next_version(unique_topics: Settings) -> None:
    registry = Registry(unique_topics)
    registry.publish(*model())
    registry.withdraw("m")
    assert seen_by_job(unique_topics) == {}
    with pytest.raises(ModelError, match="rollback"):
        registry.withdraw("m")
    with pytest.raises(ModelError, match="'other' is not in the registry"):
        registry.withdraw("other")
    assert registry.rollback("m").version == 2
    assert seen_by_job(unique_topics)["m"].version == 2
    assert registry.publish(*model(), name="n").version == 1


def test_refused_rollback_lists_the_available_versions(unique_topics: Settings) -> None:
    registry = Registry(unique_topics)
    registry.publish(*model())
    with pytest.raises(ModelError, match="version before 1 in the registry; there: 1"):
        registry.rollback("m")
    with pytest.raises(ModelError, match="version 7 in the registry; there: 1"):
        registry.rollback("m", to=7)


def test_artifact_can_be_published_by_uri(unique_topics: Settings, tmp_path: Path) -> None:
    registry = Registry(unique_topics)
    manifest, content = model()
    place = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match=r"copy .* there"):
        registry.publish(manifest, content, uri=str(place))
    place.write_bytes(content)
    published = registry.publish(manifest, content, uri=str(place))
    assert (published.artifact, published.uri) == ("", str(place))
    assert fetch_artifact(seen_by_job(unique_topics)["m"], unique_topics.registry) == content
    place.write_bytes(b"something else")
    with pytest.raises(ModelError, match="sha256"):
        registry.publish(manifest, content, uri=str(place))


def test_artifact_too_large_for_a_message_needs_a_uri(unique_topics: Settings) -> None:
    manifest, _ = model()
    with pytest.raises(ModelError, match="--uri"):
        Registry(unique_topics).publish(manifest, bytes(800_000))


def test_broken_registry_messages_are_listed_and_skipped(unique_topics: Settings) -> None:
    registry = Registry(unique_topics)
    registry.publish(*model())
    manifest, _ = model()
    producer = KafkaProducer(**kafka_client(unique_topics.kafka))
    topic = unique_topics.topics.name("models")
    producer.send(topic, key=b"bad", value=b"{").get(30)
    producer.send(topic, key=b"alias", value=replace(manifest, name="m").to_json()).get(30)
    producer.close()
    listing = registry.read()
    assert set(listing.current) == {"m"}
    assert set(listing.broken) == {"bad", "alias"}


def test_missing_topic_and_unreachable_broker_are_named(stack_settings: Settings) -> None:
    nowhere = stack_settings.model_copy(
        update={"topics": stack_settings.topics.model_copy(update={"prefix": "not-there"})}
    )
    with pytest.raises(StackError, match=r"topic not-there\.models does not exist"):
        Registry(nowhere).read()
    down = stack_settings.model_copy(
        update={"kafka": stack_settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:9"})}
    )
    with pytest.raises(StackError, match="is Kafka up"):
        Registry(down).read()


def test_registry_commands_publish_list_and_roll_back(unique_topics: Settings, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from eddy.cli.commands import models as commands
    from eddy.cli.main import app

    if not any(group.name == "models" for group in app.registered_groups):
        commands.register(app)
    manifest, content = model("cli")
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "manifest.json").write_bytes(manifest.to_json())
    where = [
        "--set", f"kafka.bootstrap_servers={unique_topics.kafka.bootstrap_servers}",
        "--set", f"topics.prefix={unique_topics.topics.prefix}", "models",
    ]  # fmt: skip

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*where, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert json.loads(run("publish", str(tmp_path), "--json"))["version"] == 1
    assert "cli version 2" in run("publish", str(tmp_path))
    assert json.loads(run("list", "--json"))["models"][0]["versions"] == [1, 2]
    assert json.loads(run("show", "cli", "--json"))["artifact"].startswith("inline")
    assert "rolled back to version 1" in run("rollback", "cli")
    assert "withdrawn: cli version 3" in run("withdraw", "cli")
    assert json.loads(run("list", "--json"))["withdrawn"] == ["cli"]


def test_two_publishers_at_once_get_two_versions(unique_topics: Settings) -> None:
    registry = Registry(unique_topics)
    registry.publish(*model())
    windows = range(11, 17)
    with ThreadPoolExecutor(len(windows)) as pool:
        published = list(pool.map(lambda window: Registry(unique_topics).publish(*model(window=window)), windows))
    assert sorted(one.version for one in published) == list(range(2, 2 + len(windows)))
    listing = registry.read()
    assert {v: m.window for v, m in listing.versions["m"].items()} == {
        1: 10,
        **{m.version: m.window for m in published},
    }
    assert listing.current["m"].version == 1 + len(windows), "the topic ends with the highest"
    assert listing.broken == {}
    assert registry.publish(*model()).version == 2 + len(windows)


def test_claim_that_was_left_behind_costs_a_number(unique_topics: Settings) -> None:
    registry = Registry(unique_topics)
    registry.publish(*model())
    with TopicWriter(unique_topics) as writer:
        writer.send(registry.history, ("m@2#of-a-publisher-that-died", b"{}"))
    assert registry.publish(*model()).version == 3
    assert registry.publish(*model()).version == 4


def test_with_a_key_models_are_withdrawn_by_a_signed_message(unique_topics: Settings) -> None:
    signing_key = unique_topics.registry.model_copy(update={"signing_key": SecretStr("a key of at least sixteen")})
    settings = unique_topics.model_copy(update={"registry": signing_key})
    registry = Registry(settings)
    registry.publish(*model())
    registry.withdraw("m")
    gone = seen_by_job(settings)["m"]
    assert (gone.withdrawn, gone.version, gone.artifact) == (True, 2, "")
    signing.check(gone, "a key of at least sixteen")
    listing = registry.read()
    assert (listing.current, sorted(listing.versions["m"])) == ({}, [1])
    with pytest.raises(ModelError, match="rollback"):
        registry.withdraw("m")
    back = registry.rollback("m")
    assert (back.version, back.withdrawn) == (3, False)
    assert registry.publish(*model()).version == 4
