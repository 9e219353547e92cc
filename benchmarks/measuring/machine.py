"""Describe the machine of a measurement, and limit the cores that it uses."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eddy.stack.paths import ROOT

PACKAGES = ("apache-flink", "numpy", "numba", "torch", "scikit-learn", "orjson", "confluent-kafka")


def describe() -> dict[str, Any]:
    """Return CPU, memory, versions, commit, time and load."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "java": java.splitlines()[0] if java else "",
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": commit,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wide = [
        flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni") if flag in found.get("flags", "").split()
    ]
    return f"{found.get('model name', platform.machine())} ({', '.join(wide) or 'no AVX2'})"


def keep_to(cores: int) -> None:
    """Limit this process and all that it starts to so many cores, if there are more."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
