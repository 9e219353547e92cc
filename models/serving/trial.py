"""Load and try models in a process of their own, which may crash, hang or run out of memory in place of this one.

The process starts when it is first needed, tries one model after the other, and ends when it has had nothing to do for
a while. It gets the manifest and the artifact's bytes, and no secret: of the environment only what Python needs.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from eddy.errors import ModelError, ModelUnavailable
from eddy.models.artifacts.manifest import Manifest

LENGTHS = struct.Struct("<QQ")  # of a manifest and an artifact, ahead of both
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
_KEPT_PREFIXES = ("LC_", "NUMBA_", "PYTHON")
_TRIES = 2  # a process that the machine's own lack of memory ended gets another chance
_MAX_READ = 4096


@dataclass(frozen=True)
class TrialLimits:
    """What a trial may use.

    Attributes:
        cpu_seconds: of processor time; what is of any use takes a few, compiling included.
        seconds: by the clock, on a machine that may be busy.
        memory_mb: more than the process has when it is ready.
        idle_seconds: without a model to try, after which it ends.
    """

    cpu_seconds: int = 60
    seconds: float = 300.0
    memory_mb: int = 2048
    idle_seconds: float = 60.0


class TrialProcess:
    """Try models one at a time.

    Args:
        limits: of each trial.
    """

    def __init__(self, limits: TrialLimits | None = None) -> None:
        self._limits = limits or TrialLimits()
        self._process: subprocess.Popen[bytes] | None = None
        self._said = b""  # read and not yet used
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process unless it runs; it gets ready beside whatever else there is to do.

        Raises:
            ModelUnavailable: there is no interpreter to start.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        limits = self._limits
        arguments = [str(limits.cpu_seconds), str(limits.memory_mb), str(limits.idle_seconds)]
        try:
            self._process = subprocess.Popen(
                [_interpreter(), "-m", "eddy.models.serving.trial_worker", *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), bufsize=0,
            )  # fmt: skip
        except OSError as error:
            raise ModelUnavailable(f"no process to try models in can be started: {error}") from None

    def check(self, manifest: Manifest, content: bytes) -> None:
        """Try a model.

        Raises:
            ModelError: it is refused, or was the end of the process that tried it; says why.
            ModelUnavailable: no process to try it in can be started.
        """
        where = f"model {manifest.name} version {manifest.version}"
        with self._lock:
            for last in (False, True):
                try:
                    refused = self._ask(manifest, content)
                except _ProcessEnded as ended:
                    self.close()
                    if not ended.began:
                        raise ModelUnavailable(f"{where}: cannot be tried: {ended}") from None
                    if last or ended.final:
                        raise ModelError(
                            f"{where}: {ended} while it was tried; take a smaller or a sound model"
                        ) from None
                    continue
                if refused:
                    raise ModelError(refused)
                return

    def close(self) -> None:
        """End the process."""
        process, self._process, self._said = self._process, None, b""
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _ask(self, manifest: Manifest, content: bytes) -> str:
        """Return why a model is refused, or nothing."""
        self.start()
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise _ProcessEnded("its process has no pipes", began=False, final=True)
        ends = time.monotonic() + self._limits.seconds
        head = manifest.to_json()
        answers = process.stdout.fileno()
        ready = self._line(answers, ends)
        if ready != b"ready":
            raise self._ended(process, began=False)
        with contextlib.suppress(BrokenPipeError):  # it has ended: the answer says so
            for part in (LENGTHS.pack(len(head), len(content)), head, content):
                _write(process.stdin.fileno(), part)
        answer = self._line(answers, ends)
        if answer is None:
            late = time.monotonic() >= ends
            raise self._ended(process, began=True, late=late)
        return answer.decode(errors="replace")

    def _line(self, answers: int, ends: float) -> bytes | None:
        """Return a line of the process; None where it ends, or its time is up."""
        while b"\n" not in self._said:
            left = ends - time.monotonic()
            if left <= 0 or not select.select([answers], [], [], left)[0]:
                return None
            part = os.read(answers, _MAX_READ)
            if not part:
                return None
            self._said += part
        line, _, self._said = self._said.partition(b"\n")
        return line

    def _ended(self, process: subprocess.Popen[bytes], began: bool, late: bool = False) -> _ProcessEnded:
        limits = self._limits
        if late:
            return _ProcessEnded(f"nothing came within {limits.seconds:g} s", began, final=True)
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return _ProcessEnded("its process closed its output", began, final=False)
        if code == -signal.SIGXCPU:
            return _ProcessEnded(f"its process used up {limits.cpu_seconds} s of processor time", began, final=True)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return _ProcessEnded(f"its process ended with {name}", began, final=False)


class _ProcessEnded(Exception):
    """Tell that the process is no more; ``final``: another one would end alike."""

    def __init__(self, text: str, began: bool, final: bool) -> None:
        super().__init__(text)
        self.began, self.final = began, final


def _write(descriptor: int, part: bytes) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(descriptor, view) :]


def _interpreter() -> str:
    """Return this program's Python; where it is embedded in another program, the one that it belongs to."""
    known = [Path(sys.executable or "")]
    known += [Path(base) / "bin" / "python3" for base in (sys.prefix, sys.exec_prefix, sys.base_prefix)]
    for candidate in known:
        if candidate.name.startswith("python") and candidate.exists():
            return str(candidate)
    found = shutil.which("python3")
    if found is None:
        raise ModelUnavailable("no Python interpreter to try models with is found")
    return found


def _environment() -> dict[str, str]:
    """Return what the process may see: the same packages, one thread, no secrets."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **threads, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
