"""What people said about an incident, all their messages on the feedback topic taken together."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Verdict:
    """What was said last of an incident, all actions taken together.

    Attributes:
        incident: its id.
        at: wall clock, epoch ms.
        acknowledged, dismissed: whether.
        label: of the incident; empty = none.
        note, who: as given.
    """

    incident: str
    at: int
    acknowledged: bool = False
    dismissed: bool = False
    label: str = ""
    note: str = ""
    who: str = ""

    @property
    def settled(self) -> bool:
        """Somebody has taken it on, or off."""
        return self.acknowledged or self.dismissed

    def words(self) -> str:
        """In a word or two."""
        said = []
        if self.dismissed:
            said.append("dismissed")
        elif self.acknowledged:
            said.append("acknowledged")
        if self.label:
            said.append(f"labelled {self.label}")
        return ", ".join(said)


def after(earlier: Verdict | None, value: bytes) -> Verdict | None:
    """A message of the topic on top of what was said before; None for what is no such message."""
    try:
        raw = json.loads(value)
        action = raw["action"]
        incident, ts, by, note = str(raw["id"]), int(raw["ts"]), str(raw["by"]), str(raw.get("comment") or "")
        label = str(raw.get("label") or "")
    except (ValueError, TypeError, KeyError):
        return None
    before = earlier if earlier is not None else Verdict(incident, ts)
    said = replace(before, at=ts, who=by, note=note or before.note)
    match action:
        case "ack" | "unack":
            return replace(said, acknowledged=action == "ack")
        case "dismiss":
            return replace(said, dismissed=True)
        case "label":
            return replace(said, label=label)
    return None


def incident_of(value: bytes) -> str:
    """Id of the incident that a message is about; empty for what is no such message."""
    try:
        return str(json.loads(value)["id"])
    except (ValueError, TypeError, KeyError):
        return ""
