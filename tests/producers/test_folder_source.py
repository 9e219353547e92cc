from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eddy.csv_files.layout import CsvLayout
from eddy.errors import DataError
from eddy.producers.csv_file import CsvSource, Order
from eddy.producers.folder import BROKEN_FOLDER, STATE_NAME, FolderSource
from eddy.producers.pace import Pace
from eddy.producers.report import Report
from eddy.producers.sender import send
from eddy.settings import Settings

FLAT_OUT = Pace()
HEAD = "ts,value\n"


class Recorder:
    """A transport that keeps what it is given, and asks to stop after so many messages."""

    name = "recorder"

    def __init__(self, stop: threading.Event | None = None, after: int = 10**9, broken: bool = False) -> None:
        self.refused: Counter[str] = Counter()
        self.undelivered: Counter[str] = Counter({"broken": 1} if broken else {})
        self.messages: list[dict[str, Any]] = []
        self.stop, self.after = stop, after

    def send(self, keys: list[bytes], values: list[bytes]) -> None:
        self.messages += [json.loads(value) for value in values]
        if self.stop and len(self.messages) >= self.after:
            self.stop.set()

    def wait_for_room(self, seconds: float) -> bool:
        return seconds > 0

    def flush(self, seconds: float) -> int:
        del seconds
        return 0

    def close(self) -> None:
        pass


def watch(
    folder: Path,
    recorder: Recorder | None = None,
    pace: Pace = FLAT_OUT,
    stop: threading.Event | None = None,
    **options: Any,
) -> tuple[list[Any], list[str], Report]:
    """Stream what is in the folder; values, what was said, and the report."""
    said: list[str] = []
    recorder = recorder or Recorder()
    layout = options.pop("layout", CsvLayout())
    options = {"once": True, "poll_seconds": 0.02} | options
    source = FolderSource(folder, layout, notify=said.append, stop=stop, **options)
    report = send(source, Settings(), pace, stop=stop, transport=recorder)
    return [m.get("value", m.get("values")) for m in recorder.messages], said, report


def rows(first: int, count: int) -> str:
    return "".join(f"{1_700_000_000 + i},{i}\n" for i in range(first, first + count))


def test_each_new_file_is_streamed_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 3))
    (tmp_path / "notes.txt").write_text("not this")
    (tmp_path / ".hidden.csv").write_text(HEAD + rows(90, 1))
    (tmp_path / "_temporary.csv").write_text(HEAD + rows(90, 1))
    values, said, _ = watch(tmp_path)
    assert values == [0, 1, 2]
    assert said[0].startswith("a.csv: 3 observations")
    (tmp_path / "b.csv").write_text(HEAD + rows(3, 2))
    assert watch(tmp_path)[0] == [3, 4]
    assert watch(tmp_path)[0] == []


def test_files_without_header_use_the_configured_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sensor-1;2024-01-01;5;x\n")
    layout = CsvLayout(columns=("id", "day", "v", "note"), series="id", time=("day",), values=("v",))
    assert watch(tmp_path, layout=layout)[0] == [5]


def test_broken_file_is_moved_aside_and_the_others_are_streamed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("no,such\n1,2\n")
    (tmp_path / "b.csv").write_text(HEAD + "when,1\n")
    (tmp_path / "c.csv").write_text(HEAD + "oops,1\n" + rows(7, 1))
    values, said, report = watch(tmp_path)
    assert values == [7]
    text = "\n".join(said)
    assert "BROKEN a.csv" in text
    assert "no time column" in text
    assert "BROKEN b.csv" in text
    assert "no usable row" in text
    assert "c.csv: 1 observations" in text
    assert "1 bad rows skipped" in text
    assert report.skipped == 1
    assert sorted(p.name for p in (tmp_path / BROKEN_FOLDER).iterdir()) == ["a.csv", "b.csv"]
    (tmp_path / "a.csv").write_text(HEAD + rows(8, 1))  # repaired, under its old name
    assert watch(tmp_path)[0] == [8]


def test_strict_sends_nothing_of_a_file_with_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 2) + "oops,1\n")
    values, said, _ = watch(tmp_path, strict=True)
    assert values == []
    assert "a.csv line 4" in said[0]


