"""Remember the jobs that are to run on the local stack, in its data folder, so that they can be started again."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from eddy.stack import whole_files
from eddy.stack.local import Stack

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobRecord:
    """Describe a job as it was submitted.

    Attributes:
        name, job: its name, and the id that the cluster gave it.
        overrides: its settings, ``key=value``, without secrets.
        savepoint: the savepoint it was started from; empty = without state.
    """

    name: str
    job: str
    overrides: list[str]
    savepoint: str = ""


def remember(stack: Stack, record: JobRecord) -> None:
    """Write the record of a job that is to run from now on; a crash leaves the old record or the new one, whole."""
    whole_files.write(_file(stack, record.name), json.dumps(asdict(record), indent=1))


def forget(stack: Stack, name: str) -> None:
    """Remove the record of a job that was stopped, so that it is not started again."""
    _file(stack, name).unlink(missing_ok=True)


def job_records(stack: Stack) -> list[JobRecord]:
    """Read the records of all jobs that are to run; one that cannot be read is logged and left out."""
    found = []
    for file in sorted((stack.folder / "jobs").glob("*.json")):
        try:
            found.append(_checked(JobRecord(**json.loads(file.read_text(encoding="utf-8")))))
        except (OSError, ValueError, TypeError) as error:
            log.warning(
                "%s is no record of a job (%s): that job is not started again; submit it again, or delete the file",
                file,
                error,
            )
    return found


def _checked(record: JobRecord) -> JobRecord:
    """Return the record if its fields are what they should be."""
    texts = [record.name, record.job, record.savepoint, *record.overrides]
    if not isinstance(record.overrides, list) or not all(isinstance(text, str) for text in texts):
        message = "expected texts, and a list of texts as overrides"
        raise TypeError(message)
    return record


def _file(stack: Stack, name: str) -> Path:
    return stack.folder / "jobs" / f"{name}.json"
