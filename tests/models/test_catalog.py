"""Check that detectors and thresholds of other packages are found, and that broken ones are in nobody's way."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from eddy import plugins
from eddy.errors import ModelError, SettingsError
from eddy.models.catalog import DETECTORS, THRESHOLDS, threshold_from_params
from eddy.models.core.detector import Detector
from eddy.models.core.parameters import described
from eddy.models.core.threshold import Threshold
from eddy.models.detectors.lstm.encdec_ad import EncDecParameters
from eddy.models.detectors.zscore import RollingZScore
from tests.models.plugin_package import python, write_package

MINE = '''
from dataclasses import dataclass

from eddy.models.core.detector import Detector
from eddy.models.detectors.zscore import RollingZScore


@dataclass(frozen=True)
class MineParameters:
    """Parameters.

    Attributes:
        speed: how fast it is.
        loud: whether it shouts.
    """

    speed: int = 3
    loud: bool = False


class Mine(RollingZScore):
    """A z-score of somebody else."""

    kind = "mine"
    parameters = MineParameters
'''
POINTS = """[eddy.detectors]
mine = mine_package.mine:Mine
broken = mine_package.broken:Broken
wrong-name = mine_package.mine:Mine
no-detector = mine_package.mine:MineParameters
zscore = mine_package.mine:Mine
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    files = {
        "mine_package/__init__.py": "",
        "mine_package/mine.py": MINE,
        "mine_package/broken.py": "import no_such_module",
    }
    write_package(folder, "mine_package", files, POINTS)
    return folder


def test_detector_of_another_package_trains_is_described_and_loads_in_the_job(package: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=600)
    rows = "\n".join(f"{1735689600 + t * 60},{v}" for t, v in enumerate(values))
    (tmp_path / "data.csv").write_text(f"timestamp,value\n{rows}\n")
    command = ("-m", "eddy.cli", "train", "--detector", "mine")
    shown = python(package, *command, "--help").stdout
    assert "how fast it is" in shown
    assert "--speed" in shown
    for option in (("--speed", "5"), ("--loud",), ("--param", "speed=5")):
        python(package, *command, "--data", str(tmp_path / "data.csv"), "--out", str(tmp_path / "m"), *option)
    wrong = python(
        package, *command, "--data", str(tmp_path / "data.csv"), "--out", str(tmp_path), "--speed", "x", check=False
    )
    assert (wrong.returncode, "speed" in wrong.stderr) == (2, True)
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    assert (manifest["detector"], manifest["training"]["params"]) == ("mine", {"speed": 5})
    code = (
        "import sys; from pathlib import Path\n"
        "from eddy.training.fitting import artifacts\n"
        "from eddy.models.serving.model_set import load_model\n"
        "print(type(load_model(*artifacts.read(Path(sys.argv[1]))).detector).__module__)"
    )
    assert python(package, "-c", code, str(tmp_path / "m")).stdout.strip() == "mine_package.mine"


def test_broken_package_names_itself_and_others_go_on(package: Path) -> None:
    code = """
from eddy.errors import SettingsError
from eddy.models.catalog import DETECTORS
for name in ("broken", "wrong-name", "no-detector", "mine", "zscore"):
    try:
        print(name, DETECTORS.get(name).__module__)
    except SettingsError as error:
        print(name, error)
print("usable", [name for name, _ in DETECTORS.usable() if name in ("mine", "zscore", "broken")])
"""
    done = python(package, "-c", code)
    said = done.stdout.splitlines()
    assert "package mine_package 1.0 (mine_package.broken:Broken) cannot be loaded: ModuleNotFoundError" in said[0]
    assert "its 'kind' is 'mine', expected 'wrong-name'" in said[1]
    assert "is not a subclass of eddy.models.core.detector.Detector" in said[2]
    assert said[3] == "mine mine_package.mine"
    assert said[4] == "zscore eddy.models.detectors.zscore"
    assert "'zscore' of package mine_package 1.0 is not used: Eddy has one of that name" in done.stderr
    assert said[5] == "usable ['mine', 'zscore']"


@pytest.fixture
def two_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("twice", f"package_{p}:X", "eddy.detectors") for p in "ab"]
    again = EntryPoint("once", "eddy.models.detectors.zscore:RollingZScore", "eddy.detectors")
    monkeypatch.setattr(plugins, "announced", lambda _: plugins.by_name([*points, again, again]))


@pytest.mark.usefixtures("two_packages")
def test_name_that_two_packages_claim_is_refused_and_named() -> None:
    with pytest.raises(SettingsError, match=r"'twice' is claimed by .*package_a:X and .*package_b:X"):
        DETECTORS.get("twice")
    assert DETECTORS.get("novelty").kind == "novelty"
    with pytest.raises(SettingsError, match="its 'kind' is 'zscore'"):  # found twice on the path: no clash
        DETECTORS.get("once")


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"detector 'zcore' is unknown; known: .*zscore"):
        DETECTORS.get("zcore")
    with pytest.raises(ModelError, match=r"'twelve' is unknown; known: .*spot"):
        threshold_from_params({"policy": "twelve"})


def test_shipped_names_are_known_without_importing_a_detector() -> None:
    code = (
        "import sys; from eddy.models.catalog import DETECTORS, THRESHOLDS\n"
        "assert 'zscore' in DETECTORS and 'spot' in THRESHOLDS and len(DETECTORS.names()) >= 12\n"
        "assert not [m for m in sys.modules if m.startswith(('eddy.models.detectors', 'numpy', 'numba'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("suite", ["detectors", "thresholds"])
def test_contract_suites_need_nothing_of_training_the_job_or_the_dashboard(suite: str) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'sklearn', 'pandas', 'matplotlib', 'dash', 'kafka', 'pyflink', 'redis', 'river'):\n"
        "    sys.modules[name] = None\n"
        f"import eddy.testing.{suite}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_shipped_class_is_found_under_its_name() -> None:
    for name in DETECTORS.shipped:
        assert issubclass(DETECTORS.get(name), Detector)
    for name in THRESHOLDS.shipped:
        assert issubclass(THRESHOLDS.get(name), Threshold)


def test_class_of_a_notebook_is_registered_for_a_while() -> None:
    class Own(RollingZScore):
        kind = "own"

    with DETECTORS.registered(Own):
        assert DETECTORS.get("own") is Own
    assert "own" not in DETECTORS
    with pytest.raises(SettingsError, match="Eddy has one of that name"):
        DETECTORS.register(RollingZScore)


def test_parameters_are_described_by_the_docstrings_of_their_classes() -> None:
    found = {one.name: one for one in described(EncDecParameters)}
    assert found["hidden"].text == "units of encoder and decoder."
    assert found["patience"].text == found["epochs"].text
    assert found["patience"].default == 5
    for kind in DETECTORS.shipped:
        for one in described(DETECTORS.get(kind).parameters):
            assert one.text, f"{kind}: parameter {one.name!r} is not described"
