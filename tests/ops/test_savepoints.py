"""Check that a savepoint of a job with other shards is refused before the job is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from eddy.errors import SettingsError
from eddy.flink_job.operators.kept_settings import check_shards
from eddy.flink_job.wire.parsing import shard_of
from eddy.ops.savepoints import check_savepoint
from eddy.settings import JobSettings

WITH_16 = b"\x49\x60\x67\x2d\x00\x03\x00\x0eeddy.shards=16\x00\x00\x00\x01"


@pytest.mark.parametrize("given", ["{}", "file:{}", "file://{}", "{}/_metadata"])
def test_savepoint_of_other_shards_is_refused(tmp_path: Path, given: str) -> None:
    folder = tmp_path / "save point"
    folder.mkdir()
    (folder / "_metadata").write_bytes(WITH_16)
    path = given.format(folder if not given.startswith("file") else str(folder).replace(" ", "%20"))
    check_savepoint(path, JobSettings(shards=16))
    with pytest.raises(SettingsError, match=r"job\.shards: found 8, expected 16.*--set job\.shards=16"):
        check_savepoint(path, JobSettings(shards=8))


def test_savepoint_that_does_not_say_passes(tmp_path: Path) -> None:
    (tmp_path / "_metadata").write_bytes(b"of an earlier version")
    for path in ("", str(tmp_path), str(tmp_path / "none"), "s3://savepoints/savepoint-1", "hdfs:///savepoint-1"):
        check_savepoint(path, JobSettings(shards=8))


def test_restored_series_of_another_shard_are_refused() -> None:
    names = [name for name in (f"s-{k}" for k in range(200)) if shard_of(name, 16) == 3]
    check_shards([None, *names], 3, 16)
    with pytest.raises(SettingsError, match=r"job\.shards: found 12, but the state of shard 3 holds series"):
        check_shards(names, 3, 12)
