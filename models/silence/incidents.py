"""Hold one silent incident: what it says at each time, and when it has something new to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eddy.alert import Alert, AlertState, incident_id, severity_level
from eddy.models.silence.kernel import LEVELS
from eddy.models.silence.pauses import EVER, Silence

KIND = "silent"  # of the alert, its detector, and in place of a model's name
SEVERITIES = (30, 50, 75)  # at each level: the allowed silence, nearly 5 times, and 32 times that
RECHECK_MS = 600_000  # event time after which a suppressed one is looked at again

Step = Literal["level", "close", "recheck"]


@dataclass
class SilentIncident:
    """Hold the state of one silent incident.

    Attributes:
        series: its id, or ``source:<name>``.
        start: event time of the last event. allowed, usual: see :class:`Silence`.
        reached: event times at which each level is reached.
        end: event time of the newest message; silent: ms of the silence that count, then.
        level: index of the level at the newest message.
        close_at: event time at which other open incidents of the series are closed; EVER: they are, or are not to be.
        suppressed: why nobody is notified; acknowledged: somebody has taken it on.
        digest: of the settings.
    """

    series: str
    start: int
    allowed: int
    usual: int
    reached: list[int]
    end: int
    silent: int
    close_at: int = EVER
    level: int = 0
    suppressed: str | None = None
    acknowledged: bool = False
    digest: str = ""

    @classmethod
    def of(cls, series: str, silence: Silence, close_after: int, digest: str) -> SilentIncident:
        """Open an incident."""
        reached = [silence.open, silence.high, silence.critical]
        close_at = silence.open + close_after if close_after else EVER
        values = (
            series,
            silence.last,
            silence.allowed,
            silence.usual,
            reached,
            silence.open,
            silence.allowed,
            close_at,
        )
        return cls(*values, digest=digest)

    def next(self) -> tuple[int, Step]:
        """Return the event time at which something is to be done next, and what; EVER: nothing."""
        steps: list[tuple[int, Step]] = [(self.close_at, "close")]
        if self.level + 1 < len(LEVELS):
            steps.append((self.reached[self.level + 1], "level"))
        if self.suppressed is not None:
            steps.append((self.end + RECHECK_MS, "recheck"))
        return min(steps)

    @property
    def id(self) -> str:
        """The incident's id: the same after any replay or restart."""
        return incident_id(self.series, KIND, self.start)

    @property
    def words(self) -> str:
        """Say in plain words what is wrong."""
        text = f"no event for {length(self.end - self.start)}"
        if self.end - self.start > 1.5 * self.silent:
            text += f", {length(self.silent)} of it in its usual hours"
        if self.usual:
            return f"{text}, usually one within {length(self.usual)}"
        return f"{text}, allowed are {length(self.allowed)}"

    def alert(self, state: AlertState, job: str, group: str | None, now: int) -> Alert:
        """Make the message of a transition."""
        severity = SEVERITIES[self.level]
        return Alert(
            id=self.id,
            series=self.series,
            state=state,
            start=self.start,
            end=self.end,
            detected_at=now,
            score=self.silent / 1000,
            threshold=self.allowed / 1000,
            severity=severity,
            severity_word=severity_level(severity),
            points=0,
            imputed=0,
            values={},
            expected={},
            lower={},
            upper={},
            attribution={},
            model={"name": KIND, "version": 0, "sha256": ""},
            detector=KIND,
            job=job,
            unusual=self.words,
            suppressed=self.suppressed,
            group=group,
            kind="silent",
            acknowledged=self.acknowledged,
            settings_digest=self.digest,
        )


_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000))


def length(ms: int) -> str:
    """Say a length of time in its largest unit of which there are two or more, or one exactly.

    Examples:
        >>> length(60_000), length(720_000), length(5_400_000), length(90_000), length(200)
        ('1 minute', '12 minutes', '90 minutes', '90 seconds', '1 second')
    """
    for name, unit in _UNITS:
        number = round(ms / unit)
        if ms >= 2 * unit or (number == 1 and ms == unit):
            return f"{number} {name}{'s' if number > 1 else ''}"
    return "1 second"
