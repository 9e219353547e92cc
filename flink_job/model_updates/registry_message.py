"""Read a message of the registry topic once, however many questions are asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eddy.errors import EddyError
from eddy.models.artifacts.manifest import Manifest


@dataclass(frozen=True)
class RegistryMessage:
    """A message under a model's name; equal to another one of the same bytes.

    Attributes:
        raw: its value.
    """

    raw: bytes

    @cached_property
    def _parsed(self) -> Manifest | EddyError:
        try:
            return Manifest.from_json(self.raw)
        except EddyError as error:
            return error

    @property
    def manifest(self) -> Manifest | None:
        """The manifest; None where the message is none."""
        return self._parsed if isinstance(self._parsed, Manifest) else None

    @property
    def problem(self) -> str:
        """Why the message is no manifest; empty where it is one."""
        return "" if isinstance(self._parsed, Manifest) else str(self._parsed)

    @property
    def version(self) -> int:
        """Its version; 0 where it is no manifest."""
        return self.manifest.version if self.manifest is not None else 0

    @property
    def withdraws(self) -> bool:
        """Whether it takes the model back."""
        return self.manifest is not None and self.manifest.withdrawn
