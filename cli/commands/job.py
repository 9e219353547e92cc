"""Pack, submit, run, stop and inspect the job, and take savepoints: ``eddy job …``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import typer
from pydantic import ValidationError

from eddy.cli.main import settings_of
from eddy.configuration import Configuration
from eddy.errors import SettingsError
from eddy.flink_job.client.cluster import Cluster, Job
from eddy.flink_rest import RestAddress, rest_address
from eddy.settings import JobSettings

job = typer.Typer(no_args_is_help=True, help="The Flink job: submit it, take savepoints, stop it, see its state.")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(job, name="job")


def _from_time(configuration: Configuration, time: str) -> Configuration:
    """Return the same settings with another start."""
    if not time:
        return configuration
    settings = configuration.settings
    try:
        job = JobSettings.model_validate({**settings.job.model_dump(), "start_time": time})
    except ValidationError as error:
        raise SettingsError(
            f"--from-time {time!r}: {error.errors()[0]['msg']}; expected ISO-8601 or epoch seconds"
        ) from None
    return replace(configuration, settings=settings.model_copy(update={"job": job}))


def _forget(configuration: Configuration) -> None:
    """Forget a stopped job, so that the local stack does not start it again."""
    from eddy.ops.job_records import forget
    from eddy.stack.local import Stack

    forget(Stack(configuration.settings), configuration.settings.job.name)


def _address(configuration: Configuration, cluster: str) -> RestAddress:
    return rest_address(configuration.settings.stack, cluster)


def _running(ctx: typer.Context, cluster: str) -> tuple[Cluster, Job]:
    """Return the cluster and the job that runs there; raise an error if none does."""
    configuration = settings_of(ctx)
    flink = Cluster(_address(configuration, cluster))
    return flink, flink.require(configuration.settings.job.name)


_CLUSTER = typer.Option("", "--cluster", metavar="HOST:PORT", help="REST address; default: the local stack's")
_FROM_TIME = typer.Option(
    "", "--from-time", metavar="TIME", help="read records that Kafka took at or after this time (job.start_time)"
)
_JSON = typer.Option(False, "--json", help="print JSON")


def _show(as_json: bool, text: str, **fields: object) -> None:
    print(json.dumps(fields) if as_json else text)


@job.command()
def pack(
    out: Path = typer.Option(Path("eddy-env.zip"), "--out", help="the archive to write"), as_json: bool = _JSON
) -> None:
    """Pack the job's Python packages, as they are installed here, for workers that have only Python 3.11."""
    from eddy.flink_job.client import packing

    packages = packing.pack(out)
    size = out.stat().st_size
    _show(
        as_json,
        f"{out}: {len(packages)} packages, {size / 1e6:.0f} MB; submit with --archive {out}",
        archive=str(out),
        bytes=size,
        packages=packages,
    )


@job.command()
def submit(
    ctx: typer.Context,
    address: str = typer.Argument("", metavar="[HOST:PORT]", help="as --cluster; for Kubernetes the cluster's id"),
    target: str = typer.Option("", "--target", help="local, remote, yarn or kubernetes-application"),
    savepoint: str = typer.Option("", "--from", metavar="PATH", help="savepoint or checkpoint to start from"),
    from_time: str = _FROM_TIME,
    cluster: str = _CLUSTER,
    archive: str = typer.Option("", "--archive", metavar="FILE", help="packages for the workers, by 'eddy job pack'"),
    requirements: str = typer.Option("", "--requirements", metavar="FILE", help="packages that workers install by pip"),
    python: str = typer.Option("python3.11", "--python", help="interpreter on workers that have the packages"),
    image: str = typer.Option("", "--image", help="for Kubernetes: built from docker/job.Dockerfile"),
    flink: Path | None = typer.Option(None, "--flink", help="Flink's own command (default: the Python package's)"),
    options: list[str] = typer.Option([], "--flink-option", metavar="KEY=VALUE", help="Flink's settings; repeatable"),
    jars_present: bool = typer.Option(False, "--jars-present", help="the cluster has the jars in its lib/"),
    unless_running: bool = typer.Option(False, "--unless-running", help="do nothing if a job of that name runs there"),
    only_print: bool = typer.Option(False, "--print", help="print the flink command and submit nothing"),
    as_json: bool = _JSON,
) -> None:
    """Submit the job and return once it runs."""
    from eddy.ops import job_targets

    configuration = _from_time(settings_of(ctx), from_time)
    address = address or cluster
    if target == "local" or not (target or address):
        number = job_targets.submit_locally(configuration, savepoint)
    else:
        choices = job_targets.Choices(
            target,
            address,
            savepoint,
            archive,
            requirements,
            python,
            image,
            flink,
            tuple(options),
            jars_present,
            unless_running,
        )
        number = job_targets.submit(configuration, choices, only_print)
        if only_print or target in {"yarn", "kubernetes-application"}:
            _show(as_json, number, said=number)
            return
    _show(as_json, f"job {number} runs", job=number)


