"""Tab 1: what is wrong with the selection, what was said, where, what to do, what a restart keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...engine.state import LoaderStatus
from ...engine.traffic import traffic, waits_for
from ...events import Failure
from .. import format
from ..drawn import Row, wrapped
from ..incidents import Incident, incidents
from ..line import Line, clip
from ..model import selected
from ..palette import Tone
from ..remaining import AT_WORK
from .base import Pane

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in [^\n]+\n[ \t]+([^\n]+)')
MARGIN = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A line of code: what `e` opens."""

    path: str
    line: int
    code: str

    @property
    def shown(self) -> str:
        """The path from `tracks` on, and the line."""
        _, found, rest = self.path.rpartition("/tracks/")
        return f"{'tracks/' if found else ''}{rest}:{self.line}"


def place_of(traceback: str) -> Place | None:
    """Where an exception comes from: the last frame in a track's code, else the last frame."""
    frames = [Place(path, int(line), code) for path, line, code in _FRAME.findall(traceback)]
    own = [place for place in frames if "/tracks/" in place.path]
    found = own or frames
    return found[-1] if found else None


class WhyPane(Pane):
    """One loader's trouble in full, a track's in a list, or how it gets on where nothing is wrong."""

    title = "Why"
    every: ClassVar[float] = 1.0

    def content(self, width: int) -> Sequence[Row]:
        """See the class."""
        names = selected(self.state, self.selection)
        found = [item for item in incidents(self.state, self.now) if set(item.loaders) & set(names)]
        if not names:
            return [Line().add("  ").add("no loader is selected", "muted")]
        if len(found) == 1 or (found and self.selection.loader):
            return list(self._incident(found[0], names, width - 2 * MARGIN))
        if found:
            return list(self._list(found, width))
        return list(self._well(names, width - 2 * MARGIN))

    def _incident(self, item: Incident, names: Sequence[str], width: int) -> Iterator[Row]:
        name = next(name for name in item.loaders if name in names)
        failure = self.state.loaders[name].failure
        yield self._headline(item, name, width)
        yield from _indented(item.sentence if failure is None else failure.sentence, width)
        place = place_of(failure.traceback) if failure else None
        if place:
            yield (
                Line().pad(MARGIN).add("at ", "faint").add(clip(place.shown, width - 3)).add(f"  {place.code}", "muted")
            )
        yield from _indented(item.remedy, width, "fix ")
        yield Line()
        yield self._verbs(item, place, width)
        yield from _indented(item.reproduce, width, "see ")
        yield from self._details(name, failure, width)

    def _headline(self, item: Incident, name: str, width: int) -> Row:
        status, tone = self.state.loaders[name], _tone(item)
        age = f", {format.span(self.now - item.since, short=True)} ago" if self.now - item.since >= 1 else ""
        others = [other for other in item.loaders if other != name]
        same = f"; same cause in {_listed(others, name)}" if others else ""
        word = status.state if item.needs_you or status.wait(self.now) else item.mark
        line = Line().pad(MARGIN).add(item.failure_class, tone, bold=True)
        return line.add(clip(f"  {word}{_tries(self, name)}{age}{same}", MARGIN + width - line.width), "muted")

    def _verbs(self, item: Incident, place: Place | None, width: int) -> Row:
        """What the keys would do here, and that nothing is lost."""
        line = Line().pad(MARGIN)
        if place:
            line.add("e", "accent", bold=True).add(" opens the line; ", "muted")
        what = {1: "the loader", 2: "both loaders"}.get(len(item.loaders), f"{len(item.loaders)} loaders")
        samples = sum(self.state.loaders[name].counts.samples for name in item.loaders)
        kept = f"the {format.number(samples)} samples made are kept" if samples else "the other loaders are kept"
        if samples and item.failure_class in ("contract", "loader_bug", "schema_cast"):
            kept = "once it is edited it begins anew"
        line.add("r", "accent", bold=True)
        return line.add(clip(f" restarts {what}, {kept}", MARGIN + width - line.width), "muted")

    def _details(self, name: str, failure: Failure | None, width: int) -> Iterator[Row]:
        yield from self._traffic(name, [self.state.loaders[name]], width)
        yield from _warnings(self.state.loaders[name], width)
        if failure and failure.traceback:
            yield Line()
            yield Line().pad(MARGIN).add("traceback", "muted")
            yield from _indented(failure.traceback.rstrip(), width, tone="muted")

    def _list(self, found: Sequence[Incident], width: int) -> Iterator[Row]:
        for item in found:
            more = f" +{len(item.loaders) - 1}" if len(item.loaders) > 1 else ""
            line = Line().pad(MARGIN).add(clip(f"{item.loaders[0]}{more}", 30)).pad(MARGIN + 31)
            line.add(item.failure_class, _tone(item), bold=item.needs_you).add("  ")
            yield line.add(clip(item.sentence, width - line.width - 1), "muted")

    def _well(self, names: Sequence[str], width: int) -> Iterator[Row]:
        statuses = [self.state.loaders[name] for name in names]
        done = sum(status.state in ("DONE", "CAPPED", "EMPTY") for status in statuses)
        if len(names) > 1:
            everything = done == len(names)
            text = f"all {done} loaders done" if everything else f"{done} of {len(names)} loaders done"
            sign = f"{self.glyphs.done} " if everything else ""
            yield Line().pad(MARGIN).add(f"{sign}{text}", "ok" if everything else "fg", bold=True)
        else:
            yield self._progress(names[0], statuses[0])
        yield from self._traffic(self.selection.name or None, statuses, width)
        yield from _balance(statuses, width)
        track = self.state.tracks.get(self.selection.track)
        yield from _indented(track.note if track else "", width, "note ")
        for status in statuses:
            yield from _warnings(status, width)

    def _progress(self, name: str, status: LoaderStatus) -> Row:
        line = Line().pad(MARGIN).add(name.partition("/")[2], bold=True).add(f"  {status.state.lower()}", "muted")
        if status.started and status.state != "QUEUED":
            line.add(f", {format.span((status.ended or self.now) - status.started)}", "muted")
        line.add(", made by an earlier run" if status.reused else "", "muted")
        if status.resumed and not status.reused:
            line.add(f", {format.number(status.resumed)} rows were there already", "muted")
        line.add(f", {format.number(status.replayed)} rows replayed" if status.replayed else "", "muted")
        if status.wait(self.now):
            return line.add(f", {status.wait(self.now)}", "warn")
        waits = waits_for(status, self.now)
        return line.add(f", waits for: {waits}" if waits else "", "muted")

    def _traffic(self, name: str | None, statuses: Sequence[LoaderStatus], width: int) -> Iterator[Row]:
        """What came over the wire and from the cache, where anything did."""
        assert self.history is not None
        busy = any(status.state in AT_WORK for status in statuses)
        told = traffic(statuses, self.history.wire_rate(name, self.now) if busy else 0.0)
        yield from _indented(told, width, tone="muted")


