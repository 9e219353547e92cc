"""Try the models that come on standard input: the other end of :mod:`eddy.models.serving.trial`.

Says ``ready``, reads a manifest and an artifact, and answers with a line: empty where the model can be used, else why
it is refused; and so on.
"""

from __future__ import annotations

import os
import resource
import select
import sys

from eddy.errors import EddyError
from eddy.models.artifacts.manifest import Manifest
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.trial import LENGTHS

_MOST = 1 << 30  # bytes that are ever read at once
_NICENESS = 10
_MB = 1024 * 1024


def main(cpu_seconds: int, memory_mb: int, idle_seconds: float) -> None:
    """Serve until nothing comes any more."""
    source, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what a detector prints is no answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.nice(_NICENESS)  # the job has priority
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = _address_space() + memory_mb * _MB
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    while True:
        os.write(answers, b"ready\n")
        if not select.select([source], [], [], idle_seconds)[0]:
            return
        lengths = _read(source, LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return
        manifest, content = (_read(source, length) for length in LENGTHS.unpack(lengths))
        _limit_time(cpu_seconds)
        os.write(answers, _line(_refusal(manifest, content, memory_mb)))


def _refusal(manifest: bytes, content: bytes, memory_mb: int) -> str:
    """Return why a model cannot be used, or nothing."""
    try:
        load_model(Manifest.from_json(manifest), content)
    except EddyError as error:
        return str(error) or type(error).__name__
    except MemoryError:
        return f"the model needs more than {memory_mb} MB to be loaded and tried; take a smaller one"
    except Exception as error:  # whatever it provokes
        return f"{type(error).__name__}: {error}"
    return ""


def _line(text: str) -> bytes:
    """Return one line of bytes that is short enough for any pipe."""
    return text.replace("\n", " ").encode(errors="replace")[:2000] + b"\n"


def _limit_time(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, hard))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _read(source: int, length: int) -> bytes:
    if length > _MOST:
        return b""
    parts = []
    while length and (part := os.read(source, min(length, _MB))):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
