"""Watch topics of a real broker that nobody has described: mapping, what would have alerted, what cannot be read."""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from eddy.cli.commands import input as input_commands
from eddy.cli.commands import watch
from eddy.cli.main import root
from eddy.configuration import Configuration, as_environment, load
from eddy.errors import DataError, EddyError, SettingsError, StackError
from eddy.input_settings import InputSource
from eddy.inputs.newest_records import backwards
from eddy.settings import Settings
from tests.integration.test_mapped_topics import make, with_sources

pytestmark = pytest.mark.stack
logging.getLogger("kafka").setLevel(logging.CRITICAL)

START = 1_764_000_000  # s
APP = typer.Typer()
APP.callback()(root)
watch.register(APP)
input_commands.register(APP)


def call(settings: Settings, *arguments: str) -> Result:
    done = CliRunner().invoke(APP, arguments, env={**as_environment(settings), "EDDY_CONFIG": None})
    if isinstance(done.exception, EddyError):
        raise done.exception
    return done


def telemetry(records: int = 10_000) -> Iterator[dict[str, Any]]:
    """Nested messages of ten devices with epoch seconds; one device is too hot for six points."""
    noise = random.Random(7)
    devices = [(site, f"p-{number}") for site in ("berlin", "lyon") for number in range(11, 16)]
    for number in range(records):
        site, device = devices[number % 10]
        step = number // 10
        hot = 12 if device == "p-13" and site == "lyon" and 700 <= step < 706 else 0
        day = 20 + 4 * math.sin(2 * math.pi * step / 288)
        yield {
            "header": {"msgId": f"{noise.getrandbits(64):x}", "schema": "v2", "site": site},
            "device": {"serial": device, "fw": f"1.4.{step % 2}"},
            "sample": {
                "taken": START + 30 * step, "temperature": round(day + noise.gauss(0, 0.3) + hot, 2),
                "pressure": round(1000 + noise.gauss(0, 2), 1),
            },
        }  # fmt: skip


def test_topic_that_was_never_seen_is_mapped_and_its_history_alerts_within_a_minute(unique_topics: Settings) -> None:
    topic = make(unique_topics, f"{unique_topics.topics.prefix}.seen", telemetry())
    began = time.monotonic()
    done = call(unique_topics, "watch", topic, "--json")
    seconds = time.monotonic() - began
    found = json.loads(done.stdout)
    assert found["input"] == [
        {
            "topics": [topic], "series": '{["header"].site}/{device.serial}', "split": True,
            "time": {"field": "sample.taken", "unit": "s"},
            "values": {"temperature": "sample.temperature", "pressure": "sample.pressure"},
        }
    ]  # fmt: skip
    assert (found["records"], found["series"], found["values"], found["refused"]) == (10_000, 20, 20_000, {})
    (hot,) = [one for one in found["incidents"] if one["series"] == "lyon/p-13/temperature"]
    assert hot["start"] == 1000 * (START + 30 * 700)
    assert hot["value"] > hot["upper"] > hot["expected"] > hot["lower"]
    assert (hot["level"], found["by_series"]["lyon/p-13/temperature"]) == ("critical", 1)
    assert seconds < 60

    shown = call(unique_topics, "watch", topic).stdout
    settings = yaml.safe_load(shown.partition(f"\n{topic}:")[0])
    assert settings == {"input": found["input"], "learning": {"cold_start": "auto"}}
    assert "10,000 records, 20,000 values of 20 series: " in shown
    assert f"    lyon/p-13/temperature  2025-11-24T21:50:00Z  {hot['value']:.5g} " in shown
    late = json.loads(call(unique_topics, "watch", topic, "--hours", "1", "--json").stdout)
    assert [one for one in late["incidents"] if one["series"] == hot["series"]] == []
    newest = json.loads(call(unique_topics, "watch", topic, "--last", "3000", "--json").stdout)
    assert 3000 <= newest["records"] < 3010


def test_source_of_the_settings_is_used(unique_topics: Settings) -> None:
    topic = make(unique_topics, f"{unique_topics.topics.prefix}.known", telemetry(600))
    source = {
        "topics": [topic], "series": "{device.serial}", "time": {"field": "sample.taken", "unit": "s"},
        "values": {"t": "sample.temperature", "p": "sample.pressure"}, "where": {"header.site": "lyon"},
    }  # fmt: skip
    known = with_sources(unique_topics, source)
    found = json.loads(call(known, "watch", topic, "--json").stdout)
    assert found["reasons"] == ["This is input.0 of the settings."]
    assert (found["input"][0]["where"], found["check"]["skipped"]) == ({"header.site": ["lyon"]}, 300)
    assert found["series"] == 10, "each value by itself"
    assert "replayed as a series of its own; a job without a trained model does so with 'split: true'" in (
        call(known, "watch", topic).stdout
    )


