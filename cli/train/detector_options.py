"""Options and help texts that follow from the detectors and thresholds that are installed, others' among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

_KIND = "--detector"
_PLACES = ("{detectors}", "{thresholds}")  # in help texts: names that are looked up when the help is shown


class CatalogCommand(TyperCommand):
    """A command whose help texts may name ``{detectors}`` and ``{thresholds}``."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill the names in, then show the help."""
        for param in self.params:
            text = getattr(param, "help", None)
            if text and any(place in text for place in _PLACES):
                for place, found in zip(_PLACES, _names(), strict=True):
                    text = text.replace(place, found)
                setattr(param, "help", text)  # noqa: B010  not every parameter has one
        super().format_help(ctx, formatter)


def _names() -> tuple[str, str]:
    """List the detectors and the thresholds; without the packages that train, help says where both are described."""
    try:
        from eddy.models.catalog import DETECTORS
        from eddy.training.fitting.fit import threshold_names
    except ModuleNotFoundError:
        return "a detector of docs/choosing-a-detector.md", "a threshold of docs/thresholds.md"
    return ", ".join(DETECTORS.names()), ", ".join(threshold_names())


class DetectorCommand(CatalogCommand):
    """A command with ``--detector`` and ``--param``: each parameter of the detector is an option of its own too.

    ``--epochs 5`` is ``--param epochs=5`` where the detector has such a parameter and the command has no such option;
    ``--season`` and ``--no-season`` turn one on or off. ``--detector KIND --help`` lists them.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, those of the detector among them."""
        kind = _given(args)
        if kind and "--help" in args:
            self.epilog = "\n\n".join(_described(kind))
        return super().parse_args(ctx, self.rewritten(args))

    def rewritten(self, args: Sequence[str]) -> list[str]:
        """The arguments, with ``--param NAME=VALUE`` for options that are parameters of the detector."""
        kind = _given(args)
        if not kind:
            return list(args)
        own = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        defaults = {one.name: one.default for one in _parameters(kind)}
        found: list[str] = []
        rest = list(args)
        while rest:
            arg = rest.pop(0)
            option, equals, value = arg.partition("=")
            name = option.removeprefix("--").replace("-", "_")
            wanted = not arg.startswith("--no-") and name in defaults
            negated = name.removeprefix("no_") if arg.startswith("--no-") and not equals else ""
            if not arg.startswith("--") or option in own:
                found.append(arg)
            elif isinstance(defaults.get(negated), bool):
                found += ["--param", f"{negated}=false"]
            elif wanted and not equals and isinstance(defaults[name], bool):
                found += ["--param", f"{name}=true"]
            elif wanted and (equals or rest):
                found += ["--param", f"{name}={value if equals else rest.pop(0)}"]
            else:
                found.append(arg)
        return found


def _given(args: Sequence[str]) -> str:
    """The detector that the arguments name; empty where they name none."""
    for arg, following in zip(args, [*args, ""][1:], strict=True):
        if arg == _KIND:
            return following
        if arg.startswith(f"{_KIND}="):
            return arg.partition("=")[2]
    return ""


def _parameters(kind: str) -> Sequence[Any]:
    """What may be set of a detector; nothing where there is no such detector, which the command itself says."""
    from eddy.errors import SettingsError
    from eddy.models.catalog import DETECTORS
    from eddy.models.core.parameters import described

    try:
        return described(DETECTORS.get(kind).parameters)
    except SettingsError:
        return ()


def _described(kind: str) -> list[str]:
    listed = _parameters(kind)
    head = f"Parameters of {kind}, each an option or NAME=VALUE of --param:" if listed else f"{kind}: no parameters"
    lines = [f"--{one.name.replace('_', '-')}  {one.text} [{one.default!r}]".replace("``", "") for one in listed]
    return [head, *lines]
