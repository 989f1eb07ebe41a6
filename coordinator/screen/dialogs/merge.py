"""The merge: a preview that writes nothing, then progress, then what was written. The work is a `Merger`'s."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from textual.message import Message

from ...errors import PolecatsError
from ..drawn import wrapped
from ..line import Line
from ..merger import Merger
from ..palette import Glyphs, Palette
from . import preview
from .base import Dialog, Key

Stage = Literal["looking", "preview", "merging", "done", "rows", "failed"]
TITLES = {
    "looking": ("Merge into one file", "looking at what is committed…"),
    "preview": ("Merge into one file", "preview, nothing written yet"),
    "merging": ("Merging", "cancel leaves the old file as it is"),
    "done": ("File written", ""),
    "rows": ("The first rows", ""),
    "failed": ("Not merged", "the file that was there is as it was"),
}
EVERY = 0.5
"""Seconds between two drawings of the progress."""


class Came(Message):
    """A thread has something to say."""

    def __init__(self, stage: Stage, told: dict[str, Any]) -> None:
        super().__init__()
        self.stage, self.told = stage, told


class Merge(Dialog[str | None]):
    """Gives the path of the file where one was written, else None."""

    def __init__(self, palette: Palette, glyphs: Glyphs, merger: Merger) -> None:
        super().__init__(palette, glyphs)
        self.merger = merger
        self.stage: Stage = "looking"
        self.figures: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.found: list[str] = []
        self.sentence = self.note = ""
        self._drawn_at = 0.0

    def on_mount(self) -> None:
        """Begin with the preview."""
        self._look()

    def title_line(self) -> Line:
        """Where it stands."""
        title, aside = TITLES[self.stage]
        if self.stage == "done" and self.figures.get("seconds"):
            aside = f"in {self.figures['seconds']:.0f} s"
        tone: Any = {"done": "ok", "failed": "bad"}.get(self.stage, "fg")
        return Line().add(title, tone, bold=True).right(Line().add(self.note or aside, "muted"), self.inner)

    def body(self, width: int) -> Sequence[Line]:
        """By stage."""
        match self.stage:
            case "looking":
                return [Line().add("sums of every part are checked, so this takes a moment", "muted")]
            case "preview":
                return preview.preview(self.figures, width, self.glyphs)
            case "merging":
                return preview.progress(self.figures, self.told, width, self.glyphs)
            case "done":
                return preview.result(self.figures, width)
            case "rows":
                return preview.rows(self.found, width)
            case "failed":
                return [Line().add(text) for text in wrapped(self.sentence, width)]

    def keys(self) -> Sequence[Key]:
        """By stage; `esc` never writes and never takes anything away."""
        leave = Key(
            "escape", "cancel" if self.stage in ("looking", "preview", "merging") else "close", self._leave, far=True
        )
        match self.stage:
            case "preview":
                return [*self._acts(self.figures.get("refused", "")), leave]
            case "failed":
                return [*self._ways_out(), Key("enter", "look again", self._look, filled=True), leave]
            case "done" | "rows":
                shown = self.stage == "rows"
                return [
                    Key("y", "copy path", lambda: self._copy("output")),
                    Key("h", "copy sha256", lambda: self._copy("sha256")),
                    Key("v", "back" if shown else "look at rows", self._back if shown else self._open),
                    leave,
                ]
        return [leave]

    def _acts(self, refused: str) -> list[Key]:
        """The act by its name, where there is something to merge."""
        count = len(preview.inside(self.figures))
        loaders = f"{count} loader{'s' * (count != 1)}"
        if not self.figures["rows"]:
            return []
        if refused:
            return [Key("R", f"replace it by {loaders}", lambda: self._merge("--replace"), filled=True, bad=True)]
        if preview.total(self.figures, "damaged"):
            act = f"merge {loaders} without what is damaged"
            return [Key("l", act, lambda: self._merge("--leave-out-damaged"), filled=True)]
        return [Key("enter", f"merge {loaders}", self._merge, filled=True)]

    def _ways_out(self) -> list[Key]:
        if "--leave-out-damaged" in self.sentence:
            return [Key("l", "leave it out and merge", lambda: self._merge("--leave-out-damaged"))]
        if "--replace" in self.sentence:
            return [Key("R", "replace it", lambda: self._merge("--replace"), bad=True)]
        return []

    # --- acts

    def _look(self) -> None:
        self._go("looking")
        self._in_thread("preview", self.merger.preview)

    def _merge(self, *options: str) -> None:
        self.told = {}
        self._go("merging")
        self._in_thread("done", lambda: self.merger.start(self._heard, options))

    def _heard(self, told: dict[str, Any]) -> None:
        """On the merge's thread: pass on twice a second."""
        now = time.monotonic()
        if now - self._drawn_at >= EVERY:
            self._drawn_at = now
            self.post_message(Came("merging", told))

    def _in_thread(self, stage: Stage, work: Callable[[], dict[str, Any]]) -> None:
        def run() -> None:
            try:
                self.post_message(Came(stage, work()))
            except (PolecatsError, OSError, ValueError) as error:
                self.post_message(Came("failed", {"sentence": str(error)}))

        self.run_worker(run, thread=True, exit_on_error=False, group="merge")

    def on_came(self, message: Came) -> None:
        """Back on the screen's thread."""
        message.stop()
        if message.stage == "merging":
            self.told = message.told
            if self.stage == "merging":
                self.draw()
            return
        if message.stage == "failed":
            self.sentence = str(message.told["sentence"])
        else:
            self.figures = message.told
        self._go(message.stage)

    def _go(self, stage: Stage) -> None:
        self.stage, self.note, self.sheet.top = stage, "", 0
        self.draw()

    def _leave(self) -> None:
        """Cancel what is under way; a merge that is cancelled says so before the dialog closes."""
        if self.stage == "merging":
            self.note = "cancelling…"
            self.draw()
            self.run_worker(self.merger.cancel, thread=True, exit_on_error=False, group="cancel")
            return
        if self.stage == "looking":
            self.run_worker(self.merger.cancel, thread=True, exit_on_error=False, group="cancel")
        written = self.stage in ("done", "rows")
        self.dismiss(str(self.figures["output"]) if written else None)

    def _copy(self, what: str) -> None:
        self.app.copy_to_clipboard(str(self.figures[what]))
        self.note = {"output": "path copied", "sha256": "sha256 copied"}[what]
        self.draw()

    def _open(self) -> None:
        try:
            self.found = preview.first_rows(Path(str(self.figures["output"])))
            self._go("rows")
        except OSError as error:
            self.note = f"cannot be read: {error.strerror}"
            self.draw()

    def _back(self) -> None:
        self._go("done")