@pytest.mark.parametrize(
    ("messages", "kind", "said"),
    [
        ([], DataError, "topic {topic} at .* is empty: there is nothing to watch yet"),
        (None, StackError, "topic {topic} does not exist at "),
        ([b"\x00\x01", b"plain text"] * 9, DataError, "topic {topic}: found no JSON object in 18 records"),
        ([{"name": "a", "on": True}] * 9, DataError, "topic {topic}: found no field with numbers"),
    ],
)
def test_what_cannot_be_watched_is_one_line(
    unique_topics: Settings, messages: list[Any] | None, kind: type[EddyError], said: str
) -> None:
    topic = f"{unique_topics.topics.prefix}.odd"
    if messages is not None:
        make(unique_topics, topic, messages)
    with pytest.raises(kind, match=said.format(topic=topic)) as caught:
        call(unique_topics, "watch", topic)
    assert "\n" not in str(caught.value)


def test_topics_of_eddy_are_none_to_watch(unique_topics: Settings) -> None:
    with pytest.raises(SettingsError, match="is Eddy's own"):
        call(unique_topics, "watch", unique_topics.topics.name("alerts"))


def test_mapping_that_refuses_many_is_not_submitted(unique_topics: Settings) -> None:
    bad = [{"device": {"serial": "x"}, "sample": {"taken": "soon", "temperature": 1}}] * 100
    topic = make(unique_topics, f"{unique_topics.topics.prefix}.bad", [*telemetry(300), *bad])
    source = {
        "topics": [topic], "series": "{device.serial}", "time": {"field": "sample.taken", "unit": "s"},
        "values": {"value": "sample.temperature"},
    }  # fmt: skip
    with pytest.raises(SettingsError, match="--go: 25% of the newest messages cannot be read, expected 5 % or less"):
        call(with_sources(unique_topics, source), "watch", topic, "--go")
    done = call(with_sources(unique_topics, source), "watch", topic)
    assert done.exit_code == 1
    assert "note: not read: bad-time 100" in done.stdout
    with pytest.raises(DataError, match="no observation in its newest 400 records"):
        call(with_sources(unique_topics, {**source, "where": {"site": "x"}}), "watch", topic)


def test_submitted_settings_have_the_source_once_and_a_cold_start() -> None:
    source = InputSource(topics=("plant",))
    plain = watch.with_source(load([], environ={}), source, is_known=False)
    assert (plain.settings.input, plain.settings.learning.cold_start) == ((source,), "auto")
    given = load(["learning.cold_start=novelty", 'input=[{"topics":"plant"}]'], environ={})
    known = watch.with_source(given, given.settings.input[0], is_known=True)
    assert (known.settings.input, known.settings.learning.cold_start) == (given.settings.input, "novelty")
    assert isinstance(known, Configuration)


def test_records_are_read_back_from_the_newest_on(unique_topics: Settings) -> None:
    topic = make(unique_topics, f"{unique_topics.topics.prefix}.long", ({"n": n} for n in range(1000)))
    read = list(backwards(unique_topics.kafka, topic, [100, 300, 5000, 9], lambda: False))
    assert sum(map(len, read)) == 1000
    assert len({(one.partition, one.offset) for part in read for one in part}) == 1000
    numbers = [[json.loads(one.value or b"")["n"] for one in part] for part in read]
    assert [len(read), min(numbers[0]) > 800, min(numbers[1]) > 500] == [3, True, True]
    assert list(backwards(unique_topics.kafka, topic, [100, 300], lambda: True)) == []


def test_check_reads_all_topics_of_a_pattern(unique_topics: Settings) -> None:
    name = unique_topics.topics.prefix
    for site in ("a", "b"):
        make(unique_topics, f"{name}.plant.{site}", telemetry(50))
    source = {
        "pattern": rf"{name}\..*", "series": "{topic}/{device.serial}", "values": {"t": "sample.temperature"},
        "time": {"field": "sample.taken", "unit": "s"},
    }  # fmt: skip
    (found,) = json.loads(call(with_sources(unique_topics, source), "input", "check", "--json").stdout)
    assert (found["records"], found["passes"], len(found["series"])) == (100, True, 10)
    absent = with_sources(unique_topics, {**source, "pattern": rf"{name}\.factory\..*"})
    with pytest.raises(SettingsError, match=rf"input.0.pattern: found no topic that matches .*; there are .*{name}"):
        call(absent, "input", "check")


@pytest.mark.parametrize("name", ["a\x1b[31mb", "x\u202ey"])
def test_hostile_names_reach_no_terminal(unique: Callable[[], Settings], name: str) -> None:
    settings = unique()
    rows = [{"series": name, "ts": START + at, "value": at % 7} for at in range(120)]
    shown = call(settings, "watch", make(settings, f"{settings.topics.prefix}.names", rows)).stdout
    assert name not in shown