def test_second_broken_file_of_the_same_name_is_kept_too(tmp_path: Path) -> None:
    for text in ("one,x\n", "two,x\n"):
        (tmp_path / "a.csv").write_text(text)
        watch(tmp_path)
    assert {p.read_text() for p in (tmp_path / BROKEN_FOLDER).iterdir()} == {"one,x\n", "two,x\n"}


def test_file_that_is_still_growing_is_not_read_yet(tmp_path: Path) -> None:
    path, stop = tmp_path / "a.csv", threading.Event()
    said: list[str] = []
    path.write_text(HEAD + rows(0, 1))
    looks: list[Any] = []

    class Growing(FolderSource):
        def _poll(self) -> Any:
            found = super()._poll()
            looks.append(found)
            if len(looks) <= 3:  # grows between the first looks
                with path.open("a") as file:
                    file.write(rows(len(looks), 1))
            return found

    recorder = Recorder(stop, after=4)
    source = Growing(tmp_path, CsvLayout(), poll_seconds=0.02, once=True, stop=stop, notify=said.append)
    send(source, Settings(), Pace(), stop=stop, transport=recorder)
    assert [m["value"] for m in recorder.messages] == [0, 1, 2, 3]
    assert len(looks) > 3


def test_empty_file_is_read_once_it_has_content(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert watch(tmp_path)[0] == []
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 1))
    assert watch(tmp_path)[0] == [0]


def test_stopped_file_resumes_where_it_stopped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 50))
    stop = threading.Event()
    first, _, report = watch(tmp_path, Recorder(stop, after=20), Pace(speed=1000), stop=stop)
    assert report.stopped
    assert 20 <= len(first) < 50
    rest, _, _ = watch(tmp_path)
    assert first + rest == list(range(50))


def test_undelivered_rows_are_sent_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 3))
    _, _, report = watch(tmp_path, Recorder(broken=True))
    assert report.failed == {"broken": 1}
    assert watch(tmp_path)[0] == [0, 1, 2]


def test_changed_file_is_not_streamed_again_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 1))
    watch(tmp_path)
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 5))
    values, said, _ = watch(tmp_path)
    assert values == []
    assert len(said) == 1
    assert "has changed since it was streamed" in said[0]


def test_file_that_arrives_while_watching_is_streamed(tmp_path: Path) -> None:
    stop = threading.Event()
    recorder = Recorder(stop, after=2)
    (tmp_path / "a.csv").write_text(HEAD + rows(0, 1))
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(watch(tmp_path, recorder, stop=stop, once=False)))
    thread.start()
    try:
        new = tmp_path / "b.tmp"
        new.write_text(HEAD + rows(1, 1))
        new.rename(tmp_path / "b.csv")
        assert stop.wait(20)
    finally:
        stop.set()
        thread.join(20)
    assert [m["value"] for m in recorder.messages] == [0, 1]


@pytest.mark.parametrize("content", ["{", "[]", '{"files": {"a.csv": {"wrong": 1}}}'])
def test_a_broken_state_file_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE_NAME).write_text(content)
    with pytest.raises(DataError, match=r"state file .* cannot be used"):
        FolderSource(tmp_path, CsvLayout())


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        FolderSource(tmp_path / "nope", CsvLayout())


def test_files_set_aside_and_a_file_without_a_usable_row_count_as_lost(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(HEAD + rows(0, 2))
    assert not watch(tmp_path)[2].lost
    assert not watch(tmp_path)[2].lost  # nothing new: nothing lost
    (tmp_path / "bad.csv").write_text(HEAD + "when,1\n")
    report = watch(tmp_path)[2]
    assert (report.lost, report.skipped_files) == (True, 1)
    assert "FAILED 1 files, which could not be used" in report.lines()


@pytest.mark.parametrize("order", ["time", "file"])
def test_csv_files_of_which_nothing_could_be_used_count_as_lost(tmp_path: Path, order: Order) -> None:
    path = tmp_path / "a.csv"

    def sent(text: str) -> Report:
        path.write_text(text)
        return send(CsvSource([path], order=order), Settings(), FLAT_OUT, transport=Recorder())

    assert not sent(HEAD + rows(0, 2) + "oops,1\n").lost
    report = sent(HEAD + "oops,1\n" * 900)
    assert (report.lost, report.events, report.skipped) == (True, 0, 900)
    assert report.lines()[-1] == "FAILED: no row could be used, so nothing was sent"
    with pytest.raises(DataError, match=r"a\.csv: no row of data below the header"):
        sent(HEAD)
