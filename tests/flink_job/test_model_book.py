"""Check which model version a worker uses, before and after a restart, for any content of the registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eddy.errors import ModelUnavailable
from eddy.flink_job.model_updates.loader import ModelLoader
from eddy.flink_job.model_updates.version_tracker import ModelVersionTracker
from eddy.models.artifacts import artifact, signing
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.serving import model_set
from eddy.models.serving.model_set import ModelSet
from eddy.models.serving.pending_versions import OBSERVATIONS
from tests.models.small_models import inline, manifest

GOOD = manifest()
BROKEN = replace(GOOD, version=2, sha256="0" * 64)


def of(version: int, *features: str) -> Manifest:
    content = artifact.dump(RollingZScore(WindowSpec(10, 1, features)))
    wanted = replace(GOOD, version=version, features=features, window=10, sha256=artifact.sha256(content))
    return wanted.with_artifact(content)


class State(dict):
    """Flink's broadcast state, as far as it is used."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value

    def remove(self, key: str) -> None:
        self.pop(key, None)


class Worker:
    """A life of a worker: what its book tells, with the state of the life before."""

    def __init__(
        self,
        state: State,
        registry: Manifest | bytes | None = None,
        max_models: int = 1000,
        more: dict[str, bytes] | None = None,
        fetch: Callable[[Manifest], bytes] = inline,
        key: str = "",
        start_seconds: float = 30.0,
    ) -> None:
        self.models, self.state = ModelSet(), state
        self.told: list[Any] = []
        loader = ModelLoader(fetch, self.models.runs, pauses=(0.02,))
        verify = (lambda one: signing.check(one, key)) if key else None
        self.book = ModelVersionTracker(
            self.models, loader, self.told.append, lambda name: 1, verify, start_seconds, max_models
        )
        message = registry.to_json() if isinstance(registry, Manifest) else registry
        self.book.start({**(more or {}), **({} if message is None else {"z": message})})
        self.book.restore(state)

    def receive(self, *messages: Manifest | bytes | None) -> Worker:
        for message in messages:
            self.book.receive("z", message.to_json() if isinstance(message, Manifest) else message, self.state)
            self.book.adopt(wait=True)
        return self

    def observe(self, count: int, **features: float) -> None:
        columns = self.models.columns
        row = [features.get(name, np.nan) for name in columns]
        self.book.pending_versions.observe(["s"], np.zeros(count, np.int64), np.array([row] * count))
        self.book.adopt()

    def wait_for(self, version: int) -> Worker:
        ends = time.monotonic() + 30
        while self.version != version:
            assert time.monotonic() < ends
            self.book.adopt()
            time.sleep(0.01)
        return self

    @property
    def version(self) -> int | None:
        model = self.models.models.get("z")
        return model.manifest.version if model else None

    @property
    def events(self) -> list[str]:
        return [event["event"].removeprefix("model-") + str(event.get("version", "")) for event in self.told]


def test_restart_keeps_the_version_before_a_refused_one() -> None:
    state = State()
    first = Worker(state).receive(GOOD, BROKEN)
    assert (first.version, first.events) == (1, ["loaded1", "refused"])
    second = Worker(state, registry=BROKEN)
    assert second.version == 1
    assert sorted(second.events) == ["loaded1", "refused"]
    third = Worker(state, registry=b"{").receive(replace(GOOD, version=3))
    assert third.version == 3


def test_state_of_an_earlier_job_version_is_read() -> None:
    assert Worker(State({"z": GOOD.to_json()}), registry=GOOD).version == 1
    was = Worker(State({"z": BROKEN.to_json()}), registry=BROKEN)
    assert (was.version, was.events) == (None, ["refused"])


def test_withdrawn_model_is_removed_from_the_state() -> None:
    state = State()
    assert Worker(state).receive(GOOD, BROKEN, None).version is None
    assert not state
    assert Worker(state).version is None