def _balance(statuses: Sequence[LoaderStatus], width: int) -> Iterator[Row]:
    """Rows in and out, by reason."""
    reasons: dict[str, int] = {}
    for status in statuses:
        for kind, tally in (("skipped", status.counts.skipped), ("rejected", status.counts.rejected)):
            for reason, count in tally.items():
                reasons[f"{kind} {reason}"] = reasons.get(f"{kind} {reason}", 0) + count
    read, accepted = sum(s.counts.read for s in statuses), sum(s.counts.accepted for s in statuses)
    if read:
        text = f"{format.number(read)} rows read, {format.number(accepted)} accepted"
        yield (
            Line()
            .pad(MARGIN)
            .add(text)
            .add(f", {format.number(sum(s.counts.samples for s in statuses))} samples", "muted")
        )
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        yield Line().pad(MARGIN).add(f"{format.number(count):>9} ").add(clip(reason, width - 10), "muted")


def _warnings(status: LoaderStatus, width: int) -> Iterator[Row]:
    for sentence in status.warnings:
        yield from _indented(sentence, width, "! ", "muted")


def _indented(text: str, width: int, word: str = "", tone: Tone = "fg") -> Iterator[Row]:
    """A text wrapped below itself, behind a small word."""
    for number, line in enumerate(wrapped(text, width - len(word)) if text else []):
        yield Line().pad(MARGIN).add(word if not number else " " * len(word), "faint").add(line, tone)


def _tries(pane: Pane, name: str) -> str:
    track = pane.state.tracks.get(name.partition("/")[0])
    return f" after {track.attempt} attempts" if track and track.attempt > 1 else ""


def _listed(others: Sequence[str], name: str) -> str:
    track = name.partition("/")[0]
    return ", ".join(other.removeprefix(f"{track}/") for other in others)


def _tone(item: Incident) -> Tone:
    return "bad" if item.mark == "failed" else "warn"
