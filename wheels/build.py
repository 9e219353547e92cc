"""Build the wheels and source distributions of Eddy and of its client: ``./run wheel [FOLDER]``, default ``dist``.

Each is built from a copy of what git would commit, so that nothing else gets in, and each wheel from its own source
distribution, so that this one is complete. Eddy's copy also gets the compiled jars, loses the client's modules, and
requires ``eddy-client`` of the same version in their place (docs/decisions/071-two-wheels.md).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

from eddy import CLIENT_DISTRIBUTION, __version__
from eddy.errors import EddyError
from eddy.stack import jars
from eddy.stack.shipped_jars import ship

ROOT = Path(__file__).resolve().parents[1]
WHEELS = ROOT / "wheels"
_SDIST = "import sys, setuptools.build_meta as b; print(b.build_sdist(sys.argv[1]))"
_WHEEL = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"


def client_files() -> list[str]:
    """Return the files that belong to the client's wheel, as paths in the checkout."""
    named = tomllib.loads((WHEELS / "client.toml").read_text(encoding="utf-8"))["tool"]["eddy"]["modules"]
    return [*(f"eddy/{name}.py" for name in named), "eddy/py.typed"]


def committed() -> list[str]:
    """Return the files and links that git has, or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and ((ROOT / name).is_symlink() or (ROOT / name).is_file())]


def stage_client(target: Path) -> None:
    """Lay out the sources of the client."""
    _copy([*client_files(), "LICENSE"], target)
    (target / "pyproject.toml").write_bytes((WHEELS / "client.toml").read_bytes())
    (target / "README.md").write_bytes((WHEELS / "client.md").read_bytes())


def stage_eddy(target: Path) -> None:
    """Lay out the sources of Eddy with its jars and without the client's modules.

    Raises:
        StackError: the jars cannot be fetched or compiled.
        EddyError: nothing says under which licence a jar may be passed on.
    """
    _copy(sorted(set(committed()) - set(client_files())), target)
    jars.prepare()  # all of them: to fetch some would remove the others where pom.xml has changed
    made = jars.flink_jars()
    ship([*made, *licences(made)], target / "flink_job" / "jvm" / "lib")
    project = target / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    for old, new in (
        ('dynamic = ["version"]', f'version = "{__version__}"'),
        ('version = { attr = "eddy.__version__" }', ""),
        ("\ndependencies = [\n", f'\ndependencies = [\n  "{CLIENT_DISTRIBUTION}=={__version__}",\n'),
    ):
        if text.count(old) != 1:
            raise EddyError(f"pyproject.toml: expected {old.strip()!r} once, found it {text.count(old)} times")
        text = text.replace(old, new)
    project.write_text(text, encoding="utf-8")


def licences(made: Sequence[Path]) -> list[Path]:
    """Return the licence texts to put beside the jars; ours and those that carry their own need none.

    Raises:
        EddyError: a jar has none.
    """
    texts = []
    for jar in made:
        with zipfile.ZipFile(jar) as archive:
            own = jar.name == jars.OWN_JAR or "META-INF/LICENSE" in archive.namelist()
        text = next(
            (file for file in (WHEELS / "licenses").glob("*.txt") if jar.name.startswith(f"{file.stem}-")), None
        )
        if not own and text is None:
            raise EddyError(f"{jar.name} has no licence in it: put its text into wheels/licenses/<name of the jar>.txt")
        texts += [] if own or text is None else [text]
    return texts


def build(source: Path, target: Path) -> list[str]:
    """Build a source distribution, and a wheel from it; return the names of both.

    Raises:
        EddyError: setuptools failed; its messages are in the text.
    """
    archive = _run(_SDIST, source, target)
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(target / archive, folder)
        return [archive, _run(_WHEEL, next(Path(folder).iterdir()), target)]


def _copy(names: Sequence[str], target: Path) -> None:
    for name in names:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            place.symlink_to((ROOT / name).readlink())
        else:
            place.write_bytes((ROOT / name).read_bytes())


def _run(script: str, source: Path, target: Path) -> str:
    command = [sys.executable, "-c", script, str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EddyError(f"setuptools failed in {source}:\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()[-1]


def main() -> None:
    """Build both into one folder."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    target.mkdir(parents=True, exist_ok=True)
    try:
        for stage in (stage_client, stage_eddy):
            with tempfile.TemporaryDirectory() as folder:
                stage(Path(folder))
                for name in build(Path(folder), target):
                    print(target / name)
    except EddyError as error:
        sys.exit(f"eddy: {error}")


if __name__ == "__main__":
    main()
