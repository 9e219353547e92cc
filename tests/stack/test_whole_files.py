"""Check that a file is replaced as a whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from eddy.stack import logs, whole_files


def test_file_has_its_content_and_rights(tmp_path: Path) -> None:
    public, private = tmp_path / "new" / "public", tmp_path / "new" / "private"
    before = os.umask(0o022)
    try:
        whole_files.write(public, "über")
        whole_files.write(private, "secret", private=True)
        whole_files.write(private, "secret two", private=True)
    finally:
        os.umask(before)
    assert (public.read_text(encoding="utf-8"), private.read_text()) == ("über", "secret two")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (public, private)] == [0o644, 0o600]
    assert sorted(path.name for path in public.parent.iterdir()) == ["private", "public"]


def test_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    whole_files.write(file, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        whole_files.write(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    file, contents = tmp_path / "file", ["a" * 300_000, "b" * 300_000]
    whole_files.write(file, contents[0])
    done = threading.Event()

    def write() -> None:
        for number in range(60):
            whole_files.write(file, contents[number % 2])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    read = {file.read_text()}
    while not done.is_set():
        read.add(file.read_text())
    thread.join()
    assert read <= set(contents)


def test_large_logs_are_begun_anew_and_few_old_ones_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST_BYTES", 100)
    log, out, other = tmp_path / "redis.log", tmp_path / "dashboard.out", tmp_path / "jobmanager.log"
    other.write_text("o" * 500)  # log4j2 rotates it
    with out.open("ab") as writer:  # as the process does that prints into it
        for number in range(logs.KEPT + 2):
            log.write_text(str(number) * 200)
            writer.write(str(number).encode() * 200)
            writer.flush()
            logs.rotate(tmp_path)
        writer.write(b"next")
    assert out.read_bytes() == b"next", "written where the file begins, not behind a hole"
    for name in ("redis.log", "dashboard.out"):
        kept = sorted(path.name for path in tmp_path.glob(f"{name}.*"))
        assert kept == [f"{name}.{number}" for number in range(1, logs.KEPT + 1)]
        assert (tmp_path / f"{name}.1").read_text() == str(logs.KEPT + 1) * 200
    assert other.read_text() == "o" * 500