def test_model_that_was_withdrawn_during_downtime_does_not_come_back() -> None:
    state = State()
    Worker(state).receive(GOOD, BROKEN)
    worker = Worker(state)  # the tombstone may have been compacted away: the registry just does not hold it
    assert (worker.version, worker.events) == (None, ["withdrawn"])
    assert worker.models.registered == set()
    worker.receive(replace(GOOD, version=3))
    assert (worker.version, worker.models.registered) == (3, {"z"})
    assert set(state) == {"z\n"}, "what state remembered of the withdrawn model is gone"
    assert Worker(state, registry=replace(GOOD, version=3)).events == ["loaded3"]
    worker.receive(None)
    assert (worker.models.registered, dict(state)) == (set(), {})


def test_reading_the_topic_from_the_start_loads_no_old_version() -> None:
    newest = replace(GOOD, version=3)
    worker = Worker(State(), registry=newest).receive(GOOD, replace(GOOD, version=2), newest)
    assert worker.events == ["loaded3"]
    assert worker.receive(replace(GOOD, version=2)).version == 2, "from then on every message counts"
    overtaken = Worker(State(), registry=newest).receive(replace(GOOD, version=4), newest)
    assert overtaken.events == ["loaded3", "loaded4", "loaded3"]


def test_restored_job_accepts_the_next_message_of_any_version() -> None:
    state = State()
    Worker(state).receive(replace(GOOD, version=3))
    worker = Worker(state, registry=replace(GOOD, version=3)).receive(replace(GOOD, version=2))
    assert worker.version == 2


def test_version_with_features_that_no_series_sends_is_refused_after_enough_observations() -> None:
    worker = Worker(State()).receive(of(1, "value"), of(2, "value", "load"))
    assert (worker.version, worker.events) == (1, ["loaded1"])
    worker.observe(OBSERVATIONS - 1, value=1.0)
    assert worker.version == 1
    worker.observe(1, value=1.0)
    assert (worker.version, worker.events) == (1, ["loaded1", "refused"])
    assert worker.told[-1]["reason"].startswith(
        f"model z version 2: features load: found in none of {OBSERVATIONS} observations of its series"
    )
    worker.observe(1, value=1.0, load=2.0)
    assert worker.version == 1, "refused is refused"
    again = Worker(worker.state, registry=of(2, "value", "load"))
    assert again.version == 1, "a restart does not let it in"
    again.observe(OBSERVATIONS, value=1.0)
    assert again.events == ["loaded1", "refused"]


def test_version_is_loaded_once_all_its_features_arrive() -> None:
    worker = Worker(State()).receive(of(1, "value"), of(2, "load", "wind"))
    worker.observe(1, load=2.0)
    assert worker.version == 1, "one of two"
    worker.observe(1, wind=2.0)
    assert (worker.version, worker.events) == (2, ["loaded1", "loaded2"])
    again = Worker(worker.state, registry=of(2, "load", "wind"))
    assert again.version == 1
    again.book.pending_versions.prove("z", ["load", "wind"])  # windows of it are in the keyed state
    assert again.version == 2


@pytest.mark.parametrize("last", [of(3, "value"), None, BROKEN])
def test_newer_message_replaces_a_waiting_version(last: Manifest | None) -> None:
    worker = Worker(State()).receive(of(1, "value"), of(2, "load"), last)
    worker.observe(1, load=2.0)
    assert worker.version == {3: 3, None: None, 2: 2}[last.version if last else None]