@job.command()
def run(
    ctx: typer.Context,
    savepoint: str = typer.Option("", "--from", metavar="PATH", help="savepoint or checkpoint to start from"),
    from_time: str = _FROM_TIME,
    cluster: str = _CLUSTER,
    as_json: bool = _JSON,
) -> None:
    """Submit the job and stay until it ends; Ctrl-C stops it with a savepoint."""
    from eddy.ops.job_targets import Choices, submit, submit_locally

    configuration = _from_time(settings_of(ctx), from_time)
    if cluster:
        number = submit(configuration, Choices(address=cluster, savepoint=savepoint))
    else:
        number = submit_locally(configuration, savepoint)
    _show(as_json, f"job {number} runs; Ctrl-C stops it with a savepoint", job=number)
    flink = Cluster(_address(configuration, cluster))
    try:
        flink.wait(number, "FINISHED", seconds=float("inf"))
    except KeyboardInterrupt:
        path = flink.stop(number)
        _forget(configuration)
        _show(as_json, f"stopped; savepoint {path}", savepoint=path)


@job.command()
def savepoint(
    ctx: typer.Context,
    folder: str = typer.Option("", "--to", metavar="FOLDER", help="default: the cluster's own"),
    cluster: str = _CLUSTER,
    as_json: bool = _JSON,
) -> None:
    """Take a savepoint; the job runs on."""
    flink, found = _running(ctx, cluster)
    path = flink.savepoint(found.id, folder)
    _show(as_json, path, savepoint=path)


@job.command()
def stop(
    ctx: typer.Context,
    folder: str = typer.Option("", "--to", metavar="FOLDER", help="default: the cluster's own"),
    cluster: str = _CLUSTER,
    as_json: bool = _JSON,
) -> None:
    """Take a savepoint and stop the job; 'eddy job submit --from' goes on from there."""
    flink, found = _running(ctx, cluster)
    path = flink.stop(found.id, folder)
    _forget(settings_of(ctx))
    _show(as_json, f"stopped; savepoint {path}", savepoint=path)


@job.command()
def skip(
    ctx: typer.Context,
    places: list[str] = typer.Argument(..., metavar="TOPIC:PARTITION:OFFSET", help="as a log line names the record"),
    cluster: str = _CLUSTER,
    as_json: bool = _JSON,
) -> None:
    """Leave out records that stop the job: start it again from its newest checkpoint without them.

    Each becomes a dead letter with the reason 'skipped'. The command for a cluster of your own is printed, not run.
    """
    from eddy.ops.job_skips import commands, skip_locally

    configuration = settings_of(ctx)
    if cluster:
        lines = commands(Cluster(cluster), configuration.settings, places)
        _show(as_json, "\n".join(lines), commands=lines)
        return
    done = skip_locally(configuration, places)
    start = done.start or "the start"
    _show(
        as_json,
        f"job {done.job} runs from {start}, without {', '.join(done.skip)}",
        job=done.job,
        start=done.start,
        skip=done.skip,
    )


@job.command()
def state(ctx: typer.Context, cluster: str = _CLUSTER, as_json: bool = _JSON) -> None:
    """Show state, checkpoints and metrics of the job."""
    flink, found = _running(ctx, cluster)
    counts = flink.checkpoints(found.id)["counts"]
    metrics = flink.metrics(found.id)
    if as_json:
        print(json.dumps({"job": found.id, "state": found.state, "checkpoints": counts, "metrics": metrics}))
        return
    print(f"job {found.id}  {found.state}")
    print(f"checkpoints: {counts['completed']} completed, {counts['failed']} failed")
    for name, value in sorted(metrics.items()):
        print(f"  {name:24} {value:,.0f}")
