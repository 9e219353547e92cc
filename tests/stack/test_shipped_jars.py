"""Check that jars which a wheel brings are used, as long as they were made from the sources beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from eddy.errors import StackError
from eddy.stack import jars, shipped_jars


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package with its sources and jars, on a machine without Java and Maven."""
    source = tmp_path / "src" / "eddy" / "Probe.java"
    source.parent.mkdir(parents=True)
    source.write_text("class Probe {}")
    monkeypatch.setattr(shipped_jars, "SOURCES", tmp_path / "src")
    monkeypatch.setattr(shipped_jars, "FOLDER", tmp_path / "lib")
    monkeypatch.setenv("EDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    made = [tmp_path / jars.OWN_JAR, tmp_path / f"{jars.CONNECTOR}-1.jar"]
    for jar in made:
        jar.write_bytes(b"jar")
    shipped_jars.ship(made, tmp_path / "lib")
    return tmp_path


def test_shipped_jars_are_used_and_nothing_is_fetched_or_compiled(wheel: Path) -> None:
    assert jars.flink_jars() == [wheel / "lib" / jars.OWN_JAR, wheel / "lib" / f"{jars.CONNECTOR}-1.jar"]
    assert jars.bring(("flink",)) == []
    assert not (wheel / "home").exists()


def test_broker_is_still_fetched_by_maven(wheel: Path) -> None:
    with pytest.raises(StackError, match="mvn is not installed"):
        jars.bring()


@pytest.mark.parametrize("changed", ["src/eddy/Probe.java", "src/eddy/New.java", "lib/stamp"])
def test_shipped_jars_of_other_sources_are_not_used(wheel: Path, changed: str) -> None:
    (wheel / changed).write_text("class Probe { int x; }")
    assert shipped_jars.shipped() == []
    with pytest.raises(StackError, match="run 'eddy jars' once"):
        jars.flink_jars()


def test_checkout_ships_no_jars() -> None:
    assert not shipped_jars.FOLDER.exists(), "jars in the source tree would get into images and commits"
