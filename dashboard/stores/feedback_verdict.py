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
        """Return whether somebody has acknowledged or dismissed it."""
        return self.acknowledged or self.dismissed

    def words(self) -> str:
        """Describe the state briefly."""
        parts = []
        if self.dismissed:
            parts.append("dismissed")
        elif self.acknowledged:
            parts.append("acknowledged")
        if self.label:
            parts.append(f"labelled {self.label}")
        return ", ".join(parts)


def after(earlier: FeedbackState | None, message: Feedback) -> FeedbackState:
    """Apply a feedback message to the state before it."""
    before = earlier if earlier is not None else FeedbackState(message.id, message.ts)
    combined = replace(before, at=message.ts, who=message.by, note=message.comment or before.note)
    match message.action:
        case "ack" | "unack":
            return replace(combined, acknowledged=message.action == "ack")
        case "dismiss":
            return replace(combined, dismissed=True)
        case "label":
            return replace(combined, label=message.label or "")
        case "reset":  # about a series and no incident
            return before
