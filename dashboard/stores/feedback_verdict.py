"""What people said about an incident, all their messages on the feedback topic taken together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eddy.feedback import Feedback


@dataclass(frozen=True)
class FeedbackState:
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


def after(earlier: FeedbackState | None, word: Feedback) -> FeedbackState:
    """A message on top of what was said before."""
    before = earlier if earlier is not None else FeedbackState(word.id, word.ts)
    said = replace(before, at=word.ts, who=word.by, note=word.comment or before.note)
    match word.action:
        case "ack" | "unack":
            return replace(said, acknowledged=word.action == "ack")
        case "dismiss":
            return replace(said, dismissed=True)
        case "label":
            return replace(said, label=word.label or "")
