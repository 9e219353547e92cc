from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from eddy.errors import StackError
from eddy.settings import Settings, StackSettings
from eddy.stack import flink, flink_memory, jars, shipped_jars
from eddy.stack.local import isolated
from eddy.stack.paths import ROOT, data_dir, home


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDDY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("look", [jars.kafka_classpath, jars.flink_jars])
def test_missing_jars_name_the_command_to_run(empty_home: Path, look: object) -> None:
    assert callable(look)
    with pytest.raises(StackError, match=r"\./run setup"):
        look()


def test_data_folder_is_relative_to_the_parent_of_home(empty_home: Path) -> None:
    assert home() == empty_home
    assert data_dir(StackSettings(data_dir="here")) == empty_home.parent / "here"
    assert data_dir(StackSettings(data_dir="/there")) == Path("/there")


def test_java_is_compiled_once_and_compiler_errors_are_shown(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "src" / "eddy" / "flink" / "Probe.java"
    source.parent.mkdir(parents=True)
    monkeypatch.setattr(shipped_jars, "SOURCES", tmp_path / "src")
    folder = empty_home / "jars" / "flink"
    folder.mkdir(parents=True)
    assert not jars.compile_java()  # no source yet
    source.write_text("package eddy.flink; class Probe { org.apache.flink.types.Row row; }")
    assert jars.compile_java()
    assert not jars.compile_java()
    connector = folder / f"{jars.CONNECTOR}-test.jar"
    connector.touch()
    assert folder / jars.OWN_JAR in jars.flink_jars()
    connector.unlink()
    source.write_text("package eddy.flink; class Probe { int x = ; }")
    with pytest.raises(StackError, match=r"javac failed(.|\n)*Probe\.java:1: error"):
        jars.compile_java()


def test_missing_maven_is_named(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(empty_home))
    with pytest.raises(StackError, match=r"^mvn is not installed; .*apt-get install maven"):
        jars.fetch()


def test_committed_files_name_no_registry() -> None:
    for name in ("requirements.txt", "requirements-uv.txt", "stack/pom.xml", "run", "pyproject.toml"):
        assert "://" not in (ROOT / name).read_text(), name


@pytest.mark.parametrize(
    ("jobmanager_mb", "taskmanager_mb", "slots"), [(1024, 3072, 2), (2600, 1024, 1), (704, 12000, 5)]
)
def test_memory_is_divided_as_by_flinks_scripts(
    tmp_path: Path, jobmanager_mb: int, taskmanager_mb: int, slots: int
) -> None:
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    (tmp_path / "config.yaml").write_text(
        f"jobmanager.memory.process.size: {jobmanager_mb}m\n"
        f"taskmanager.memory.process.size: {taskmanager_mb}m\n"
        f"taskmanager.numberOfTaskSlots: {slots}\n"
    )
    assert _by_script("GET_JM_RESOURCE_PARAMS", tmp_path) == _by_us(flink_memory.jobmanager(jobmanager_mb))
    theirs = _by_script("GET_TM_RESOURCE_PARAMS", tmp_path) - {f"taskmanager.numberOfTaskSlots={slots}"}
    assert theirs == _by_us(flink_memory.taskmanager(taskmanager_mb, slots))


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(StackError, match=r"^stack\.jobmanager_memory_mb=512 leaves .*; add at least 80 MiB"):
        flink_memory.jobmanager(512)


def _by_us(divided: tuple[list[str], dict[str, str]]) -> set[str]:
    return {*divided[0], *(f"{key}={value}" for key, value in divided[1].items())}


def _by_script(question: str, config: Path) -> set[str]:
    flink = jars.flink_home()
    class_path = [flink / "bin" / "bash-java-utils.jar", *(flink / "lib").glob("flink-dist*.jar")]
    class_path += (flink / "lib").glob("log4j*.jar")
    main = "org.apache.flink.runtime.util.bash.BashJavaUtils"
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, class_path)), main, question]
    command += ["--configDir", str(config), str(flink / "bin"), str(flink / "lib")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answers = [
        line.partition(":")[2] for line in output.splitlines() if line.startswith("BASH_JAVA_UTILS_EXEC_RESULT:")
    ]
    return {word for answer in answers for word in answer.split() if word != "-D"}


def test_what_a_submission_sends_along_is_empty_and_the_cluster_has_the_real_jar(tmp_path: Path) -> None:
    flink.launches(isolated(Settings(), tmp_path), tmp_path)
    (sent,) = Path(flink.client_environment(tmp_path)["FLINK_OPT_DIR"]).iterdir()
    assert sent.stat().st_size < 1000
    assert (tmp_path / "flink" / "lib" / sent.name).resolve() == jars.flink_python_jar().resolve()
