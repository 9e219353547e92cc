"""Check that a command's option groups become its options, and that the command gets the groups filled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer
from typer.testing import CliRunner

from eddy.cli.option_groups import Without, grouped


@dataclass(frozen=True)
class Window:
    size: Annotated[int, typer.Option("--window", min=1, help="points")] = 60
    names: Annotated[list[str], typer.Option("--name")] = field(default_factory=list)
    strict: Annotated[bool, typer.Option("--strict")] = False


def command(
    ctx: typer.Context, *, out: str = typer.Option(..., "--out"), window: Window, last: bool = typer.Option(False)
) -> None:
    """Cut windows."""
    typer.echo(f"{ctx.info_name is not None} {out} {window} {last}")


def lenient(window: Annotated[Window, Without("strict")]) -> None:
    typer.echo(str(window))


def run(function: object, *arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(grouped(function))  # type: ignore[arg-type]
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_group_is_filled_from_its_options() -> None:
    code, text = run(command, "--out", "x", "--window", "5", "--name", "a", "--name", "b", "--last")
    assert (code, text) == (0, "True x Window(size=5, names=['a', 'b'], strict=False) True\n")


def test_options_that_are_not_given_have_their_defaults() -> None:
    assert run(command, "--out", "x") == (0, f"True x {Window()} False\n")


def test_help_lists_the_options_at_the_place_of_the_group() -> None:
    _, text = run(command, "--help")
    places = [text.index(option) for option in ("--out", "--window", "--name", "--strict", "--last")]
    assert places == sorted(places)
    assert "Cut windows." in text
    assert "points" in text


def test_option_left_out_of_a_group_is_unknown_and_keeps_its_default() -> None:
    assert run(lenient, "--window", "5") == (0, "Window(size=5, names=[], strict=False)\n")
    assert run(lenient, "--strict")[0] == 2


def test_checks_of_options_still_apply() -> None:
    assert run(command, "--out", "x", "--window", "0")[0] == 2
    assert run(command)[0] == 2, "--out is required"
