"""Follow the how-to pages in an empty folder: write the files they show, install them, run their tests, use them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"<!-- (?:not run: )?file:? (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

USE_SINK = """
import json
from eddy.flink_job.operators.shard import Shard
from eddy.flink_job.operators.shard_options import shard_options
from eddy.flink_job.sinks.fan_out import FanOut
from eddy.flink_job.wire.frames import CHECKPOINT, Records
from eddy.configuration import load
from tests.flink_job.frame_bytes import NOW, frame
from tests.flink_job.shard_harness import State, observation
from tests.models.small_models import manifest, model_set

settings = load(["job.sinks=jsonl:there.jsonl"], environ={}).settings
sinks = FanOut.of(settings)
shard, state, out = Shard(shard_options(settings, 0), model_set(manifest()), sinks), State(), Records()
values = [0.0, 0.1, -0.1, 0.2, 0.0, 0.1, 50.0]
shard.handle(frame(*[observation("s", NOW + k, value) for k, value in enumerate(values)]), state, out)
shard.handle(frame(kind=CHECKPOINT), state, out)
sinks.close()
(alert,) = [json.loads(line) for line in open("there.jsonl")]
assert (alert["series"], alert["state"], alert["end"]) == ("s", "open", NOW + 6), alert
"""

USE_MESSAGES = """
from eddy.configuration import load
from eddy.inputs.mapping import Mapping
from eddy.inputs.record import Record

(source,) = load(file="page.yaml", environ={}).settings.input
result = Mapping(source).read(Record("plant.lines", value=b"a,2025-01-01T00:00:00Z,1.5\\nb,2025-01-01\\nc,2025-01-01,"))
assert [(one.series, one.ts) for one in result.observations] == [
    ("plant/a", 1735689600000), ("plant/c", 1735689600000)], result
assert result.observations[0].values == {"value": 1.5}
assert [problem.reason for problem in result.refusals] == ["bad-format"]
"""

#: what the section about job.format makes
USE_FORMAT = """
import numpy as np
from datetime import UTC, datetime
from eddy.configuration import load
from eddy.flink_job.operators.shard import Shard
from eddy.flink_job.operators.shard_options import shard_options
from eddy.flink_job.wire.formats import job_format
from eddy.flink_job.wire.frames import ALERTS, DLQ
from eddy.inputs.readers import ObservationTopic
from eddy.inputs.record import Record
from eddy.models.serving.model_set import ModelSet
from eddy.training.data import kafka_history
from tests.flink_job.frame_bytes import NOW, frame
from tests.flink_job.shard_harness import Harness, of
from tests.models.small_models import inline, manifest, model_set

def record(k, value):
    time = datetime.fromtimestamp((NOW + 1000 * k) / 1000, UTC).isoformat()
    return b"s", f"s;{time};{value}".encode()

values = [0.0, 0.1, -0.1, 0.2, 0.0, 0.1, 50.0]
records = [record(k, value) for k, value in enumerate(values)]
settings = load(["job.format=semicolons"], environ={}).settings
form = job_format(settings.job.format)

sent = Harness(model_set(manifest()), form=form).send(*records, (b"s", b"s;yesterday;1"), (b"s", b"t;2025-01-01;1"))
assert [message["state"] for message in of(sent, ALERTS)] == ["open"]
assert [headers["reason"] for headers in of(sent, DLQ)] == ["bad-ts", "key-mismatch"]

waiting = Harness(ModelSet(), form=form)
assert waiting.send(*records) == []
waiting.models.put(manifest(), inline)
assert [message["state"] for message in of(waiting.tick(), ALERTS)] == ["open"], "pending events are parsed again"

ObservationTopic.records = lambda topic: [Record(topic.topic, 0, 0, NOW, *one) for one in [*records, (b"s", b"?")]]
data, bad = kafka_history.load_history(settings)
assert (bad, data.series[0].name) == (1, "s")
assert np.array_equal(data.series[0].values[:, 0], values)
"""


def follow(page: str, folder: Path, last: bool = False) -> dict[str, str]:
    """Write the files of a page, and install them as pip would; returns the environment of a process that has them.

    Of files with the same name the first is written, or the last.
    """
    files = FILE.findall((ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8"))
    found = dict(files if last else reversed(files))
    assert len(found) == 3, f"one file of code, one of tests and pyproject.toml: {list(found)}"
    for name, content in found.items():
        (folder / name).write_text(content, encoding="utf-8")
    project = tomllib.loads(found["pyproject.toml"])["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    here = {name: value for name, value in os.environ.items() if not name.startswith("EDDY_")}
    return here | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}


def run(folder: Path, env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("page", "checks"), [("sink.md", 8), ("format.md", 14)])
def test_page_is_followed_and_its_contract_passes(page: str, checks: int, tmp_path: Path) -> None:
    env = follow(page, tmp_path)
    assert f"{checks} passed" in run(tmp_path, env, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")


@pytest.mark.parametrize(("page", "script"), [("sink.md", USE_SINK), ("format.md", USE_FORMAT)])
def test_what_the_page_makes_works_in_the_job(page: str, script: str, tmp_path: Path) -> None:
    env = follow(page, tmp_path, last=True)
    run(tmp_path, env, "-c", script)


def test_what_the_page_makes_works_in_an_input_source(tmp_path: Path) -> None:
    env = follow("format.md", tmp_path)
    (settings,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/how-to/format.md").read_text(), re.DOTALL)
    (tmp_path / "page.yaml").write_text(settings)
    run(tmp_path, env, "-c", USE_MESSAGES)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    from eddy.errors import SettingsError
    from eddy.flink_job.sinks.fan_out import make_sink
    from eddy.formats import find_format
    from eddy.settings import Settings

    with pytest.raises(SettingsError, match=r"sink 'jsonl' is unknown; known: .*redis"):
        make_sink("jsonl:x", Settings())
    with pytest.raises(SettingsError, match=r"format 'avro' is unknown; known: .*json"):
        find_format("avro")
