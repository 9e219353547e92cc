"""Create the peers' own environments under ``.eddy/peers/NAME``, again whenever their requirements change."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from eddy.errors import StackError
from eddy.stack.paths import ROOT, home

HERE = Path(__file__).parent
SPARK_POM = HERE / "spark-pom.xml"
TORCH_INDEX = "EDDY_TORCH_INDEX"  # as in ./run: another index to take torch from


def python(name: str) -> Path:
    """Return the Python of a peer's environment, which is created if needed.

    Raises:
        StackError: its packages cannot be installed.
    """
    requirements = HERE / f"requirements-{name}.txt"
    folder = home() / "peers" / name
    stamp = _stamp(requirements)
    marked = folder / ".stamp"
    if not marked.exists() or marked.read_text() != stamp:
        print(f"setting up {name} in {folder} …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        _install(folder, requirements)
        marked.write_text(stamp)
    return folder / "bin" / "python"


def spark_jars() -> str:
    """Return comma-separated jars with which Spark reads and writes Kafka."""
    folder = home() / "peers" / "spark-jars"
    stamp = _stamp(SPARK_POM)
    marked = folder / ".stamp"
    if not marked.exists() or marked.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        _run(["mvn", "-q", "-B", "--strict-checksums", "-f", str(SPARK_POM), "dependency:copy-dependencies",
              f"-DoutputDirectory={folder}", "-DincludeScope=runtime"])  # fmt: skip
        marked.write_text(stamp)
    return ",".join(str(jar) for jar in sorted(folder.glob("*.jar")))


def versions(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the pinned versions of some packages."""
    text = (HERE / f"requirements-{name}.txt").read_text()
    return {p: found[1] for p in packages if (found := re.search(rf"^{re.escape(p)}==(\S+)", text, re.MULTILINE))}


def _install(folder: Path, requirements: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    tool = [str(uv)] if uv.exists() else [sys.executable, "-m", "uv"]
    install = [*tool, "pip", "install", "-q", "--no-deps", "--python", str(folder / "bin" / "python")]
    listed = requirements.read_text().splitlines()
    index = os.environ.get(TORCH_INDEX)
    if index:  # that index has other builds of torch, without GPU libraries
        _run([*install, "--index-url", index, *(line for line in listed if line.startswith("torch=="))])
        listed = [line for line in listed if not re.match(r"(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==", line)]
    _run([*install, *listed])


def _stamp(file: Path) -> str:
    return hashlib.sha256(file.read_bytes() + os.environ.get(TORCH_INDEX, "").encode() + str(ROOT).encode()).hexdigest()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"{command[0]} failed with code {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
