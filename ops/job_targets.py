"""Submit the job to its target: the local stack, a running cluster, YARN, Kubernetes."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from eddy.configuration import Configuration, secrets_as_environment
from eddy.errors import SettingsError, StackError
from eddy.flink_job.client.submission import Submission
from eddy.flink_rest import ENDED_STATES, RestAddress, rest_address
from eddy.ops.job_checkpoints import remove_old
from eddy.ops.job_records import JobRecord, job_records, remember
from eddy.ops.savepoints import check_savepoint
from eddy.stack import flink_identity, whole_files
from eddy.stack.local import Stack
from eddy.stack.paths import ROOT

TARGETS = ("local", "remote", "yarn", "kubernetes-application")


@dataclass(frozen=True)
class Choices:
    """Hold the command line's choices beyond the settings; empty = not given."""

    target: str = ""
    address: str = ""  # host:port; for Kubernetes the id of the cluster to be made
    savepoint: str = ""
    archive: str = ""
    requirements: str = ""
    python: str = "python3.11"
    image: str = ""
    flink: Path | None = None
    options: tuple[str, ...] = ()
    jars_present: bool = False
    unless_running: bool = False


def arguments(configuration: Configuration) -> list[str]:
    """Return the settings as arguments of ``flink_job/main.py``: all that differ from the defaults, except secrets.

    Secrets reach the workers through the environment of their own processes only.
    """
    from eddy.flink_job.graph.settings_arguments import without_secrets

    return [part for item in without_secrets(configuration.settings) for part in ("--set", item)]


def submit(configuration: Configuration, choices: Choices, only_print: bool = False) -> str:
    """Submit the job and, where the cluster has a REST address, wait until it runs.

    Returns:
        The job's id, or the output of ``flink`` for an application; the command itself with ``only_print``.

    Raises:
        SettingsError: the choices do not go together.
        StackError: the submission failed.
    """
    from eddy.flink_job.client.cluster import Cluster, run_flink

    choices = _checked(choices)
    check_savepoint(choices.savepoint, configuration.settings.job)
    work = _submission(configuration, choices)
    secrets = secrets_as_environment(configuration.settings)
    address = rest_address(configuration.settings.stack, choices.address)
    with tempfile.TemporaryDirectory(prefix="eddy-") as scratch:
        if choices.target == "yarn":
            command = work.yarn(_shipped(work, Path(scratch), only_print))
        elif choices.target == "kubernetes-application":
            command = work.kubernetes(choices.address or configuration.settings.job.name, choices.image)
        else:
            command = work.remote(address)
        if only_print:
            return shlex.join(command)
        if choices.target in {"yarn", "kubernetes-application"}:
            return run_flink(command, secrets).strip()
        cluster = Cluster(address)
        present = cluster.running(configuration.settings.job.name) if choices.unless_running else None
        if present:
            return present.id
        number = cluster.submit(work, {**secrets, **_client_configuration(address, choices, Path(scratch))})
    cluster.wait(number)
    return number


def submit_locally(configuration: Configuration, savepoint: str = "", *, wait: bool = True) -> str:
    """Submit to the local stack's cluster, whose class path has all jars; return the job's id once it runs.

    The job is remembered: 'eddy up' starts it again after its JobManager died.
    """
    import pyflink  # noqa: F401  fails before anything else if it is missing

    from eddy.flink_job.client.cluster import Cluster

    check_savepoint(savepoint, configuration.settings.job)
    stack = Stack(configuration.settings)
    cluster = Cluster(stack.flink_address)
    name = configuration.settings.job.name
    choices = Choices(savepoint=savepoint, jars_present=True, python=sys.executable)
    with stack.locked():  # starting jobs again and submitting one must not both find none
        if there := cluster.running(name):
            raise StackError(
                f"job {name!r} is there already: {there.id}, {there.state} ('eddy up' brings back what ran before); "
                "'eddy job stop' ends it, --set job.name=… gives another one its own name"
            )
        work = _submission(configuration, choices, stack.client_command())
        number = cluster.submit(work, {**stack.client_environment(), **secrets_as_environment(configuration.settings)})
        remember(stack, JobRecord(name, number, arguments(configuration)[1::2], savepoint))
        known = [part for record in job_records(stack) for part in (record.job, record.savepoint)]
        remove_old(stack, [*known, *(job.id for job in cluster.jobs() if job.state not in ENDED_STATES)])
    if wait:
        cluster.wait(number)
    return number


def _checked(choices: Choices) -> Choices:
    target = choices.target or "remote"
    if target not in TARGETS:
        raise SettingsError(f"--target {target!r} is unknown; known: {', '.join(TARGETS)}")
    if target == "remote" and ":" not in choices.address:
        raise SettingsError(
            f"target remote needs the REST address HOST:PORT of the cluster's JobManager, found {choices.address!r}"
        )
    if target == "kubernetes-application" and not choices.image:
        raise SettingsError("target kubernetes-application needs --image, built from docker/job.Dockerfile")
    for item in choices.options:
        if "=" not in item:
            raise SettingsError(f"--flink-option {item!r}: expected KEY=VALUE")
    return replace(choices, target=target)


def _submission(configuration: Configuration, choices: Choices, client: Sequence[str] = ()) -> Submission:
    from eddy.stack.jars import flink_home, flink_jars, flink_python_jar

    with_jars = not choices.jars_present and choices.target != "kubernetes-application"
    # Naming jars replaces those that the client would add: the one that runs Python has to be among them.
    jars = (*flink_jars(), flink_python_jar()) if with_jars else ()
    archive = choices.archive
    if archive and "://" not in archive:
        if not Path(archive).is_file():
            raise SettingsError(f"--archive {archive}: there is no such file; 'eddy job pack --out {archive}' makes it")
        archive = str(Path(archive).resolve())
    return Submission(
        flink=client or [str(choices.flink or flink_home() / "bin" / "flink")],
        arguments=arguments(configuration),
        script=ROOT / "flink_job" / "main.py",
        client_python=sys.executable,
        worker_python=choices.python,
        archive=archive,
        requirements=choices.requirements,
        jars=jars,
        options=dict(item.split("=", 1) for item in choices.options),
        savepoint=choices.savepoint,
    )


def _client_configuration(address: RestAddress, choices: Choices, scratch: Path) -> dict[str, str]:
    """Return the environment in which ``flink`` finds the key of a REST API that asks for one: never as arguments."""
    from eddy.stack.jars import flink_home

    if address.identity is None:
        return {}
    home = choices.flink.resolve().parent.parent if choices.flink else flink_home()
    present = Path(os.environ.get("FLINK_CONF_DIR", home / "conf"))
    folder = scratch / "conf"
    shutil.copytree(present, folder)
    settings = yaml.safe_load((present / "config.yaml").read_text(encoding="utf-8")) or {}
    settings |= flink_identity.options(address.identity, internal=False)
    whole_files.write(folder / "config.yaml", yaml.safe_dump(settings, width=10_000), private=True)
    return {"FLINK_CONF_DIR": str(folder)}


def _shipped(work: Submission, scratch: Path, only_print: bool) -> Path:
    """Prepare the folder for YARN's containers: the archive, and the jars, which land on the class path there."""
    folder = scratch / "eddy-shipped"
    if not only_print and work.archive:
        folder.mkdir()
        for file in (Path(work.archive), *work.jars):
            shutil.copy(file, folder)
    return folder
