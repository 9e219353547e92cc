"""Check that the threat model says of every topic what whoever may write it can do."""

from __future__ import annotations

from pathlib import Path

from eddy.connection_settings import TopicSettings
from eddy.training.registry.registry import HISTORY_SUFFIX

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def test_every_topic_has_its_row_in_the_threat_model() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Threat model")[1].split("## Connections")[0]
    written = [line.split("|")[1] for line in table.splitlines() if line.startswith("| writes ")]
    topics = TopicSettings()
    names = [topics.name(role) for role in TopicSettings.model_fields if role != "prefix"]
    missing = [
        name for name in (*names, topics.name("models") + HISTORY_SUFFIX) if f"`{name}`" not in " ".join(written)
    ]
    assert missing == []
