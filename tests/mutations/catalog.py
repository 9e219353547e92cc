"""Read the catalog of breakages."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("breakages.toml")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Breakage:
    """Define one breakage of the code.

    Attributes:
        name: says what is broken.
        promise: what users are promised, which no longer holds then.
        file: relative to the checkout.
        old, new: a text that the file holds once, and what takes its place.
        test: id of a test that has to go red.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    test: str

    def broken(self, text: str) -> str:
        """Return the content of the file with the breakage.

        Raises:
            ValueError: the file does not hold the text exactly once.
        """
        if text.count(self.old) != 1:
            message = f"{self.name}: {self.file} holds {self.old!r} {text.count(self.old)} times, expected once"
            raise ValueError(message)
        return text.replace(self.old, self.new)


def breakages() -> list[Breakage]:
    """Return all breakages, in the order of the file."""
    return [Breakage(**one) for one in tomllib.loads(FILE.read_text(encoding="utf-8"))["breakage"]]
