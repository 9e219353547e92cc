"""Share options between commands: a dataclass holds a group of options, a command takes it as one parameter."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Without:
    """Leave options out of a group in one command: ``Annotated[Group, Without("name")]``; they keep their default."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Show Typer a command's option groups as single options, and call the command with the groups filled.

    Each field of a group is ``Annotated`` with its :func:`typer.Option`. The options stand in ``--help`` at the place
    of the group's parameter, in the order of the fields.

    Examples:
        >>> from typing import Annotated
        >>> import typer
        >>> @dataclass(frozen=True)
        ... class Window:
        ...     size: Annotated[int, typer.Option("--window")] = 60
        ...     stride: Annotated[int, typer.Option("--stride")] = 1
        >>> def train(name: str, window: Window) -> None:
        ...     print(name, window.size, window.stride)
        >>> train.__annotations__ = {"name": str, "window": Window, "return": None}
        >>> grouped(train)(name="pumps", size=30, stride=2)
        pumps 30 2
        >>> list(inspect.signature(grouped(train)).parameters)
        ['name', 'size', 'stride']
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        group, *extras = get_args(hints[name]) or (hints[name],)
        if not is_dataclass(group):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))
            continue
        assert isinstance(group, type)  # noqa: S101  a hint is no instance
        left_out = {option for extra in extras if isinstance(extra, Without) for option in extra.names}
        options = [one for one in fields(group) if one.name not in left_out]
        of_group = get_type_hints(group, include_extras=True)
        parameters += [_parameter(one, of_group[one.name]) for one in options]
        groups[name] = group, [one.name for one in options]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, (group, options) in groups.items():
            given[name] = group(**{option: given.pop(option) for option in options})
        command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(option: Field[Any], annotation: Any) -> inspect.Parameter:
    default = option.default_factory() if option.default_factory is not MISSING else option.default
    default = inspect.Parameter.empty if default is MISSING else default
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
