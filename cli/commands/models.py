"""Publish, list and roll back models in the registry: ``eddy models …``."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.main import settings_of
from eddy.cli.printing import cell
from eddy.errors import EddyError, ModelError
from eddy.models.artifacts.manifest import Manifest
from eddy.settings import Settings
from eddy.texts import escaped, quoted

if TYPE_CHECKING:
    from eddy.training.registry.registry import Registry

_IN_USE = "in use"
_JSON = typer.Option(False, "--json", help="print JSON")
models = typer.Typer(no_args_is_help=True, help="Publish, list, show, roll back and withdraw models.")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(models, name="models")


@models.command()
def publish(
    ctx: typer.Context,
    folder: Path = typer.Argument(..., help="what 'eddy train --out' wrote"),
    name: str = typer.Option("", "--name", help="name in the registry [the manifest's]"),
    uri: str = typer.Option("", "--uri", help="where the job finds the artifact, if too large for a Kafka message"),
    stage: str = typer.Option("", "--stage", help="shadow or canary: beside the version in use, not in its place"),
    share: float = typer.Option(0.1, "--share", min=0, max=1, help="of the series that a canary calls people for"),
    as_json: bool = _JSON,
) -> None:
    """Publish a trained model as the next version of its name; running jobs take it over."""
    from eddy.models.serving.trial import TrialProcess
    from eddy.training.fitting import artifacts
    from eddy.training.registry.candidates import publish_candidate

    manifest, content = artifacts.read(folder)
    if note := manifest.metrics.get("interval_mismatch"):
        typer.echo(f"note: {note}", err=True)
    with contextlib.closing(TrialProcess()) as trials:  # as the job does
        trials.check(manifest, content)
    _note_intervals(settings_of(ctx).settings, manifest, content)
    if stage:
        published = publish_candidate(_registry(ctx), manifest, content, name or manifest.name, stage, share)
        _done(f"published as {stage}", published, as_json)
        return
    published = _registry(ctx).publish(manifest, content, name, uri)
    _done("published", published, as_json)


@models.command("list")
def list_models(ctx: typer.Context, as_json: bool = _JSON) -> None:
    """List all models in use, with the series that they score."""
    listing = _registry(ctx).read()
    refused = _refused(settings_of(ctx).settings)
    rows = [
        {**_summary(m), "versions": sorted(listing.versions[m.name]), "refused": refused.get(m.name, "")}
        for _, m in sorted(listing.current.items())
    ]
    for row in rows:
        if row["refused"]:
            row["stage"] = f"refused ({row['stage']})" if row["stage"] != _IN_USE else "refused"
    withdrawn = sorted(set(listing.versions) - set(listing.current))
    if as_json:
        typer.echo(json.dumps({"models": rows, "withdrawn": withdrawn, "broken": listing.broken}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("name", "version", "stage", "detector", "series", "window", "created", box=None)
    for row in rows:
        table.add_row(
            *map(cell, (row["name"], row["version"], row["stage"], row["detector"], " ".join(row["series"]))),
            *map(cell, (row["window"], row["created"])),
        )  # fmt: skip
    console.print(table if rows else "no model is published")
    for row in rows:
        if row["refused"]:
            console.print(cell(f"{row['name']} version {row['version']} is refused by the job: {row['refused']}"))
    if withdrawn:
        console.print(cell(f"withdrawn: {', '.join(withdrawn)}"))
    for key, reason in listing.broken.items():
        console.print(cell(f"broken message under key {quoted(key)}: {reason}"), style="red")


@models.command()
def show(
    ctx: typer.Context,
    name: str = typer.Argument(...),
    version: int = typer.Option(0, "--version", min=0, help="an earlier version [the current one]"),
    as_json: bool = _JSON,
) -> None:
    """Show one model's manifest, without the artifact's bytes, and list its versions."""
    listing = _registry(ctx).read()
    versions = listing.versions.get(name, {})
    if version and version not in versions:
        there = ", ".join(str(v) for v in sorted(versions)) or "none"
        raise ModelError(f"model {name!r} has no version {version} in the registry; there: {there}")
    manifest = versions[version] if version else listing.find(name)
    shown: dict[str, Any] = {**asdict(manifest), "versions": sorted(versions)}
    shown["artifact"] = f"inline, {len(manifest.artifact) * 3 // 4} bytes" if manifest.artifact else ""
    if as_json:
        typer.echo(json.dumps(shown, indent=1))
        return
    for key, value in shown.items():
        typer.echo(f"{key:12} {escaped(value) if isinstance(value, str) else json.dumps(value)}")


@models.command()
def rollback(
    ctx: typer.Context,
    name: str = typer.Argument(...),
    to: int = typer.Option(0, "--to", min=0, help="version to publish again [the one before the current]"),
    as_json: bool = _JSON,
) -> None:
    """Publish an earlier version again; it gets a new version number, so versions only count up."""
    published = _registry(ctx).rollback(name, to or None)
    _done(f"rolled back to version {published.metrics['rollback_to']}, published", published, as_json)


@models.command()
def promote(
    ctx: typer.Context, name: str = typer.Argument(..., help="the model in use"), as_json: bool = _JSON
) -> None:
    """Put a model's candidate in its place, whatever stage the candidate is at."""
    from eddy.training.registry.candidates import promote as into_use

    _done("promoted", into_use(_registry(ctx), name), as_json)


