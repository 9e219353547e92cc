"""Performs a Dockerfile's steps without Docker: each stage in a folder that takes the place of /opt and /usr/local.

    python docker/rehearse.py docker/job.Dockerfile FOLDER

What it proves: the order of the steps, that files which are copied exist, pins, build scripts, entry points. What it
leaves to the image build: the base images, which are stood in for by this machine's Python and the Flink distribution
of the Python package, and the steps in ``LEFT_OUT``. Linux only: the folders are mounted in a namespace of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: what changes the system itself; the rest of a step that has such a command is still run
LEFT_OUT = ("apt-get", "rm -rf /var/lib/apt", "ldconfig", "useradd", "chown")
MOUNTED = ("opt", "usr/local")
QUICKLY = {"UV_LINK_MODE": "symlink", "UV_COMPILE_BYTECODE": "0"}  # costs an image's build minutes, and proves nothing
#: of this machine's environment the rest stays: how it reaches its package registries is its own matter
OURS = ("EDDY_", "FLINK_", "PYTHON", "VIRTUAL_ENV", "_python")
ARGUMENTS = re.compile(r"\$\{(\w+)\}")


@dataclass
class Stage:
    """One ``FROM`` and what came after it."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)

    def run(self, script: str) -> None:
        """Run a shell command with this stage's folders in place."""
        mounts = " && ".join(f"mount --bind {shlex.quote(f'{self.folder}/{name}')} /{name}" for name in MOUNTED)
        inner = f"{mounts} && cd {shlex.quote(self.workdir)} && exec sh -ec {shlex.quote(script)}"
        path = "/opt/flink/bin:/usr/local/bin:/usr/bin:/bin"
        here = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        variables = {**here, "PATH": path, **self.variables, **QUICKLY}
        variables["PATH"] = variables["PATH"].replace("$PATH", path)
        subprocess.run(["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-ec", inner], env=variables, check=True)


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile as (word, rest), lines joined, comments gone."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [line.strip().split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(word.upper(), rest) for word, rest in found]


def without_system_steps(script: str) -> str:
    """The commands of ``a && b && c`` but for those that change the system."""
    kept = [part for part in (piece.strip() for piece in script.split("&&")) if not part.startswith(LEFT_OUT)]
    return " && ".join(kept)


def base(image: str, folder: Path) -> None:
    """Stand in for a base image."""
    for name in MOUNTED:
        (folder / name).mkdir(parents=True)
    if "python" in image:
        for name in ("bin/python3.11", "lib/python3.11"):
            (folder / "usr/local" / name).parent.mkdir()
            (folder / "usr/local" / name).symlink_to(Path(sys.base_prefix) / name)
        (folder / "usr/local/lib/libpython3.11.so.1.0").touch()  # where Python is linked without it
    elif "flink" in image:
        import pyflink  # noqa: PLC0415  only this stand-in needs it

        shutil.copytree(Path(pyflink.__file__).parent, folder / "opt/flink", copy_function=os.link)
        config = folder / "opt/flink/conf/config.yaml"
        text = config.read_text()
        config.unlink()  # a link to the package's own
        config.write_text(text)
        (folder / "opt/flink/opt/flink-s3-fs-presto-2.2.1.jar").touch()  # in the distribution, not in the package
    else:
        raise SystemExit(f"no stand-in for the image {image}")


def context() -> list[str]:
    """What git would commit: a file that is only here must not be needed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        name for name in listed.stdout.split("\0") if name and ((ROOT / name).is_file() or (ROOT / name).is_symlink())
    ]


def allowed(files: list[str]) -> list[str]:
    """Files that .dockerignore lets through (its lines here: '**', then what is let back in)."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "**", "rehearse.py knows only an ignore file that starts with '**'"
    back = [line[1:] for line in lines if line.startswith("!")]
    return [name for name in files if any(name == item or name.startswith(f"{item}/") for item in back)]


def copy(stage: Stage, rest: str, stages: dict[str, Stage], files: list[str]) -> None:
    """``COPY``, from the context or another stage; files are linked, so that gigabytes cost nothing."""
    words = shlex.split(rest)
    origin = next((word.partition("=")[2] for word in words if word.startswith("--from=")), "")
    *sources, target = [word for word in words if not word.startswith("--")]
    into = stage.folder / (Path(stage.workdir) / target).as_posix().lstrip("/")
    for source in sources:
        if origin:
            found = sorted(stages[origin].folder.glob(source.lstrip("/")))
        else:
            inside = [name for name in files if name == source or name.startswith(f"{source}/")]
            found = [ROOT / source] if inside else []
        if not found:
            raise SystemExit(f"COPY {rest}: {source} is not there")
        for path in found:
            place = into / path.name if target.endswith("/") else into
            place.parent.mkdir(parents=True, exist_ok=True)
            if origin:
                subprocess.run(["cp", "-alT", str(path), str(place)], check=True)
            else:
                for name in inside:
                    to = place / Path(name).relative_to(source) if path.is_dir() else place
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, to, follow_symlinks=False)


def rehearse(dockerfile: Path, folder: Path, arguments: dict[str, str]) -> Stage:  # noqa: PLR0912  an instruction each
    """Perform all steps; the last stage is the image."""
    files = allowed(context())
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in instructions(dockerfile.read_text()):
        print(f"{word} {rest[:110]}", flush=True)
        rest = ARGUMENTS.sub(lambda found: arguments.get(found[1], found[0]), rest)  # noqa: PLW2901
        if word == "ARG":
            name, _, default = rest.partition("=")
            arguments.setdefault(name, default.strip('"'))
            if stage:
                stage.variables[name] = arguments[name]
        elif word == "FROM":
            image, *named = rest.split()
            stage = Stage(folder / (named[-1] if named else "image"))
            if image in stages:
                before = stages[image]
                shutil.copytree(before.folder, stage.folder, copy_function=os.link, symlinks=True)
                stage.variables, stage.workdir = dict(before.variables), before.workdir
            else:
                base(image, stage.folder)
            stages[stage.folder.name] = stage
        elif stage is None:
            raise SystemExit(f"{word} before FROM")
        elif word == "ENV":
            stage.variables |= dict(item.split("=", 1) for item in shlex.split(rest))
        elif word == "WORKDIR":
            stage.workdir = rest
            (stage.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            copy(stage, rest, stages, files)
        elif word == "RUN":
            script = without_system_steps(re.sub(r"^(--\S+\s+)+", "", rest))
            if script:
                stage.run(script)
        elif word == "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        elif word not in {"USER", "CMD"}:
            raise SystemExit(f"rehearse.py does not know {word}")
    assert stage is not None
    return stage


def main() -> None:
    """Rehearse one Dockerfile, then run its entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("folder", type=Path, help="a new folder; the stages are made in it")
    parser.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", action="append", default=[], metavar="COMMAND", help="run in the finished image")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    image = rehearse(options.dockerfile, options.folder.resolve(), dict(a.split("=", 1) for a in options.build_arg))
    if image.entrypoint:
        image.run(shlex.join([*image.entrypoint, "--version"]))
    for command in options.run:
        image.run(command)


if __name__ == "__main__":
    main()
