"""Read the configuration of a peer: a JSON file whose path is its first argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """Configure one run of one peer.

    Attributes:
        bootstrap: address of the broker.
        topic, alerts: topics of the events and of the alerts.
        model: folder that ``export.py`` wrote.
        kind: ``Z``, ``F`` or ``L``.
        events: number of events; a peer ends once it has processed them.
        cores: number of processors that it may use.
        folder: folder for its state.
        form: of the messages, see :mod:`benchmarks.measuring.message_forms`.
    """

    bootstrap: str
    topic: str
    alerts: str
    model: str
    kind: str
    events: int
    cores: int
    folder: str
    form: str = "own"

    @classmethod
    def read(cls, path: str) -> Config:
        return cls(**json.loads(Path(path).read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))