def test_state_keeps_nothing_of_what_is_refused() -> None:
    """A message that is no manifest leaves a digest; one under a name that no model can have leaves nothing."""
    state = State()
    worker = Worker(state).receive(GOOD, b"x" * 100_000)
    assert len(state["z\n"]) < 100
    worker.receive(BROKEN)
    assert set(state) == {"z", "z\n"}
    assert state["z"] == GOOD.to_json()
    for name in ("", "a b", "n" * 100_000, "z\n", "\u202e", "../z"):
        worker.book.receive(name, b"{}" + b" " * 100_000, state)
        worker.book.receive(name, None, state)
    worker.book.adopt(wait=True)
    assert set(state) == {"z", "z\n"}
    assert worker.models.registered == {"z"}
    assert max(len(event["model"]) for event in worker.told) <= 128
    again = Worker(state, registry=BROKEN)
    assert (again.version, sorted(again.events)) == (1, ["loaded1", "refused"])
    assert again.receive(replace(GOOD, version=3)).version == 3


def test_newest_message_in_the_state_of_an_earlier_job_version_is_read() -> None:
    newest = replace(BROKEN, version=3)
    state = State({"z": GOOD.to_json(), "z\n": newest.to_json()})
    worker = Worker(state, registry=newest)
    assert (worker.version, sorted(worker.events)) == (1, ["loaded1", "refused"])
    assert worker.receive(replace(GOOD, version=4)).version == 4, "the topic does not bring the refused one again"


def test_models_are_bounded_in_number() -> None:
    worker = Worker(State(), max_models=2)
    for name in ("a", "b", "c", "d"):
        worker.book.receive(name, manifest(name).to_json(), worker.state)
    worker.book.adopt(wait=True)
    assert set(worker.models.models) == worker.models.registered == {"a", "b"}
    assert set(worker.state) == {"a\n", "b\n"}
    refused = [event for event in worker.told if event["event"] == "model-refused"]
    assert [event["model"] for event in refused] == ["c", "d"]
    assert "job.max_models = 2" in refused[0]["reason"]
    worker.book.receive("a", manifest("a", version=2).to_json(), worker.state)
    worker.book.receive("b", None, worker.state)
    worker.book.receive("c", manifest("c").to_json(), worker.state)
    worker.book.adopt(wait=True)
    assert {name: model.manifest.version for name, model in worker.models.models.items()} == {"a": 2, "c": 1}


def test_models_at_the_start_are_bounded_in_number() -> None:
    registry = {"a b": b"{}", **{name: manifest(name).to_json() for name in ("a", "b", "c")}}
    worker = Worker(State(), max_models=2, more=registry)
    assert set(worker.models.models) == {"a", "b"}
    for name in ("a", "b", "c"):
        worker.book.receive(name, registry[name], worker.state)
    worker.book.adopt(wait=True)
    assert set(worker.models.models) == {"a", "b"}
    in_use = State({"c": registry["c"], "c\n": registry["c"]})
    worker = Worker(in_use, max_models=2, more=registry)
    assert set(worker.models.models) == {"a", "b", "c"}, "what was in use is not withdrawn"
    assert "withdrawn" not in worker.events


KEY = "a key of at least sixteen"


def signed(version: int, **changes: Any) -> Manifest:
    return signing.sign(replace(GOOD, version=version, **changes), KEY)


def away_for(tries: int) -> Callable[[Manifest], bytes]:
    left = [tries]

    def fetch(wanted: Manifest) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            reason = "away"
            raise ModelUnavailable(reason)
        return inline(wanted)

    return fetch


def test_version_that_cannot_be_fetched_now_is_told_and_comes_later() -> None:
    worker = Worker(State()).receive(GOOD)
    later = Worker(worker.state, registry=GOOD, fetch=away_for(2))
    assert (later.version, later.book.delayed) == (None, {"z"})
    later.wait_for(1)
    assert later.events == ["delayed1", "delayed1", "loaded1"]
    assert later.book.delayed == set()
    assert later.told[0]["retry_ms"] == 20


def test_worker_that_starts_does_not_wait_without_limit() -> None:
    released: list[int] = []

    def hangs(wanted: Manifest) -> bytes:
        while not released:
            time.sleep(0.01)
        return inline(wanted)

    worker = Worker(State(), registry=GOOD, fetch=hangs, start_seconds=0.05)
    assert worker.version is None
    released.append(1)
    assert worker.wait_for(1).events == ["loaded1"]


