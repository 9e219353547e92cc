"""Check the class data archives with a real JVM."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from eddy.stack import class_archive
from eddy.stack.paths import HOME_VARIABLE

PROGRAM = "public class Hello { public static void main(String[] all) { System.out.println(new Hello()); } }"


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "Hello.java").write_text(PROGRAM)
    subprocess.run(["javac", "Hello.java"], cwd=tmp_path, check=True)
    subprocess.run(["jar", "cf", "hello.jar", "Hello.class"], cwd=tmp_path, check=True)
    return tmp_path / "hello.jar"


def run(jar: Path, *more: str) -> str:
    """Start it as the stack would; what it said."""
    options = class_archive.options("hello-1", "hello", str(jar), jar.parent)
    command = ["java", *options, *more, "-cp", str(jar), "Hello"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def archives(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "home" / "classes").glob("*"))


def test_second_start_loads_classes_from_the_archive(jar: Path, tmp_path: Path) -> None:
    assert "Hello source: file:" in run(jar, "-Xlog:class+load")
    class_archive.keep(tmp_path, all_loaded=True)
    assert len(archives(tmp_path)) == 1
    assert "Hello source: shared objects file (top)" in run(jar, "-Xlog:class+load")
    class_archive.keep(tmp_path, all_loaded=True)
    assert len(archives(tmp_path)) == 1


def test_the_data_folder_may_be_the_home_of_the_archives(
    jar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is by default: the second 'eddy down' took the archives in use for new ones, and ended in a traceback."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    run(jar)
    class_archive.keep(tmp_path, all_loaded=True)
    kept = sorted((tmp_path / "classes").glob("*.jsa"))
    assert len(kept) == 1
    class_archive.keep(tmp_path, all_loaded=True)
    assert sorted((tmp_path / "classes").glob("*.jsa")) == kept
    assert "Hello source: shared objects file (top)" in run(jar, "-Xlog:class+load")


def test_archive_of_a_changed_jar_is_replaced(jar: Path, tmp_path: Path) -> None:
    run(jar)
    class_archive.keep(tmp_path, all_loaded=True)
    before = archives(tmp_path)
    subprocess.run(["jar", "uf", "hello.jar", "Hello.java"], cwd=tmp_path, check=True)
    assert "Hello source: file:" in run(jar, "-Xlog:class+load")
    class_archive.keep(tmp_path, all_loaded=True)
    assert len(archives(tmp_path)) == 1
    assert archives(tmp_path) != before


@pytest.mark.parametrize(("size", "all_loaded"), [(10_000, True), (100_000, True), (None, False)])
def test_incomplete_archive_is_not_kept(jar: Path, tmp_path: Path, size: int | None, all_loaded: bool) -> None:
    run(jar)
    written = tmp_path / "classes-written" / "hello-1.jsa"
    if size is not None:
        content = written.read_bytes()[:size]
        written.unlink()  # it is read-only
        written.write_bytes(content)
    class_archive.keep(tmp_path, all_loaded=all_loaded)
    assert archives(tmp_path) == []
    assert not written.exists()


def test_truncated_archive_is_not_used(jar: Path, tmp_path: Path) -> None:
    run(jar)
    class_archive.keep(tmp_path, all_loaded=True)
    (archive,) = archives(tmp_path)
    archive.write_bytes(archive.read_bytes()[:-4096])
    assert "Hello source: file:" in run(jar, "-Xlog:class+load")
    class_archive.keep(tmp_path, all_loaded=True)
    assert "Hello source: shared objects file (top)" in run(jar, "-Xlog:class+load")
