"""Where worker events enter: freed of credentials, made harmless, entered into state and journal, told to reporters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from ..disk import DiskError
from ..events import Counts, Event, Failure, Heartbeat, LoaderProgress
from ..redaction import redacted
from .journal import Journal
from .state import RunState, reduce

Reporter = Callable[[Event, RunState, float], None]
"""Called with each event after it has been entered, the state, and the time in seconds since the epoch."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def harmless(text: str) -> str:
    """Control characters, bidi marks, line separators and lone surrogates as escapes; newlines and tabs stay."""
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(event: Event) -> Event:
    """The event with every text harmless, and without credentials: a worker's words, or a journal's."""
    return replace(event, **{f.name: _clean(getattr(event, f.name)) for f in fields(event)})


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(redacted(value))
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return _clean_tally(value)
    if isinstance(value, Failure | Counts):
        return replace(value, **{f.name: _clean(getattr(value, f.name)) for f in fields(value)})
    return value


def _clean_tally(tally: dict[str, int]) -> dict[str, int]:
    """Rows by reason; reasons that look alike are counted together."""
    clean: dict[str, int] = {}
    for reason, count in tally.items():
        shown = _clean(reason)
        clean[shown] = min(clean.get(shown, 0) + count, 2**63 - 1)
    return clean


class Recorder:
    """One run's events in order.

    `every`: seconds between two journal lines of a loader's progress. The newest is kept back until then, or until
    anything else happens: the journal of a run of many hours is read in a second.
    `warn` is told, once, that the journal cannot be written: that ends no run that can go on.
    """

    def __init__(
        self,
        journal: Journal,
        reporters: Sequence[Reporter] = (),
        clock: Callable[[], float] = time.time,
        every: float = 0.0,
        warn: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.state = RunState()
        self._journal, self._warn, self._warned = journal, warn, False
        self.reporters = list(reporters)
        self._clock, self._every = clock, every
        self._kept: dict[tuple[str, str], tuple[Event, float]] = {}
        self._due = 0.0

    def now(self) -> float:
        """The time that an event entered now would get."""
        return self._clock()

    def emit(self, event: Event) -> None:
        """Enter one event."""
        event, at = clean(event), self._clock()
        reduce(self.state, event, at)
        self._keep(event, at)
        for reporter in list(self.reporters):
            reporter(event, self.state, at)

    def _keep(self, event: Event, at: float) -> None:
        if not self._every or not isinstance(event, LoaderProgress | Heartbeat):
            self.flush()
            self._note(event, at)
            return
        key = (event.kind, event.loader)
        self._kept.pop(key, None)  # the newest stands last, as it came last
        self._kept[key] = (event, at)
        if at >= self._due:
            self._due = at + self._every
            self.flush()

    def flush(self) -> None:
        """Write what is kept back: from here on the journal gives the state."""
        for event, at in self._kept.values():
            self._note(event, at)
        self._kept.clear()

    def _note(self, event: Event, at: float) -> None:
        try:
            self._journal.append(event, at)
        except DiskError as error:
            if not self._warned:
                self._warned = True
                self._warn(f"{error}. The run goes on, and the journal is made good as soon as it can be written.")
