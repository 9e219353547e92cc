"""Check the wheels of Eddy: what is in them, and that the installed command works in an empty environment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import eddy
from eddy.errors import EddyError
from eddy.stack.jars import CONNECTOR, OWN_JAR
from eddy.stack.paths import ROOT
from tests import import_graph
from tests.packaging.conftest import run
from wheels.build import client_files, committed, licences

pytestmark = pytest.mark.slow  # builds wheels and installs them into new environments
DATA = {
    "eddy/stack/pom.xml",
    "eddy/flink_job/jvm/src/eddy/flink/Pipeline.java",
    f"eddy/flink_job/jvm/lib/{OWN_JAR}",
    "eddy/flink_job/jvm/lib/stamp",
    "eddy/dashboard/web/assets/eddy.css",
    "eddy/training/evaluation/report/templates/report.html.j2",
    *(f"eddy/{package}/py.typed" for package in import_graph.LINKED),
}


def outside() -> dict[str, str]:
    """The environment without what a checkout, or the stack of other tests, has put into it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("EDDY_", "FLINK_", "PYTHON"))}


def modules() -> set[str]:
    """Every module's path as it is installed."""
    found = import_graph.modules().items()
    packages = {f"{name.replace('.', '/')}/__init__.py" for name, path in found if path.name == "__init__.py"}
    return packages | {f"{name.replace('.', '/')}.py" for name, path in found if path.name != "__init__.py"}


def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_both_wheels_hold_everything_and_share_no_file(built: Path) -> None:
    (ours,), (client,) = built.glob("eddy_anomaly-*.whl"), built.glob("eddy_client-*.whl")
    for wheel, name in ((ours, "eddy_anomaly"), (client, "eddy_client")):
        assert wheel.name == f"{name}-{eddy.__version__}-py3-none-any.whl"
        assert any(entry.endswith("licenses/LICENSE") for entry in zipfile.ZipFile(wheel).namelist())
    assert content(client) == set(client_files())
    assert content(ours) & content(client) == set()
    assert (modules() | DATA) - content(ours) - content(client) == set()
    assert {name.split("/")[0] for name in content(ours)} == {"eddy", "eddy_command.py"}
    assert any(Path(name).name.startswith(CONNECTOR) for name in content(ours))


