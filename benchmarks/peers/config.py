"""What every peer is told: a JSON file whose path is its first argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """One run of one peer.

    Attributes:
        bootstrap: the broker.
        topic, alerts: where the events are, and where alerts go.
        model: folder that ``export.py`` wrote.
        kind: ``Z``, ``F`` or ``L``.
        events: how many there are; a peer ends once it has handled them.
        cores: processors that it may use.
        folder: for its state.
    """

    bootstrap: str
    topic: str
    alerts: str
    model: str
    kind: str
    events: int
    cores: int
    folder: str

    @classmethod
    def read(cls, path: str) -> Config:
        return cls(**json.loads(Path(path).read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))
