"""Prepare the jars that the stack and the job need: Maven's from ``stack/pom.xml``, and our own Java, compiled here.

``eddy jars`` (``python -m eddy.stack.jars``) updates both and does nothing when they already are.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from eddy import install_hint
from eddy.errors import EddyError, StackError
from eddy.stack.paths import home
from eddy.stack.shipped_jars import POM, digest, java_sources, shipped

JAVA_RELEASE = "17"
OWN_JAR = "eddy-flink.jar"
CONNECTOR = "flink-sql-connector-kafka"
ZSTD = "zstd-jni"
PARTS = ("kafka", "flink")
SET_UP = "run 'eddy jars' once ('./run setup' in a checkout does it)"


def flink_home() -> Path:
    """Return the folder of the Flink distribution that the ``apache-flink`` package contains."""
    found = importlib.util.find_spec("pyflink")
    if found is None or not found.origin:
        raise StackError(f"the Python package apache-flink is not installed: {install_hint('job')}")
    return Path(found.origin).parent


def kafka_classpath() -> str:
    """Return the Java class path of the Kafka broker."""
    folder = home() / "jars" / "kafka"
    jars = sorted(folder.glob("*.jar"))
    if not any(jar.name.startswith("kafka_2.13-") for jar in jars):
        raise StackError(f"the Kafka broker's jars are not in {folder}; {SET_UP}")
    return ":".join(map(str, jars))


def flink_jars() -> list[Path]:
    """Return the jars that a job needs beside the Flink distribution: the Kafka connector and ours.

    A wheel brings them; in a checkout they are fetched and compiled into :func:`~eddy.stack.paths.home`.

    Raises:
        StackError: they are not there; says how to make them.
    """
    if found := shipped():
        return found
    folder = home() / "jars" / "flink"
    jars = sorted(folder.glob("*.jar"))
    if not any(jar.name.startswith(CONNECTOR) for jar in jars):
        raise StackError(f"Flink's Kafka connector is not in {folder}; {SET_UP}")
    if java_sources() and folder / OWN_JAR not in jars:
        raise StackError(f"{OWN_JAR} is not in {folder}; {SET_UP}")
    return jars


def flink_python_jar() -> Path:
    """Return the jar that runs Python functions; it lies in ``opt/``, where a cluster does not search by itself."""
    jars = sorted((flink_home() / "opt").glob("flink-python-*.jar"))
    if not jars:
        raise StackError(f"no flink-python jar in {flink_home() / 'opt'}; reinstall the apache-flink package")
    return jars[0]


def fetch(parts: Sequence[str] = PARTS) -> bool:
    """Copy the jars that ``pom.xml`` declares; return False if they were already there.

    Args:
        parts: some of :data:`PARTS`: an image for the job has no use for the broker. Jars that a wheel brings are
            never fetched.

    Raises:
        StackError: Maven is missing or fails.
    """
    parts = [part for part in parts if part != "flink" or not shipped()]
    if not parts:
        return False
    folder, stamp = home() / "jars", digest([POM])
    if _stamped(folder / "fetched", stamp) and all((folder / part).is_dir() for part in parts):
        return False
    for part in PARTS:  # a changed pom must not leave an old version beside the new one
        shutil.rmtree(folder / part, ignore_errors=True)
    goals = [f"dependency:copy-dependencies@{part}" for part in parts]
    strict = "--strict-checksums"  # a jar that does not match its published checksum is an error, not a warning
    _run(["mvn", "-q", "-B", strict, "-f", str(POM), *goals, f"-Deddy.jars={folder}"])
    (folder / "fetched").write_text(stamp)
    return True


def compile_java() -> bool:
    """Compile our Java sources into one jar; return False if there is nothing to do.

    Raises:
        StackError: the compiler is missing or fails; its messages are in the text.
    """
    sources = java_sources()
    if not sources or shipped():
        return False
    target = home() / "jars" / "flink" / OWN_JAR
    stamp = digest([*sources, POM])
    if target.exists() and _stamped(target.with_suffix(".stamp"), stamp):
        return False
    jars = [*sorted((flink_home() / "lib").glob("*.jar")), flink_python_jar()]
    jars += [jar for jar in target.parent.glob("*.jar") if jar.name != OWN_JAR]
    with tempfile.TemporaryDirectory() as classes:
        class_path = ":".join(map(str, jars))
        lint = ["-nowarn", "-proc:none"]  # the Flink jars carry annotation processors that are not meant for us
        _run(["javac", "--release", JAVA_RELEASE, *lint, "-cp", class_path, "-d", classes, *map(str, sources)])
        packed = Path(classes) / OWN_JAR  # packed beside, then moved: a running reader never sees half a jar
        _run(["jar", "--create", "--file", str(packed), "--no-manifest", "-C", classes, "eddy"])
        shutil.copy(packed, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)
    target.with_suffix(".stamp").write_text(stamp)
    return True


def _stamped(file: Path, stamp: str) -> bool:
    return file.exists() and file.read_text() == stamp


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        hint = "on Debian or Ubuntu: apt-get install maven openjdk-17-jdk-headless"
        raise StackError(f"{command[0]} is not installed; {hint}") from None
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise StackError(f"{command[0]} failed with code {done.returncode}:\n{output}")


def prepare(parts: Sequence[str] = PARTS) -> list[str]:
    """Prepare the jars, if they are not up to date; return a line for each thing done."""
    said = []
    if fetch(parts):
        said.append(f"jars copied to {home() / 'jars'}")
    if compile_java():
        said.append(f"{OWN_JAR}: {len(java_sources())} Java files compiled")
    return said


def main() -> None:
    """Prepare the jars and print what was done."""
    try:
        for line in prepare():
            print(line)
    except EddyError as error:
        sys.exit(f"eddy: {error}")


if __name__ == "__main__":
    main()
