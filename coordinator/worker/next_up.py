"""Fetching ahead for the loader whose turn is next, while another one is at work."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .earlier import Earlier
from .streams.opening import kept_files
from .streams.roots import HubRoot

if TYPE_CHECKING:
    from .hub.access import Hub
    from .scout import Scout
    from .spec import LoaderSpec, WorkerSpec


class NextUp:
    """Looks up what the next loader reads, and lets it be fetched when nothing else is to be."""

    def __init__(self, hub: Hub, scout: Scout, spec: WorkerSpec) -> None:
        self._hub, self._scout, self._spec = hub, scout, spec
        self._thread: threading.Thread | None = None

    def prepare(self, loader: LoaderSpec) -> None:
        """Begin; returns at once. One look-up at a time: a slow one takes the place of the next."""
        if self._thread is None or not self._thread.is_alive():
            turn = self._hub.turn
            self._thread = threading.Thread(target=self._prepare, args=(loader, turn), name="next", daemon=True)
            self._thread.start()

    def _prepare(self, loader: LoaderSpec, turn: int) -> None:
        with suppress(Exception):  # its own turn tells what is wrong
            source = self._scout.source(loader.name)
            if source is None:
                return
            resolved = HubRoot(self._hub, lambda count: None).resolve(source)
            if not resolved.offline and not Earlier(self._spec, loader).is_all(source, resolved):
                self._hub.begin_next(turn, kept_files(resolved, loader.cap), source.revision)
