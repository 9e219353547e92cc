"""Check the study's cache and tables, and labels of one's own CSV files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import DataError
from eddy.training.data import datasets
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.code_digest import digest
from eddy.training.evaluation.result_cache import Cache
from eddy.training.evaluation.runs.csv_files import recordings_of
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.evaluation.study.cold_start import first_row_study, section, section_of, with_section
from eddy.training.evaluation.study.results_document import STREAM_COLUMNS, page, table
from eddy.training.evaluation.study.study import stream_study


def recording(at: int = 900) -> Recording:
    values = np.sin(np.arange(1200) / 10)
    values[at] = 9
    ts = np.arange(1200, dtype=np.int64) * 60_000
    return Recording(f"s{at}", ts, values[:, None], ("value",), 200, (Event(at - 5, at + 5),))


def quiet(what: str, share: float) -> None:
    """No progress."""


def test_second_study_reads_the_stored_results(tmp_path: Path) -> None:
    cache, chosen = Cache(tmp_path), entrants(["zscore", "uniform-noise"])
    first = stream_study(cache, "made", chosen, [recording()], quiet)
    assert [(r["detector"], r["seed"]) for r in first] == [("zscore", 0)] + [("uniform-noise", s) for s in (0, 1, 2)]
    stored = sorted(tmp_path.glob("*.json"))
    content = json.loads(stored[-1].read_text())
    stored[-1].write_text(json.dumps(content | {"seconds": 12345.0}))
    assert 12345.0 in [r["seconds"] for r in stream_study(cache, "made", chosen, [recording()], quiet)]
    other = [replace(chosen[0], window=50)]
    stream_study(cache, "made", other, [recording()], quiet)
    stream_study(cache, "made", chosen[:1], [recording(800)], quiet)
    assert len(list(tmp_path.glob("*.json"))) == len(stored) + 2


def test_detectors_whose_members_are_named_in_one_text_are_studied(tmp_path: Path) -> None:
    rows = stream_study(Cache(tmp_path), "made", entrants(["rarity"]), [recording()], quiet)
    assert [r["detector"] for r in rows] == ["rarity"]


def test_code_that_a_result_depends_on_is_never_silently_left_out() -> None:
    assert digest(["eddy.training.evaluation.runs.nab"], []) != digest(["eddy.training.evaluation.runs.ucr"], [])
    with pytest.raises(ModuleNotFoundError, match=r"evaluation\.nab_run"):
        digest(["eddy.training.evaluation.nab_run"], [])


def test_tables_show_mean_and_spread_best_first(tmp_path: Path) -> None:
    rows = stream_study(Cache(tmp_path), "made", entrants(["uniform-noise", "zscore"]), [recording()], quiet)
    text = table(rows, STREAM_COLUMNS, lambda r: r["events"]["recall"])
    lines = text.splitlines()
    assert lines[2].startswith("| zscore | 1.000 ")
    assert "±" in lines[3]
    whole = page("eddy evaluate study", {"power": rows}, {"zscore": "window 100"}, ["novelty"])
    assert "eddy evaluate study" in whole
    assert "Not run this time: novelty" in whole


def test_results_page_keeps_the_sections_of_other_commands(tmp_path: Path) -> None:
    rows = first_row_study(entrants(["zscore"]), [recording(), recording(800)], quiet)
    text = section("eddy evaluate first-row", rows, 1)
    assert "| zscore | 1.000 " in text
    whole = with_section("# Results\n\nrest\n", text)
    assert section_of(whole) == text
    assert with_section(whole, text) == whole
    assert with_section(whole, "").strip() == "# Results\n\nrest"
    assert section_of("# Results\n") == ""


def test_both_label_formats_are_read_and_unknown_series_refused(tmp_path: Path) -> None:
    data = tmp_path / "a.csv"
    rows = "\n".join(f"2024-01-01 00:{m:02d}:00,{m}" for m in range(60))
    data.write_text(f"time,value\n{rows}\n")
    span = ["2024-01-01 00:30:00", "2024-01-01 00:35:30"]  # an edge need not be a row
    windows, own = tmp_path / "w.json", tmp_path / "l.json"
    windows.write_text(json.dumps({"group/a.csv": [span]}))
    own.write_text(json.dumps({"labels": [{"series": "a", "start": span[0], "end": span[1], "kind": "spike"}]}))
    loaded = datasets.load(data)
    assert recordings_of(loaded, 0.15, windows)[0].events == (Event(30, 35),)
    assert recordings_of(loaded, 0.15, own)[0].events == (Event(30, 35, "spike"),)
    assert recordings_of(loaded, 0.15)[0].events == ()
    own.write_text(json.dumps({"labels": [{"series": "b", "start": span[0], "end": span[1]}]}))
    with pytest.raises(DataError, match="none of them"):
        recordings_of(loaded, 0.15, own)
    own.write_text("[1]")
    with pytest.raises(DataError, match="expected"):
        recordings_of(loaded, 0.15, own)


def test_repeated_and_disordered_rows_of_a_csv_file_count_once() -> None:
    ts = np.arange(300, dtype=np.int64) * 600_000
    values = np.random.default_rng(0).normal(20, 1, (300, 1))
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(300), 2))
    (plain,), (messy,) = (
        recordings_of(Dataset(("value",), (RawSeries("a", *rows),)), 0.15)
        for rows in ((ts, values), (ts[order], values[order]))
    )
    assert (messy.start, messy.ts.tolist()) == (plain.start, plain.ts.tolist())
    np.testing.assert_array_equal(messy.values, plain.values)