def test_eddy_requires_the_client_of_its_own_version(built: Path) -> None:
    (wheel,) = built.glob("eddy_anomaly-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"eddy_anomaly-{eddy.__version__}.dist-info/METADATA").decode()
    assert f"Requires-Dist: eddy-client=={eddy.__version__}\n" in text
    assert "Requires-Python: <3.12,>=3.11\n" in text


def test_every_shipped_jar_has_its_licence(built: Path) -> None:
    (wheel,) = built.glob("eddy_anomaly-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if "/jvm/lib/" in name]
        texts = {Path(name).stem for name in files if name.endswith(".txt")}
        for name in (Path(name).name for name in files if name.endswith(".jar") and not name.endswith(OWN_JAR)):
            with archive.open(f"eddy/flink_job/jvm/lib/{name}") as file, zipfile.ZipFile(file) as jar:
                inside = "META-INF/LICENSE" in jar.namelist() and b"Apache License" in jar.read("META-INF/LICENSE")
            assert inside or any(name.startswith(f"{text}-") for text in texts), name


def test_jar_without_a_licence_is_not_shipped(tmp_path: Path) -> None:
    for name in ("zstd-jni-1.0.jar", "unknown-1.0.jar", OWN_JAR):
        zipfile.ZipFile(tmp_path / name, "w").close()
    assert [text.name for text in licences([tmp_path / OWN_JAR, tmp_path / "zstd-jni-1.0.jar"])] == ["zstd-jni.txt"]
    with pytest.raises(EddyError, match=r"^unknown-1\.0\.jar has no licence"):
        licences([tmp_path / "unknown-1.0.jar"])


def test_source_distributions_hold_the_build_files(built: Path) -> None:
    texts = {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    for name, own in (("eddy_anomaly", {"setup.py", *texts, *DATA}), ("eddy_client", set(client_files()))):
        (archive,) = built.glob(f"{name}-*.tar.gz")
        with tarfile.open(archive) as files:
            names = {entry.partition("/")[2] for entry in files.getnames()}
        assert {"pyproject.toml", "LICENSE", "README.md", *own} - names == set(), name


def test_command_runs_without_extras(installed: Callable[[str], Path], tmp_path: Path) -> None:
    command = installed("") / "eddy"
    env = outside()
    assert run(command, "--version", cwd=tmp_path, env=env) == f"eddy {eddy.__version__}\n"
    assert "kafka.bootstrap_servers" in run(command, "config", "show", cwd=tmp_path, env=env)
    for words in ("produce csv", "job submit", "train", "alerts tail", "dashboard"):
        assert "Usage" in run(command, *words.split(), "--help", cwd=tmp_path, env=env)


def test_folders_of_the_user_hide_nothing(installed: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("models", "cli", "stack", "training", "flink_job"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('this is the file of the user')\n")
    env = {**outside(), "PYTHONPATH": str(tmp_path)}
    for command in ([installed("") / "eddy"], [installed("") / "python", "-m", "eddy.cli"]):
        assert run(*command, "--version", cwd=tmp_path, env=env) == f"eddy {eddy.__version__}\n"
        assert "kafka.bootstrap_servers" in run(*command, "config", "show", cwd=tmp_path, env=env)


@pytest.mark.parametrize("theirs", ["eddy.py", "eddy/__init__.py"])
def test_command_says_in_one_line_what_hides_it(theirs: str, installed: Callable[[str], Path], tmp_path: Path) -> None:
    file = tmp_path / theirs
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise SystemExit('the file of the user was run')\n")
    env = {**outside(), "PYTHONPATH": str(tmp_path)}
    command = [str(installed("") / "eddy"), "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"eddy: 'import eddy' finds {file}, which hides this program; rename it")
    assert done.stderr.count("\n") == 1
    beside = {**outside(), "PYTHONPATH": ""}  # a script's folder is on its path, the current one is not
    assert run(*command, cwd=tmp_path, env=beside) == f"eddy {eddy.__version__}\n"


def test_command_says_that_another_project_was_installed_over_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "eddy_command.py", tmp_path)
    (tmp_path / "eddy").mkdir()
    (tmp_path / "eddy" / "__init__.py").touch()
    start = [sys.executable, "-c", "import eddy_command; eddy_command.main()"]
    done = subprocess.run(start, cwd=tmp_path, env=outside(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "another project of the name 'eddy'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_extra_is_named(installed: Callable[[str], Path], tmp_path: Path) -> None:
    command = installed("") / "eddy"
    points = "".join(f"a,2025-01-01T{k // 60:02}:{k % 60:02}:00Z,{k % 7}\n" for k in range(200))
    (tmp_path / "data.csv").write_text(f"series,time,value\n{points}")
    train = ["train", "--detector", "zscore", "--data", "data.csv", "--interval", "1m", "--out", "m"]
    for words, extra in (train, "train"), (["dashboard"], "dashboard"), (["job", "submit"], "job"):
        done = subprocess.run(
            [command, *words], cwd=tmp_path, env=outside(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith(f"pip install 'eddy-anomaly[{extra}]'"), done.stderr


def test_job_is_submitted_without_java_maven_or_compiler(installed: Callable[[str], Path], tmp_path: Path) -> None:
    bin_folder = installed("job")
    env = {"PATH": str(bin_folder), "HOME": str(tmp_path)}
    for tool in ("java", "javac", "mvn"):
        assert shutil.which(tool, path=env["PATH"]) is None
    target = ["job", "submit", "--target", "remote", "host:8081", "--print"]
    words = shlex.split(run(bin_folder / "eddy", *target, cwd=tmp_path, env=env))
    jars = [Path(words[at + 1]) for at, word in enumerate(words) if word == "--jar"]
    names = [jar.name for jar in jars]
    assert OWN_JAR in names
    assert all(any(name.startswith(wanted) for name in names) for wanted in (CONNECTOR, "flink-python"))
    script = Path(words[words.index("-py") + 1])
    assert all(file.is_file() and bin_folder.parent in file.parents for file in (*jars, script))
    with zipfile.ZipFile(jars[names.index(OWN_JAR)]) as archive:
        assert "eddy/flink/Pipeline.class" in archive.namelist()
    assert not (tmp_path / ".eddy").exists()


def test_installed_package_is_typed(installed: Callable[[str], Path], tmp_path: Path) -> None:
    """A user's type checker finds Eddy's types."""
    python = installed("") / "python"
    (tmp_path / "use.py").write_text(
        "from eddy.settings import Settings\nx: str = Settings().kafka.request_timeout_ms\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(python), "use.py"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'expression has type "int"' in done.stdout, done.stdout + done.stderr


def test_build_without_the_jars_fails_with_one_clear_line(tmp_path: Path) -> None:
    """A plain checkout builds no wheel, unless it is for an image; an editable install needs no jar."""
    source, target = tmp_path / "source", tmp_path / "dist"
    target.mkdir()
    for name in committed():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    hook = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"

    def build(kind: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", hook, kind, str(target)]
        env = {**outside(), **variables}
        return subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, check=False)

    refused = build("build_wheel")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("eddy: this source tree has no compiled jar: './run wheel'")
    assert "Traceback" not in refused.stderr
    assert build("build_editable").returncode == 0
    assert build("build_wheel", EDDY_BUILD_WITHOUT_JARS="1").returncode == 0
    whole = content(next(path for path in target.glob("*.whl") if "editable" not in path.name))
    assert modules() - whole == set(), "an image is given one wheel, with the client in it"
