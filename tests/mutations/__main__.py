"""Apply each breakage to a copy of the checkout, and run the test that has to notice it.

``python -m tests.mutations [NAME …]``; ``--write`` puts the table into docs/reliability.md. The exit code is 1 where a
breakage stayed unnoticed, or where its test is red without it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from eddy.stack.paths import home
from tests.mutations.catalog import ROOT, Breakage, breakages

HOME = ".eddy"  # where a checkout keeps its jars
DOCUMENT = ROOT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- mutations: begin -->", "<!-- mutations: end -->"
_SECONDS = 900  # for one test; one that hangs has noticed nothing
_RED = 1  # pytest's exit code where tests failed; others mean that none ran


def main() -> int:
    """Try the breakages that are named, or all."""
    parser = argparse.ArgumentParser(description="Break the code in named ways and see that a test goes red for each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="breakages to try; default: all")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    chosen = [one for one in breakages() if not options.names or one.name in options.names]
    if not chosen:
        parser.error(f"no breakage is called {', '.join(options.names)}")
    with tempfile.TemporaryDirectory(prefix="eddy-mutations-") as folder:
        copy = Path(folder) / "eddy-checkout"
        _copy_checkout(copy)
        _copy_jars(copy)
        tests = list(dict.fromkeys(one.test for one in chosen))
        print(f"{len(tests)} tests without a breakage", flush=True)
        if _run(copy, tests, _SECONDS * 4) != 0:
            print("these tests are red without any breakage: mend that first", file=sys.stderr)
            return 1
        results = [(one, *_try(copy, one)) for one in chosen]
    survived = [one.name for one, noticed, _ in results if not noticed]
    if options.write:
        _write([(one, noticed) for one, noticed, _ in results])
    print(f"{len(results) - len(survived)} of {len(results)} breakages were noticed")
    for name in survived:
        print(f"unnoticed: {name}", file=sys.stderr)
    return 1 if survived else 0


def _copy_checkout(copy: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)


def _copy_jars(copy: Path) -> None:
    """Give the copy jars of its own, since a breakage in Java is compiled into one of them."""

    def link(source: str, target: str) -> None:
        if source.endswith(".jar"):  # replaced as a whole, never written to
            os.symlink(source, target)
        else:
            shutil.copy2(source, target)

    shutil.copytree(home() / "jars", copy / HOME / "jars", copy_function=link)


def _try(copy: Path, one: Breakage) -> tuple[bool, float]:
    file = copy / one.file
    whole = file.read_text(encoding="utf-8")
    start = time.monotonic()
    try:
        file.write_text(one.broken(whole), encoding="utf-8")
        _compile(copy, file, whole)
        noticed = _run(copy, [one.test], _SECONDS) == _RED
    finally:
        file.write_text(whole, encoding="utf-8")
        _compile(copy, file, whole)
    seconds = time.monotonic() - start
    print(f"{'noticed  ' if noticed else 'UNNOTICED'} {seconds:6.1f} s  {one.name}", flush=True)
    return noticed, seconds


def _compile(copy: Path, file: Path, text: str) -> None:
    """Compile the jar again, and forget kernels: numba does not see which others a kernel calls."""
    if file.suffix == ".java":
        subprocess.run([sys.executable, "-m", "eddy.stack.jars"], cwd=copy, env=_environment(copy), check=True)
    if "njit" in text:
        for cached in (copy / "models").rglob("*.nb[ic]"):
            cached.unlink()


def _environment(copy: Path) -> dict[str, str]:
    own = {"PYTHONPATH": str(copy), "EDDY_HOME": str(copy / HOME), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **own}


def _run(copy: Path, tests: Sequence[str], seconds: float) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=no", *tests]
    with subprocess.Popen(
        command,
        cwd=copy,
        env=_environment(copy),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return -1
        finally:  # a breakage may also keep a test from ending what it started
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _write(results: Sequence[tuple[Breakage, bool]]) -> None:
    rows = [
        f"| {one.promise} | {one.name} | `{one.test.split('[')[0]}` | {'yes' if noticed else '**no**'} |"
        for one, noticed in results
    ]
    table = "\n".join(["| promise | broken | test | noticed |", "| --- | --- | --- | --- |", *rows])
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.escape(_BEGIN) + ".*?" + re.escape(_END)
    found = re.sub(pattern, lambda _: f"{_BEGIN}\n{table}\n{_END}", text, flags=re.DOTALL)
    DOCUMENT.write_text(found, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
