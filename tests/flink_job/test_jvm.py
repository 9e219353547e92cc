"""Our Java, tested in Java: compiled and run here, with Flink's operator test harness and JUnit (``jvm/pom.xml``).

Their jars are fetched once and lie beside the job's own; without network and without them the tests fail, and say so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eddy.flink_job.wire.frames import CHECKPOINT
from eddy.flink_job.wire.parsing import shard_of
from eddy.stack.jars import flink_home, flink_jars
from eddy.stack.paths import home
from eddy.stack.shipped_jars import java_sources
from tests.flink_job.frame_bytes import NOW, frame_bytes
from tests.flink_job.frame_clocks import check_clocks, write_clocked_plan
from tests.flink_job.mapping_cases import compare, write_cases

FOLDER = Path(__file__).with_name("jvm")
#: key, value, and the series: records without a key have it in the value only
MESSAGES = [
    ("a", '{"series":"a","ts":1,"value":1.5}', "a"),
    ("tüv", '{"series":"tüv","ts":1,"value":2}', "tüv"),
    ("a", "no JSON at all", "a"),
    ("", '{"ts":1, "series" : "b","value":3}', "b"),
    ("", "no series in it", ""),
    ("a", '{"series":"a","ts":2,"value":4}', "a"),
]
SHARDS = 4
OUR_FLINK_CLASSES = "Internals.java"
NOT_PROMISED = (
    "org.apache.flink.kafka.shaded",
    "org.apache.flink.runtime.",
    "org.apache.flink.streaming.api.operators",
    "org.apache.flink.streaming.runtime",
    "getContainingTask",
)


def harness_jars() -> list[Path]:
    """Fetch what the pom names, once for each version of it."""
    folder, pom = home() / "jars" / "jvm-tests", FOLDER / "pom.xml"
    stamp = folder / "fetched"
    if not stamp.exists() or stamp.read_text() != pom.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        command = ["mvn", "-q", "-B", "--strict-checksums", "-f", str(pom), "dependency:copy-dependencies"]
        done = subprocess.run([*command, f"-Deddy.jars={folder}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"the test jars cannot be fetched: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        stamp.write_text(pom.read_text())
    return sorted(folder.glob("*.jar"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What JUnit said, and the folder of the frames that it wrote."""
    folder = tmp_path_factory.mktemp("jvm")
    (folder / "messages").write_text("".join("\t".join(message) + "\n" for message in MESSAGES))
    (folder / "frames").mkdir()
    flink = sorted((flink_home() / "lib").glob("*.jar"))
    jars = ":".join(map(str, [*harness_jars(), *flink, *flink_jars()]))
    # our sources once more, before our jar: what is tested is what lies here
    sources = [*FOLDER.rglob("*.java"), *java_sources()]
    classes = str(folder / "classes")
    compiler = ["javac", "--release", "17", "-nowarn", "-proc:none", "-cp", jars, "-d", classes, *map(str, sources)]
    compiled = subprocess.run(compiler, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr[-4000:]
    opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("util", "lang", "nio")]
    places = {"messages": folder / "messages", "frames": folder / "frames", "mappings": folder}
    properties = [f"-Deddy.{name}={place}" for name, place in places.items()]
    write_cases(folder)
    write_clocked_plan(folder)
    junit = ["org.junit.platform.console.ConsoleLauncher", "execute", "--scan-classpath", classes]
    command = ["java", "-XX:TieredStopAtLevel=1", *opened, *properties, "-cp", f"{classes}:{jars}", *junit]
    options = ["--disable-banner", "--details=tree", "--disable-ansi-colors"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr, folder / "frames"


def test_the_tests_of_the_jvm_pass(report: tuple[str, Path]) -> None:
    said, _ = report
    counts = {what: int(number) for number, what in re.findall(r"\[ *(\d+) tests (\w+) *\]", said)}
    assert counts.get("found"), said[-4000:]
    assert counts["successful"] == counts["found"], said[-8000:]
    assert counts["found"] == sum(file.read_text().count("@Test") for file in FOLDER.rglob("*.java"))


def test_frames_are_byte_for_byte_what_python_expects(report: tuple[str, Path]) -> None:
    said, folder = report
    by_shard: dict[int, list[int]] = {shard: [] for shard in range(SHARDS)}
    for index, (_, _, series) in enumerate(MESSAGES):
        by_shard[shard_of(series, SHARDS) if series else 0].append(index)
    assert len({shard for shard, indices in by_shard.items() if indices}) > 1, "the messages are for several shards"
    for shard, indices in by_shard.items():
        chosen = [MESSAGES[index] for index in indices]
        messages = [
            (key.encode(), value.encode()) if key else (None, value.encode(), series.encode())
            for key, value, series in chosen
        ]
        found = (folder / f"{shard}.frame").read_bytes()
        assert found == frame_bytes(
            messages, shard, CHECKPOINT, NOW, offsets=[100 + i for i in indices], checkpoint=1
        ), said[-2000:]


def test_jvm_reads_messages_as_python_does(report: tuple[str, Path]) -> None:
    said, folder = report
    assert (folder.parent / "results").exists(), said[-4000:]
    compare(folder.parent)


def test_frames_tell_how_far_the_event_time_of_each_source_has_come(report: tuple[str, Path]) -> None:
    said, folder = report
    assert (folder.parent / "clocked-1").exists(), said[-4000:]
    check_clocks(folder.parent)


def test_flinks_internals_are_used_in_one_class_only() -> None:
    for file in java_sources():
        if file.name != OUR_FLINK_CLASSES:
            text = file.read_text()
            assert not [name for name in NOT_PROMISED if name in text], f"{file.name}: gather it in {OUR_FLINK_CLASSES}"
