"""Draws the README's pictures from the named journals: `python -m tests.tui.pictures`. A test keeps them current.

`drill` is the beginning of a true `polecats demo --faults`, its paths and process ids made neutral.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from coordinator.screen.palette import DARK, LIGHT, Palette
from tests.tui.harness import an_app

FOLDER = Path(__file__).parent / "pictures"
PICTURES: dict[str, tuple[str, tuple[int, int], Palette, list[str]]] = {
    "drill": ("drill", (120, 36), DARK, ["down"]),
    "narrow": ("drill", (80, 24), DARK, ["down"]),
    "wide": ("drill", (200, 50), DARK, ["down"]),
    "hub": ("fetching", (120, 36), DARK, ["down"] * 6),
    "light": ("all_done", (120, 36), LIGHT, []),
}
"""Picture -> journal, size in cells, colours, keys pressed first."""


def draw(name: str) -> str:
    """One picture as SVG."""
    journal, size, palette, keys = PICTURES[name]

    async def go() -> str:
        with tempfile.TemporaryDirectory() as folder:
            app, _, _ = an_app(journal, Path(folder), palette)
            async with app.run_test(size=size) as pilot:
                for _ in range(200):
                    await pilot.pause()
                    if app.view.state.run and app.board.outline.rows:
                        break
                for key in keys:
                    await pilot.press(key)
                app.beat()
                await pilot.pause()
                return app.export_screenshot(title="polecats").replace(folder, "~/polecats")

    svg = asyncio.run(go())
    return re.sub(r"terminal-\d+", "terminal", svg) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture}.svg").write_text(draw(picture), encoding="utf-8")
