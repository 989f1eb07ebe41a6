"""The way to the Hub for commands that read from it in this process: by the same gate, limits and cache as a worker."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..config import Config
from ..worker.main import HUB_SETTINGS

if TYPE_CHECKING:
    from ..worker.hub.access import Hub


def hub_of(config: Config) -> Hub:
    """The way to the Hub by config.toml's limits; waits are told on stderr."""
    for key, value in HUB_SETTINGS.items():
        os.environ.setdefault(key, value)
    from ..worker.gate import Gate
    from ..worker.hub.access import use
    from ..worker.hub.connections import Connections

    gate = Gate()
    gate.longest = config.run.longest_wait
    gate.serve(_tell_wait, lambda: False)
    return use(gate, Connections(config.hub.connections), config.cache.limit_bytes, config.hub.xet)


def _tell_wait(seconds: float, why: str, shared: bool) -> None:
    sys.stderr.write(f"waiting {seconds:,.0f} s ({why})\n")  # `typer.echo` would write across a progress bar
