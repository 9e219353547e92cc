"""Check how ``eddy up`` resumes jobs when the result of an earlier ``flink run`` is unknown."""

from __future__ import annotations

import json

import pytest

from eddy.errors import StackError
from eddy.flink_job.graph.settings_arguments import without_secrets
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
