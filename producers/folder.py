"""Watch a folder and stream every new CSV file exactly once, as a Spark file stream would.

A file counts once it is complete: it has not changed between two polls (writers that move a finished file into the
folder are safe in any case), its name matches, and does not begin with ``.`` or ``_``. Finished files are remembered in
a small state file, so a restart goes on where the last run ended: a stop in the middle of a file resumes after what
Kafka confirmed. Only a crash can send some of a file's last rows twice; the job drops such exact duplicates. A file is
known by its name: one that is changed after it was streamed is not streamed again; a message says so once.
"""

from __future__ import annotations

import fnmatch
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.reader import read_csv
from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError
from eddy.observation import Observations
from eddy.producers.csv_file import in_time_order
from eddy.producers.source import Blocks, Sync

STATE_NAME = ".eddy-folder.json"
STATE_SCHEMA = 1
BROKEN_FOLDER = "_broken"
DELIVER_EVERY = 100_000  # observations after which the place within a large file is remembered


@dataclass
class FileState:
    """Hold the progress of one file. ``sent`` observations of it have reached Kafka."""

    size: int
    mtime_ns: int
    sent: int = 0
    done: bool = False
    error: str = ""


class FolderState:
    """Remember which files of a watched folder are done. The record is written whole, then moved into place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, FileState] = {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self.files = {name: FileState(**entry) for name, entry in content["files"].items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"state file {path}: cannot be used ({error}); move it away to stream all files again, "
                "or name another with --state"
            ) from None

    def save(self) -> None:
        """Write the record. Until this returns, a crash finds the old content."""
        content = {"schema": STATE_SCHEMA, "files": {name: asdict(entry) for name, entry in self.files.items()}}
        new = self.path.with_name(self.path.name + ".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise DataError(
                f"state file {self.path}: cannot be written: {error.strerror}; name another place with --state"
            ) from None


class FolderSource:
    """Stream the files of a folder without end (or, with ``once``, those that are there).

    Args:
        folder: the folder to watch, without its subfolders.
        layout: columns of the files.
        pattern: names of the files that count.
        state: the state file; default: in the folder.
        poll_seconds: time between two polls, which is also how long a file must not have changed.
        once: end when every file that is there has been streamed.
        strict: a file with a bad row is broken.
        stop: ends the watch.
        notify: takes one line for each thing that happens to a file.
    """

    def __init__(
        self,
        folder: Path,
        layout: CsvLayout,
        *,
        pattern: str = "*.csv",
        state: Path | None = None,
        poll_seconds: float = 1.0,
        once: bool = False,
        strict: bool = False,
        stop: threading.Event | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder}: is not a folder; make it first, or name the one to watch")
        self.folder, self.layout, self.pattern = folder, layout, pattern
        self.poll_seconds, self.once, self.strict = poll_seconds, once, strict
        self.stop, self.notify = stop or threading.Event(), notify
        self.state = FolderState(state or folder / STATE_NAME)
        self.skipped = Skipped()
        self.files_done = 0
        self._seen: dict[str, tuple[int, int, float]] = {}  # size, time of change, when we first saw both
        self._current: tuple[FileState, int] | None = None  # the file on its way, and its place at the last delivery
        self._notified: set[str] = set()

    @property
    def total(self) -> int | None:
        return None

    def blocks(self) -> Blocks:
        while not self.stop.is_set():
            ready, waiting = self._poll()
            for path in ready:
                yield from self._file(path)
                if self.stop.is_set():
                    return
            if ready:
                continue  # others may have come meanwhile
            if self.once and not waiting:
                return
            self.stop.wait(self.poll_seconds)

    def _poll(self) -> tuple[list[Path], bool]:
        """Return files that are new and complete, oldest first, and whether others may become so."""
        ready: list[tuple[int, str, Path]] = []
        waiting = False
        clock = time.monotonic()
        now: dict[str, tuple[int, int, float]] = {}
        for path in self._candidates():
            try:
                stat = path.stat()
            except OSError:
                continue  # moved away between listing and looking
            version, known = (stat.st_size, stat.st_mtime_ns), self.state.files.get(path.name)
            if known and (known.done or known.error):
                if version != (known.size, known.mtime_ns):
                    self._emit_once(
                        f"{path}: has changed since it was streamed; not streamed again, rename it if it should be"
                    )
                continue
            if not stat.st_size:
                continue  # made, but not written yet
            before = self._seen.get(path.name)
            since = before[2] if before and before[:2] == version else clock
            now[path.name] = (*version, since)
            if clock - since >= self.poll_seconds:
                ready.append((stat.st_mtime_ns, path.name, path))
            else:
                waiting = True
        self._seen = now
        return [path for _, _, path in sorted(ready)], waiting

    def _candidates(self) -> list[Path]:
        try:
            entries = list(self.folder.iterdir())
        except OSError as error:
            self._emit_once(f"{self.folder}: cannot be read: {error.strerror}; still trying")
            return []
        state = self.state.path.name
        return [
            entry
            for entry in entries
            if fnmatch.fnmatch(entry.name, self.pattern)
            and not entry.name.startswith((".", "_"))
            and entry.name != state
            and entry.is_file()
        ]

    def _file(self, path: Path) -> Blocks:
        """Stream one whole file: it is read to its end before anything is sent, so a broken one sends nothing."""
        started = time.monotonic()
        size, mtime_ns, _ = self._seen.pop(path.name)
        skipped = Skipped(strict=self.strict)
        try:
            blocks = in_time_order(list(read_csv(path, self.layout, skipped)))
            if skipped.rows and not blocks:
                raise DataError(f"no usable row; {skipped.examples[0]}")
            stat = path.stat()
        except DataError as error:
            self._set_aside(path, FileState(size, mtime_ns, error=str(error)))
            return
        except OSError:
            return  # gone while we read it: not ours any more
        if (stat.st_size, stat.st_mtime_ns) != (size, mtime_ns):
            return  # still being written: the next polls decide
        self.skipped.join(skipped)
        entry = self.state.files.setdefault(path.name, FileState(size, mtime_ns))
        if (entry.size, entry.mtime_ns) != (size, mtime_ns):  # it was changed between a stop and this run
            entry.size, entry.mtime_ns, entry.sent = size, mtime_ns, 0
        at = resume = entry.sent
        whole = sum(map(len, blocks))
        for block in _after(blocks, resume):
            self._current = (entry, entry.sent)
            yield block
            at += len(block)
            if at - entry.sent >= DELIVER_EVERY:
                yield Sync.DELIVER
                entry.sent = at
                self.state.save()
        yield Sync.DELIVER
        self._current = None
        entry.sent, entry.done = whole, True
        self.state.save()
        self.files_done += 1
        bad = f", {skipped.rows:,} bad rows skipped ({skipped.examples[0]})" if skipped.rows else ""
        self.notify(f"{path.name}: {at - resume:,} observations in {time.monotonic() - started:.1f} s{bad}")

    def confirm(self, sent: int) -> None:
        """Record that ``sent`` observations have reached Kafka since the last delivery, and no more will be sent."""
        if self._current:
            entry, place = self._current
            entry.sent = place + sent
            self.state.save()

    def _set_aside(self, path: Path, entry: FileState) -> None:
        self.skipped.files += 1
        self.state.files[path.name] = entry
        self.state.save()
        place = path.parent / BROKEN_FOLDER
        try:
            place.mkdir(exist_ok=True)
            path.replace(_free_name(place / path.name))
            where = f"moved to {place}"
        except OSError:
            where = "left where it is"
        else:
            # A repaired file may come back under the same name.
            del self.state.files[path.name]
            self.state.save()
        self.notify(f"BROKEN {path.name}: {entry.error} ({where})")

    def _emit_once(self, text: str) -> None:
        if text not in self._notified:
            self._notified.add(text)
            self.notify(text)


def _after(blocks: Sequence[Observations], count: int) -> Iterator[Observations]:
    """Yield the blocks without their first ``count`` observations."""
    for block in blocks:
        if len(block) > count:
            yield block[count:]
        count = max(0, count - len(block))


def _free_name(path: Path) -> Path:
    """Return the path, or a free one beside it: a file set aside before must not be lost."""
    number = 1
    free = path
    while free.exists():
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
        number += 1
    return free
