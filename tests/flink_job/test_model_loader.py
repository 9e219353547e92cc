"""Check that model versions are loaded beside the stream: slow ones do not block it, broken ones are reported."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eddy.errors import ModelError, ModelUnavailable
from eddy.flink_job.model_updates.loader import LoadResult, ModelLoader
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.serving import loaded_model, model_set
from tests.models.small_models import Level, inline, manifest

GOOD = manifest()


def loader(fetch: Callable[[Manifest], bytes] = inline, kinds: frozenset[str] = frozenset()) -> ModelLoader:
    return ModelLoader(fetch, model_set.ModelSet(kinds).runs)


def test_slow_artifact_fetch_does_not_block() -> None:
    allowed = threading.Event()

    def slow(wanted: Manifest) -> bytes:
        assert allowed.wait(30)
        return inline(wanted)

    loading = loader(slow)
    loading.ask("z", GOOD.to_json())
    assert list(loading.results()) == []
    allowed.set()
    (result,) = loading.results(wait=True)
    assert result.model is not None
    assert result.model.manifest == GOOD
    assert list(loading.results(wait=True)) == [], "nothing more is under way"


def test_loads_keep_their_order_and_repeated_versions_are_skipped() -> None:
    loading = loader()
    second = replace(GOOD, version=2)
    broken = replace(GOOD, version=3, sha256="0" * 64)
    for message in (GOOD, GOOD, second, broken, second, GOOD):
        loading.ask("z", message.to_json())
    loading.ask("z", None)
    loading.ask("z", GOOD.to_json())
    found = [(o.model.manifest.version if o.model else None, bool(o.refused)) for o in loading.results(wait=True)]
    assert found == [(1, False), (2, False), (None, True), (1, False), (None, False), (1, False)]


def test_detector_kinds_that_are_not_configured_are_not_fetched() -> None:
    loading = loader(lambda _: pytest.fail("fetched"), frozenset({"lstm-autoencoder"}))
    loading.ask("z", GOOD.to_json())
    assert list(loading.results(wait=True)) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("z", b"{", "not JSON"),
        ("z", b"[" * 100_000, "not JSON"),
        ("z", b"null", "expected a JSON object"),
        ("z", GOOD.to_json().replace(b'"schema": 1', b'"schema": 9'), "upgrade the job first"),
        ("other", GOOD.to_json(), "under the message key 'other'"),
    ],
)
def test_message_that_is_not_a_manifest_is_refused(name: str, value: bytes, said: str) -> None:
    loading = loader()
    loading.ask(name, value)
    (result,) = loading.results(wait=True)
    assert said in result.refused
    loading.ask("z", GOOD.to_json())
    assert next(loading.results(wait=True)).model is not None, "the thread goes on"


def test_unexpected_error_while_loading_is_a_refusal() -> None:
    def broken(_: Manifest) -> bytes:
        raise ZeroDivisionError

    loading = loader(broken)
    loading.ask("z", GOOD.to_json())
    assert list(loading.results(wait=True)) == [LoadResult("z", refused="ZeroDivisionError: ")]


class Away:
    """An artifact store that is away for the first tries of a version."""

    def __init__(self, **tries: int) -> None:
        self.tries = {int(name[1:]): count for name, count in tries.items()}
        self.asked: list[int] = []

    def __call__(self, wanted: Manifest) -> bytes:
        self.asked.append(wanted.version)
        self.tries[wanted.version] = self.tries.get(wanted.version, 0) - 1
        if self.tries[wanted.version] >= 0:
            reason = f"version {wanted.version} is away"
            raise ModelUnavailable(reason)
        return inline(wanted)


def retrying(fetch: Callable[[Manifest], bytes]) -> ModelLoader:
    return ModelLoader(fetch, model_set.ModelSet().runs, pauses=(0.01, 0.02))


def until_loaded(loading: ModelLoader) -> list[LoadResult]:
    found: list[LoadResult] = []
    ends = time.monotonic() + 30
    while not any(result.model for result in found):
        assert time.monotonic() < ends
        found += loading.results()
        time.sleep(0.01)
    return found


def test_artifact_that_is_away_is_fetched_again_until_it_comes() -> None:
    loading = retrying(Away(v1=3))
    loading.ask("z", GOOD.to_json())
    (first,) = loading.results(wait=True)
    assert (first.delayed, first.refused, first.pause, first.version) == ("version 1 is away", "", 0.01, 1)
    found = until_loaded(loading)
    assert [result.pause for result in found] == [0.02, 0.02, 0.0]
    assert found[-1].model is not None


def test_newer_message_takes_the_place_of_one_that_is_tried_again() -> None:
    away = Away(v1=1_000_000)
    loading = retrying(away)
    loading.ask("z", GOOD.to_json())
    list(loading.results(wait=True))
    loading.ask("z", replace(GOOD, version=2).to_json())
    assert [r.model.manifest.version for r in until_loaded(loading) if r.model] == [2]
    asked = away.asked.count(1)
    time.sleep(0.1)
    assert away.asked.count(1) == asked, "version 1 is given up"
    loading.ask("z", None)
    assert [r.model for r in loading.results(wait=True)] == [None]


def test_waiting_for_results_ends() -> None:
    allowed = threading.Event()

    def slow(wanted: Manifest) -> bytes:
        allowed.wait(30)
        return inline(wanted)

    loading = loader(slow)
    loading.ask("z", GOOD.to_json())
    assert list(loading.results(wait=True, seconds=0.05)) == []
    assert loading.under_way == 1
    allowed.set()
    assert [bool(r.model) for r in loading.results(wait=True)] == [True]


def test_artifact_is_tried_elsewhere_before_it_is_loaded() -> None:
    tried: list[int] = []

    def check(wanted: Manifest, content: bytes) -> None:
        tried.append(wanted.version)
        assert content == inline(wanted)
        if wanted.version == 2:
            reason = "model z version 2: its process ended with SIGSEGV"
            raise ModelError(reason)

    loading = ModelLoader(inline, model_set.ModelSet().runs, check)
    for version in (1, 2):
        loading.ask("z", replace(GOOD, version=version).to_json())
    found = list(loading.results(wait=True))
    assert ([bool(r.model) for r in found], tried) == ([True, False], [1, 2])
    assert "SIGSEGV" in found[1].refused


class Slow(Level):
    def _score(self, batch):
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return np.zeros(len(batch))


Slow.kind = "test-slow"


def test_slow_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    DETECTORS.register(Slow)
    slow = manifest("z", Slow(WindowSpec(4)))
    loaded_model.load_model(slow, inline(slow))  # within the limit that is shipped
    monkeypatch.setattr(loaded_model, "_SMOKE_TEST_SECONDS", 0.01)
    with pytest.raises(ModelError, match=r"takes 0\.\d s of CPU to score a batch of \d; at most 0\.01 s"):
        loaded_model.load_model(slow, inline(slow))


def test_damaged_artifacts_are_refused() -> None:
    """Bytes are changed, removed and inserted, with a matching checksum, as an attacker would publish them."""
    rng = np.random.default_rng(5)
    sound = artifact.dump(RollingZScore(WindowSpec(4)))
    loading = loader()
    for number in range(400):
        content = bytearray(sound)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(content)))
            match rng.integers(3):
                case 0:
                    content[at] = int(rng.integers(256))
                case 1:
                    del content[at : at + int(rng.integers(1, 9))]
                case _:
                    content[at:at] = rng.bytes(int(rng.integers(1, 9)))
        damaged = bytes(content)
        fields: dict[str, Any] = {"artifact": base64.b64encode(damaged).decode(), "sha256": artifact.sha256(damaged)}
        loading.ask("z", replace(GOOD, version=number + 1, **fields).to_json())
    found = list(loading.results(wait=True))
    assert len(found) == 400
    refused = [o.refused for o in found if o.refused]
    assert len(refused) > 300
    assert not [reason for reason in refused if not reason.startswith(("artifact:", "model z", "manifest:"))]
