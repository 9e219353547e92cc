"""Check how ``eddy up`` resumes jobs: after an unknown result of ``flink run``, and from damaged checkpoints."""

from __future__ import annotations

import json
import shutil

import pytest

from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.flink_job.graph.settings_arguments import without_secrets
from eddy.ops.job_checkpoints import complete_checkpoints
from eddy.ops.job_records import JobRecord, job_records, remember
from eddy.ops.job_recovery import recover
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness

pytestmark = pytest.mark.stack

NOBODY = "0" * 32


def test_job_that_runs_under_another_id_is_not_started_again(stack: Stack, unique_topics: Settings) -> None:
    """A job that cannot be resumed does not keep the others from being resumed."""
    name = unique_topics.job.name
    broken = stack.folder / "jobs" / "a-job.json"
    told: list[str] = []
    with harness.running(stack, unique_topics) as (cluster, number):
        overrides = without_secrets(unique_topics)
        remember(stack, JobRecord(name, NOBODY, overrides, "file:///where/it/came/from"))
        broken.write_text(json.dumps({"name": "a-job", "job": NOBODY, "overrides": ["no.such=1"]}))
        try:
            with pytest.raises(StackError, match=r"^job a-job: unknown setting 'no\.such'"):
                recover(stack, {}, told.append)
            (found,) = [one for one in job_records(stack) if one.name == name]
            assert (found.job, found.savepoint) == (number, "file:///where/it/came/from")
            assert f"job {name} runs as {number}" in told
            assert [job.id for job in cluster.jobs() if job.name == name] == [number]
            with pytest.raises(StackError):
                recover(stack, {}, told.append)
            assert len([line for line in told if name in line]) == 1, "it is as it should be now"
        finally:
            broken.unlink()
            (stack.folder / "jobs" / f"{name}.json").unlink()


@pytest.mark.own_stack("damages checkpoints in the stack's data folder")
def test_damaged_newest_checkpoint_falls_back_to_the_one_before(stack: Stack, unique_topics: Settings) -> None:
    name, told = unique_topics.job.name, list[str]()
    with harness.running(stack, unique_topics) as (cluster, number):
        harness.send(unique_topics, [harness.event(*o) for o in harness.noise(["a"], 10, {})])
        harness.handled(cluster, number, 10)
        harness.until(lambda: cluster.checkpoints(number)["counts"]["completed"] >= 3, "checkpoints to choose from")
    kept = complete_checkpoints(stack, number)
    assert len(kept) == 3, "cancelled jobs keep three"
    lost = "f" * 32  # a job that this cluster does not know, as after the death of the JobManager
    folder = stack.folder / "flink" / "checkpoints"
    shutil.copytree(folder / number, folder / lost)
    newest, *older = (folder / lost / place.rsplit("/", 1)[1] / "_metadata" for place in kept)
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    remember(stack, JobRecord(name, lost, without_secrets(unique_topics)))
    cluster = Cluster(stack.flink_address)
    try:
        assert recover(stack, {}, told.append) == [name]
        running = cluster.require(name)
        restored = cluster.checkpoints(running.id)["latest"]["restored"]["external_path"]
        assert restored == f"file:{older[0].parent}"
        (record,) = [one for one in job_records(stack) if one.name == name]
        assert record.job == running.id
        assert any(str(newest.parent) in line and "cannot be restored" in line for line in told), told
        cluster.cancel(running.id)
        cluster.wait(running.id, "CANCELED")

        for metadata in older:
            metadata.write_bytes(content[: len(content) // 2])
        remember(stack, JobRecord(name, lost, without_secrets(unique_topics)))
        with pytest.raises(StackError, match=r"none of its 3 checkpoints can be restored, .*without state"):
            recover(stack, {}, told.append)
        assert cluster.running(name) is None, "it must not start without state"
        (record,) = [one for one in job_records(stack) if one.name == name]
        assert record.job == lost
    finally:
        (stack.folder / "jobs" / f"{name}.json").unlink()
        if left := cluster.running(name):
            cluster.cancel(left.id)
            cluster.wait(left.id, "CANCELED")
        shutil.rmtree(folder / lost)
