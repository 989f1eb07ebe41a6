"""The way to the Hub for commands that read from it in this process: by the same gate, limits and cache as a worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

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
    gate.serve(lambda wait, why, shared: typer.echo(f"waiting {wait:,.0f} s ({why})", err=True), lambda: False)
    return use(gate, Connections(config.hub.connections), config.cache.limit_bytes, config.hub.xet)
