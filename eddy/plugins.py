"""Find classes by name: those that Eddy ships, and those of other packages, which announce them as entry points.

A class is imported when its name is asked for, not before: a package that cannot be imported is named in the error
for its own names and is in nobody else's way.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from eddy.errors import SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")


class ClassRegistry(Generic[T]):
    """Classes of one kind by name.

    Args:
        what: what a class is called in messages, such as ``detector``.
        group: entry-point group in which other packages announce theirs, such as ``eddy.detectors``.
        base: ``module:Class`` that every class has to extend.
        attribute: class attribute that holds the name and has to agree with it.
        shipped: name -> ``module:Class`` of those that come with Eddy; nobody else can take these names.
        renamed: earlier name -> (name of today, parameters that make it what it was): saved models keep working.

    Examples:
        >>> mappings = ClassRegistry("mapping", "example.mappings", "collections.abc:Mapping", "__name__",
        ...                          {"Counter": "collections:Counter"})
        >>> mappings.names()
        ('Counter',)
        >>> mappings.get("Counter")
        <class 'collections.Counter'>
        >>> mappings.get("Bag")
        Traceback (most recent call last):
        ...
        eddy.errors.SettingsError: mapping 'Bag' is unknown; known: Counter
    """

    def __init__(
        self,
        what: str,
        group: str,
        base: str,
        attribute: str,
        shipped: Mapping[str, str],
        renamed: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None,
    ) -> None:
        self.what, self.group, self._base, self._attribute = what, group, base, attribute
        self.shipped, self.renamed = dict(shipped), dict(renamed or {})
        self._given: dict[str, type[T]] = {}

    def names(self) -> tuple[str, ...]:
        """Every name that can be asked for, sorted; imports none of the classes."""
        return tuple(sorted({*self.shipped, *self._given, *announced(self.group)}))

    def __contains__(self, name: object) -> bool:
        return name in self.renamed or name in self.shipped or name in self._given or name in announced(self.group)

    def current(self, name: str, params: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """(name, parameters) as they are called today: an earlier name becomes the one that took its place."""
        today, own = self.renamed.get(name, (name, {}))
        return today, {**own, **(params or {})}

    def get(self, name: str) -> type[T]:
        """Import the class of a name, or of the one that took its place.

        Raises:
            SettingsError: nobody has such a class, two packages claim the name, or it cannot be used; the message
                names the package, what was found and what was expected.
        """
        name = self.renamed.get(name, (name,))[0]
        if name in self._given:
            return self._given[name]
        theirs = announced(self.group).get(name, ())
        if name in self.shipped:
            for other in theirs:
                log.warning("%s %r of %s is not used: Eddy has one of that name", self.what, name, _origin(other))
            return self._load(name, self.shipped[name], "Eddy")
        if not theirs:
            raise SettingsError(f"{self.what} {name!r} is unknown; known: {', '.join(self.names())}")
        if len(theirs) > 1:
            packages = " and ".join(_origin(one) for one in theirs)
            raise SettingsError(f"{self.what} {name!r} is claimed by {packages}: uninstall all but one of them")
        return self._load(name, theirs[0].value, _origin(theirs[0]))

    def usable(self) -> Iterator[tuple[str, type[T]]]:
        """Name and class of everything that can be imported; what cannot is logged and left out."""
        for name in self.names():
            try:
                found = self.get(name)
            except SettingsError as error:
                log.warning("%s", error)
                continue
            yield name, found

    def register(self, *classes: type[T]) -> None:
        """Make classes known in this process only: of a notebook or a test. A package announces its own instead."""
        for one in classes:
            name = str(getattr(one, self._attribute))
            if name in self.shipped:
                raise SettingsError(f"{self.what} {name!r}: Eddy has one of that name; choose another")
            self._given[name] = one

    @contextmanager
    def registered(self, *classes: type[T]) -> Iterator[None]:
        """:meth:`register` for as long as a ``with`` block lasts."""
        before = dict(self._given)
        self.register(*classes)
        try:
            yield
        finally:
            self._given = before

    def _load(self, name: str, value: str, origin: str) -> type[T]:
        where = f"{self.what} {name!r} of {origin} ({value})"
        try:
            found = imported(value)
            base = imported(self._base)
        except Exception as error:  # whatever a package of someone else raises when it is imported
            raise SettingsError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        if not (isinstance(found, type) and issubclass(found, base)):
            raise SettingsError(f"{where} is not a subclass of {self._base.replace(':', '.')}")
        said = getattr(found, self._attribute, None)
        if said != name:
            raise SettingsError(f"{where}: its {self._attribute!r} is {said!r}, expected {name!r}, as it is announced")
        return found


def imported(value: str) -> Any:
    """Import what ``module:name`` says."""
    module, _, attribute = value.partition(":")
    return getattr(importlib.import_module(module), attribute)


@cache
def announced(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Entry points of a group by name, read once per process; a package that is found twice on the path counts once."""
    return by_name(entry_points(group=group))


def by_name(points: Iterable[EntryPoint]) -> dict[str, tuple[EntryPoint, ...]]:
    """Entry points by their name; more than one where packages disagree."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in points:
        found.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: tuple(points.values()) for name, points in found.items()}


def _origin(point: EntryPoint) -> str:
    return f"package {point.dist.name} {point.dist.version}" if point.dist is not None else f"entry point {point.value}"
