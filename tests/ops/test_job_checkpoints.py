"""Check which checkpoints a job can be resumed from, and which are removed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from eddy.ops import job_checkpoints
from eddy.ops.job_checkpoints import complete_checkpoints, remove_old
from eddy.stack.local import Stack

WHOLE = bytes.fromhex("4960672d00000004") + b"rest"


def stack_in(folder: Path) -> Stack:
    return cast(Stack, SimpleNamespace(folder=folder))  # checkpoints need nothing else of a stack


def checkpoint(folder: Path, job: str, name: str, content: bytes | None = WHOLE) -> str:
    place = folder / "flink" / "checkpoints" / job / name
    place.mkdir(parents=True)
    if content is not None:
        (place / "_metadata").write_bytes(content)
    return place.as_uri()


def test_checkpoints_are_listed_by_number_without_the_incomplete_ones(tmp_path: Path) -> None:
    wanted = [checkpoint(tmp_path, "a", name) for name in ("chk-10", "chk-9", "chk-2")]
    checkpoint(tmp_path, "a", "chk-11", None)
    checkpoint(tmp_path, "a", "chk-12", b"")
    checkpoint(tmp_path, "a", "chk-13", b"\0" * 100)
    checkpoint(tmp_path, "b", "chk-99")
    assert complete_checkpoints(stack_in(tmp_path), "a") == wanted
    assert complete_checkpoints(stack_in(tmp_path), "none") == []


def test_folders_of_old_jobs_are_removed_and_those_in_use_are_kept(tmp_path: Path) -> None:
    count = job_checkpoints.KEPT_JOBS + 4
    jobs = [f"{number:032x}" for number in range(count)]
    for age, job in enumerate(jobs):  # the first is the newest
        checkpoint(tmp_path, job, "chk-1")
        os.utime(tmp_path / "flink" / "checkpoints" / job, (1e9 - age, 1e9 - age))
    oldest, restored_from = jobs[-1], jobs[-2]
    needed = [oldest, (tmp_path / "flink" / "checkpoints" / restored_from / "chk-1").as_uri(), ""]
    assert remove_old(stack_in(tmp_path), needed) == jobs[job_checkpoints.KEPT_JOBS : -2]
    left = {path.name for path in (tmp_path / "flink" / "checkpoints").iterdir()}
    assert left == {*jobs[: job_checkpoints.KEPT_JOBS], oldest, restored_from}
    assert remove_old(stack_in(tmp_path / "never-started"), needed) == []