def test_version_before_never_follows_the_newest_one() -> None:
    state = State()
    Worker(state).receive(GOOD)
    slow: list[int] = []

    def newest_first(wanted: Manifest) -> bytes:
        if wanted.version == 2 and not slow:
            slow.append(1)
            reason = "away"
            raise ModelUnavailable(reason)
        return inline(wanted)

    worker = Worker(state, registry=replace(GOOD, version=2), fetch=newest_first)
    assert worker.version == 1, "the one before goes on meanwhile"
    assert worker.wait_for(2).events[-1] == "loaded2"
    assert sorted(worker.events) == ["delayed2", "loaded1", "loaded2"]


def test_with_a_key_nothing_unsigned_changes_what_runs() -> None:
    worker = Worker(State(), key=KEY).receive(signed(1), signed(2))
    assert worker.version == 2
    before = dict(worker.state)
    worker.receive(
        None, GOOD, replace(GOOD, version=3), b"{", signed(3).to_json().replace(b'"version": 3', b'"version": 4')
    )
    assert (worker.version, worker.events[2:]) == (2, ["refused"] * 5)
    assert dict(worker.state) == before
    assert "'eddy models withdraw' signs" in worker.told[2]["reason"]
    worker.receive(signed(1))
    assert worker.version == 2
    assert "versions only rise" in worker.told[-1]["reason"]
    assert worker.receive(signed(3)).version == 3, "a roll-back has a number of its own"


def test_with_a_key_a_signed_message_withdraws_and_an_old_one_does_not_bring_back() -> None:
    state = State()
    worker = Worker(state, key=KEY).receive(signed(1), signed(2, withdrawn=True))
    assert (worker.version, worker.events) == (None, ["loaded1", "withdrawn"])
    assert worker.receive(signed(1)).version is None
    again = Worker(state, registry=signed(1), key=KEY)  # the topic was set back meanwhile
    assert again.version is None
    assert "versions only rise" in again.told[-1]["reason"]
    assert again.receive(signed(3)).version == 3
    assert again.receive(signed(2, withdrawn=True)).version == 3, "nor does an old withdrawal count"


@pytest.mark.parametrize("registry", [None, GOOD, signed(1)])
def test_with_a_key_a_registry_that_was_emptied_or_set_back_changes_nothing(registry: Manifest | None) -> None:
    state = State()
    Worker(state, key=KEY).receive(signed(1), signed(2))
    worker = Worker(state, registry=registry, key=KEY)
    assert worker.version == 2
    assert "refused" in worker.events


def test_version_that_was_published_with_another_artifact_is_refused() -> None:
    worker = Worker(State()).receive(of(1, "value"), of(2, "value"))
    other = artifact.dump(RollingZScore(WindowSpec(12, 1, ("value",))))
    clash = replace(of(2, "value"), window=12, sha256=artifact.sha256(other)).with_artifact(other)
    worker.receive(clash)
    assert (worker.version, worker.models.models["z"].detector.spec.window) == (2, 10)
    assert "another artifact came under this version" in worker.told[-1]["reason"]


def test_features_of_all_models_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_set, "MAX_COLUMNS", 4)
    worker = Worker(State()).receive(of(1, "value", "a"), of(2, "b", "c", "d"))
    assert (worker.version, worker.events) == (1, ["loaded1", "refused"])
    assert "3 new features: 2 are known since the job started, expected at most 4" in worker.told[-1]["reason"]
    assert list(worker.models.columns) == ["value", "a"]
    worker.receive(of(3, "b", "c"))
    assert list(worker.models.columns) == ["value", "a", "b", "c"]
    first = Worker(State()).receive(of(1, "a", "b", "c", "d"))
    assert (first.version, first.events) == (None, ["refused"])
