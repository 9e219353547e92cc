"""``eddy job …``: run, submit, savepoint, stop, state."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.main import settings_of
from eddy.configuration import Configuration, secrets_as_environment

if TYPE_CHECKING:
    from flink_job.cluster import Cluster, Job

job = typer.Typer(no_args_is_help=True, help="The Flink job: submit it, take savepoints, stop it, see its state.")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(job, name="job")


def arguments(configuration: Configuration) -> list[str]:
    """Settings as arguments of ``flink_job/main.py``: all that differ from the defaults, secrets apart.

    Secrets reach the workers through the environment of their own processes only.
    """
    from flink_job.job import without_secrets

    return [part for item in without_secrets(configuration.settings) for part in ("--set", item)]


def submit_to(configuration: Configuration, address: str, savepoint: str = "") -> str:
    """Submit to a cluster and wait until the job runs; returns its id."""
    import flink_job.main
    from flink_job.cluster import Cluster
    from stack.jars import flink_home
    from stack.local import Stack

    stack = Stack(configuration.settings)
    cluster = Cluster(address)
    local = address == stack.flink_address
    jars = [] if local else _jars()
    number = cluster.submit(
        [*arguments(configuration), *(part for jar in jars for part in ("--jar", str(jar)))],
        flink_home() / "bin" / "flink",
        {**(stack.client_environment() if local else {}), **secrets_as_environment(configuration.settings)},
        Path(flink_job.main.__file__),
        sys.executable,
        savepoint,
    )
    cluster.wait(number)
    return number


def _jars() -> list[Path]:
    from stack.jars import flink_jars

    return list(flink_jars())


def _address(configuration: Configuration, cluster: str) -> str:
    from stack.local import Stack

    return cluster or Stack(configuration.settings).flink_address


def _running(ctx: typer.Context, cluster: str) -> tuple[Cluster, Job]:
    """The cluster and the job that runs there; that none does is an error."""
    from flink_job.cluster import Cluster

    configuration = settings_of(ctx)
    flink = Cluster(_address(configuration, cluster))
    return flink, flink.require(configuration.settings.job.name)


_CLUSTER = typer.Option("", "--cluster", metavar="HOST:PORT", help="REST address; default: the local stack's")
_JSON = typer.Option(False, "--json", help="print JSON")


def _show(as_json: bool, text: str, **fields: object) -> None:
    print(json.dumps(fields) if as_json else text)


@job.command()
def submit(
    ctx: typer.Context,
    savepoint: str = typer.Option("", "--from", metavar="PATH", help="savepoint or checkpoint to start from"),
    cluster: str = _CLUSTER,
    as_json: bool = _JSON,
) -> None:
    """Submit the job and return once it runs."""
    configuration = settings_of(ctx)
    number = submit_to(configuration, _address(configuration, cluster), savepoint)
    _show(as_json, f"job {number} runs", job=number)


@job.command()
def run(
    ctx: typer.Context,
    savepoint: str = typer.Option("", "--from", metavar="PATH", help="savepoint or checkpoint to start from"),
    cluster: str = _CLUSTER,
    as_json: bool = _JSON,
) -> None:
    """Submit the job and stay until it ends; Ctrl-C stops it with a savepoint."""
    from flink_job.cluster import Cluster

    configuration = settings_of(ctx)
    address = _address(configuration, cluster)
    number = submit_to(configuration, address, savepoint)
    _show(as_json, f"job {number} runs; Ctrl-C stops it with a savepoint", job=number)
    flink = Cluster(address)
    try:
        flink.wait(number, "FINISHED", seconds=float("inf"))
    except KeyboardInterrupt:
        path = flink.stop(number)
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
    _show(as_json, f"stopped; savepoint {path}", savepoint=path)


@job.command()
def state(ctx: typer.Context, cluster: str = _CLUSTER, as_json: bool = _JSON) -> None:
    """State, checkpoints and metrics of the job."""
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
