"""The compiled module; its source is in `native`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from .sample import Call
from .walk import Examined, Planned

VERSION: int

def apply_edits(document: Any, edits: Any, names: tuple[str, str, str, str, str]) -> Any: ...
def look_at_plan(
    nodes: list[Any], edges: list[Any], known: dict[int, tuple[str, Examined]], names: tuple[str, str, str, str]
) -> tuple[dict[str, int], list[Planned], list[Examined | None], list[tuple[int, int]]]: ...
def are_puts(edits: Any, names: tuple[str, str, str, str, str], places: dict[str, bool]) -> bool: ...
def read_json(loads: Callable[[str | bytes], Any], source: str | bytes) -> Any: ...
def read_calls(values: list[Any], kind: type[Call], names: tuple[str, str, str]) -> list[Call]: ...

@final
class Plans:
    def __init__(
        self,
        *,
        tools: dict[str, tuple[bytes, bool, int]],
        arguments: dict[str, int],
        stated: Callable[[Mapping[str, Any], bool], int],
        of_text: Callable[[str, str, str], tuple[int, int]],
        by_rules: Callable[[Planned, int], Examined],
        node: tuple[bytes, ...],
        provenance: tuple[bytes, ...],
        sha256: Callable[[bytes], Any],
        max_bytes: int,
        max_depth: int,
        max_integer: int,
        max_volume: int,
        default_level: int,
    ) -> None: ...
    def examine(self, calls: Sequence[Planned]) -> list[Examined]: ...
    def plan(
        self,
        told: Sequence[Examined],
        calls: Sequence[Planned],
        original_id: str,
        origins: Sequence[bytes],
        edges: Sequence[Sequence[int]],
    ) -> bytes: ...
    def are_plain(self, calls: Sequence[Any], kind: type) -> bool: ...
    def intent_hash(self, text: str, told: list[Examined], edges: Sequence[tuple[int, int]]) -> str: ...
