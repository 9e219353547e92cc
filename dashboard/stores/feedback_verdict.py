"""Combine all feedback messages on an incident into its state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eddy.feedback import Feedback


@dataclass(frozen=True)
class FeedbackState:
    """Hold the state of an incident after all feedback on it.

    Attributes:
        incident: its id.
        at: wall clock, epoch ms.
        acknowledged, dismissed: whether somebody did so.
        label: of the incident; empty = none.
        note, who: comment and sender of the newest message.
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
        """Whether somebody has acknowledged, dismissed or labelled it."""
        return self.acknowledged or self.dismissed

    def words(self) -> str:
        """Describe the state briefly."""
        said = []
        if self.dismissed:
            said.append("dismissed")
        elif self.acknowledged:
            said.append("acknowledged")
        if self.label:
            said.append(f"labelled {self.label}")
        return ", ".join(said)


def after(earlier: FeedbackState | None, word: Feedback) -> FeedbackState:
    """Apply a feedback message to the state before it."""
    before = earlier if earlier is not None else FeedbackState(word.id, word.ts)
    said = replace(before, at=word.ts, who=word.by, note=word.comment or before.note)
    match word.action:
        case "ack" | "unack":
            return replace(said, acknowledged=word.action == "ack")
        case "dismiss":
            return replace(said, dismissed=True)
        case "label":
            return replace(said, label=word.label or "")
