"""Try models in a process of their own: what kills, hangs or starves it is refused, and the caller goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import save

from eddy.errors import ModelError, ModelUnavailable
from eddy.models.artifacts import artifact
from eddy.models.serving import trial
from eddy.models.serving.trial import TrialLimits, TrialProcess
from tests.models.mutated_artifacts import Sound
from tests.models.small_models import inline, manifest

PLUGIN = """
import ctypes, os, time
import numpy as np
from eddy.models.detectors.zscore import RollingZScore

class Hostile(RollingZScore):
    kind = "zscore"

    @classmethod
    def from_state(cls, spec, arrays, params):
        what = params.get("do")
        if what == "crash":
            ctypes.string_at(0)
        if what == "hang":
            while True:
                pass
        if what == "eat":
            np.ones(1 << 33)
        if what == "print":
            print("ready")
            print(sorted(os.environ))
        if what == "look":
            raise ValueError(" ".join(name for name in os.environ if name.startswith(("EDDY", "AWS"))) or "nothing")
        return cls(spec)
"""


def hostile(do: str) -> Sound:
    good = manifest()
    header = {"schema": 1, "detector": "zscore", "spec": {"window": 4, "features": ["value"]}, "params": {"do": do}}
    content = bytes(save({}, metadata={"eddy": json.dumps(header)}))
    return Sound(replace(good, sha256=artifact.sha256(content), artifact="", uri="x"), content)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrialProcess]:
    """One process for all tests, in which the detector ``zscore`` does what its artifact says."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    (folder / "hostile.py").write_text(PLUGIN)
    (folder / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('PYTHON_HOSTILE'):\n"
        "    from eddy.models import catalog\n"
        "    catalog.DETECTORS.shipped['zscore'] = 'hostile:Hostile'\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_HOSTILE", "1")
        patch.setenv("EDDY_REGISTRY_SIGNING_KEY", "hush")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        patch.syspath_prepend(str(folder))
        found = TrialProcess(TrialLimits(cpu_seconds=3, seconds=120, memory_mb=1024))
        yield found
        found.close()


def test_sound_model_passes_and_the_process_stays(process: TrialProcess) -> None:
    good = manifest()
    process.check(good, inline(good))
    first = process._process
    process.check(good, inline(good))
    assert process._process is first


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("crash", "its process ended with SIGSEGV while it was tried"),
        ("hang", "its process used up 3 s of processor time"),
        ("eat", "needs more than 1024 MB|Unable to allocate"),
    ],
)
def test_model_that_ends_its_process_is_refused(process: TrialProcess, do: str, said: str) -> None:
    one = hostile(do)
    with pytest.raises(ModelError, match=said) as refused:
        process.check(one.manifest, one.content)
    assert not isinstance(refused.value, ModelUnavailable)
    good = manifest()
    process.check(good, inline(good))


def test_what_a_detector_prints_is_no_answer(process: TrialProcess) -> None:
    one = hostile("print")
    process.check(one.manifest, one.content)


def test_process_gets_no_secrets(process: TrialProcess) -> None:
    assert "AWS_SECRET_ACCESS_KEY" in os.environ
    one = hostile("look")
    with pytest.raises(ModelError, match="ValueError: nothing"):
        process.check(one.manifest, one.content)


def test_missing_interpreter_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_interpreter", lambda: "/nowhere/python3")
    good = manifest()
    with pytest.raises(ModelUnavailable, match="can be started"):
        TrialProcess().check(good, inline(good))


def test_interpreter_is_found_where_python_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/lib/jvm/bin/java")
    assert Path(trial._interpreter()).name.startswith("python")