@models.command()
def withdraw(ctx: typer.Context, name: str = typer.Argument(...), as_json: bool = _JSON) -> None:
    """Take a model out of use; 'rollback' publishes it again."""
    _done("withdrawn", _registry(ctx).withdraw(name), as_json)


def _note_intervals(settings: Settings, manifest: Manifest, content: bytes) -> None:
    """Say where the model's series come at another interval now; what cannot be found out hinders no publishing."""
    from eddy.models.artifacts import artifact
    from eddy.training.data.newest_intervals import newest_mismatch

    try:
        found = newest_mismatch(settings, manifest.applies_to, artifact.spec_of(content))
    except EddyError as error:
        found = f"whether the interval fits is not known: {error}"
    if found:
        typer.echo(escaped(f"note: {found}"), err=True)


def _registry(ctx: typer.Context) -> Registry:
    from eddy.training.registry.registry import Registry

    return Registry(settings_of(ctx).settings)


def _refused(settings: Settings) -> dict[str, str]:
    """Return the reason by model, where the job's events say that it refused the version that is published."""
    from eddy.model_events import refusal
    from eddy.topic_reader import whole_topic

    events: list[dict[str, Any]] = []
    for record in whole_topic(settings, "events"):
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(record.value or b"")
            if isinstance(event, dict) and str(event.get("event")).startswith("model-"):
                events.append(event)
    found: dict[str, str] = {}
    published: dict[str, tuple[int, int]] = {}
    for record in whole_topic(settings, "models"):
        with contextlib.suppress(ModelError):
            manifest = Manifest.from_json(record.value or b"")
            published[manifest.name] = manifest.version, record.timestamp
    for name, (version, at) in published.items():
        if reason := refusal(events, name, version, at):
            found[name] = reason
    return found


def _summary(manifest: Manifest) -> dict[str, Any]:
    keys = ("name", "version", "detector", "series", "features", "window", "stride", "interval_ms", "created", "sha256")
    everything = asdict(manifest)
    return {**{key: everything[key] for key in keys}, "stage": _stage(manifest)}


def _stage(manifest: Manifest) -> str:
    """Describe the stage of a model's roll-out."""
    of, stage = manifest.rollout.get("of"), manifest.rollout.get("stage")
    if not stage:
        return _IN_USE
    return f"{stage} of {of}" + (f", {manifest.rollout.get('share', 0):.0%} of series" if stage == "canary" else "")


def _done(what: str, manifest: Manifest, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_summary(manifest)))
        return
    typer.echo(escaped(f"{what}: {manifest.name} version {manifest.version} for {' '.join(manifest.series)}"))
