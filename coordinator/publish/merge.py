"""The merge: parts in order, verified while they are copied, one file, atomically; or a preview of it.

A part of which every line is kept is hashed while it is copied, and taken back if it is not what was committed; of
others the lines are looked at first. A damaged part is named and moved out of the way; the merge refuses until it is
told to leave it out. Damaged keys cost nothing: they are read from their part's lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..disk import FULL, DiskError, free_bytes, reserve
from ..errors import ExitCode, PolecatsError
from ..worker.fingerprint import contract_version
from ..worker.parts import COMMITS, PartFile
from .copying import Reader, Writer, reading, writing
from .inputs import Input
from .output import holds, put, temporary
from .place import check_room
from .selection import Selection, Tally, parts_of, read_part, stands


@dataclass(slots=True)
class Merged:
    """What a merge gives, or would give: a tally a loader (in order), the file's rows, bytes and SHA-256."""

    inputs: Sequence[Input]
    tallies: dict[str, Tally] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def damaged(self) -> list[Path]:
        """The parts that are missing or not what was committed."""
        found = [(item, self.tallies.get(item.name, Tally())) for item in self.inputs]
        return [item.folder / name for item, tally in found for name in tally.damaged_parts]


Progress = Callable[[str, int], None]
"""Called with (loader, rows written so far) after each part."""


def _quiet(loader: str, rows: int) -> None:
    pass


def preview(inputs: Sequence[Input], quotas: Mapping[str, int] | None = None) -> Merged:
    """The merge's figures without writing or moving anything; damaged parts are in them. Raises as the merge does
    for rows of another contract version that break this one."""
    return _pass(inputs, quotas, None, _quiet)


def kept_rows(inputs: Sequence[Input], quotas: Mapping[str, int]) -> dict[str, int]:
    """Rows of each input that a merge with `quotas` would keep, by keys alone: sound parts are taken for granted."""
    selection = Selection(inputs)
    kept = {}
    for item in inputs:
        tally, quota = Tally(), 0 if item.left_out else quotas.get(item.name, 0)
        for _, part, _ in parts_of(item):
            if tally.kept == quota:
                break
            _choose(selection, item, part, max(quota - tally.kept, -1), tally)
        kept[item.name] = tally.kept
    return kept


def merge(
    inputs: Sequence[Input],
    output: Path,
    quotas: Mapping[str, int] | None = None,
    leave_out_damaged: bool = False,
    progress: Progress = _quiet,
    announce: Callable[[Merged], None] = lambda merged: None,
) -> Merged:
    """Write `output` from the inputs' committed parts. Nothing is at `output` unless all of it is.

    `announce` is called when the file is complete and has not appeared yet: the manifest is prepared there, so that
    no file of ours ever stands without one that tells of it, whenever the process is killed.

    Raises `PolecatsError` for damaged parts and records (unless told to leave them out), nothing to merge, an output
    that cannot be written, a full disk; the file that was there before stays.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        room = needed(inputs, quotas, enough=free_bytes(output.parent))
        check_room(output, room)
        with temporary(output) as (out, path):
            reserve(out.fileno(), room if quotas is None else 0)  # a quota may leave next to nothing of it
            merged = _pass(inputs, quotas, out, progress)
            _settle_damaged(merged, leave_out_damaged)
            if not merged.rows:
                raise PolecatsError("Nothing to merge: no loader has committed a row yet.", ExitCode.NOTHING)
            out.truncate(merged.bytes)  # gives back what was set aside for duplicates
            out.flush()
            os.fsync(out.fileno())
            path.chmod(0o644)
            announce(merged)
            if not holds(output, merged.bytes, merged.sha256):
                merged.notes += filter(None, [put(path, output)])
        return merged
    except BrokenPipeError:
        raise  # of who listens to `progress`, not of the output
    except OSError as error:
        raise _cannot_write(error, output, inputs) from None


def _pass(
    inputs: Sequence[Input], quotas: Mapping[str, int] | None, out: BinaryIO | None, progress: Progress
) -> Merged:
    merged, selection = Merged(inputs), Selection(inputs)
    limits = {item.name: -1 if quotas is None else quotas.get(item.name, 0) for item in inputs}
    parts = {item.name: [] if item.left_out else [part for _, part, _ in parts_of(item)] for item in inputs}
    surely_read = [
        (item, part)
        for item in inputs
        for part in parts[item.name]
        if limits[item.name] < 0 and selection.keys(item, part) is not None
    ]
    with reading(surely_read) as reader, writing(out) as writer:
        for item in inputs:
            tally = merged.tallies[item.name] = Tally()
            for part in parts[item.name]:
                tally.samples += part.rows
                if limits[item.name] < 0 and _is_copied(selection, item, part):
                    _copy(part, reader, writer, tally)
                else:
                    room = -1 if limits[item.name] < 0 else limits[item.name] - tally.kept
                    writer.put(_choose(selection, item, part, room, tally, reader))
                keys = selection.mended.get((item.name, part.name))
                if keys and part.name not in tally.damaged_parts:
                    told = "is damaged; the lines of its part are sound and tell the same"
                    merged.notes.append(f"{item.name}/{keys} {told}")
                progress(item.name, merged.rows + tally.kept)
            merged.rows += tally.kept
            _check_balance(merged, item, tally)
    merged.bytes, merged.sha256 = writer.size, writer.sha256
    return merged


def _is_copied(selection: Selection, item: Input, part: PartFile) -> bool:
    return item.contract == contract_version() and selection.takes_whole(item, part)


def _copy(part: PartFile, reader: Reader, writer: Writer, tally: Tally) -> None:
    """The next part that `reader` has, as it is."""
    if writer.copy(reader.pieces()):
        tally.kept += part.rows
    else:
        tally.damaged += part.rows
        tally.damaged_parts.append(part.name)


def _check_balance(merged: Merged, item: Input, tally: Tally) -> None:
    if not tally.closes():
        raise AssertionError(f"the balance of {item.name} does not close: {tally}")
    if not item.counts.closes():
        merged.notes.append(f"{item.name}: the counts in its last commit do not add up; its rows are not concerned")


def _choose(
    selection: Selection, item: Input, part: PartFile, room: int, tally: Tally, reader: Reader | None = None
) -> bytes:
    """The bytes of a part that are published, nothing without a `reader`; enters them and the rest into the tally.

    A part is read where its bytes are wanted and there is room, or its lines decide. Nothing of the others is
    published: it is enough that they stand.
    """
    keys = selection.keys(item, part)
    by_lines = room != 0 and selection.needs_ids(item)
    wanted = by_lines or (reader is not None and room != 0)
    data: bytes | None = b""
    if keys is not None and wanted:
        data = reader.whole(item, part) if reader else read_part(item, part)
    if keys is None or data is None or not (wanted or stands(item, part)):
        tally.damaged += part.rows
        tally.damaged_parts.append(part.name)
        return b""
    lines = data.splitlines(keepends=True) if by_lines else None
    kept = selection.decide(item, keys, lines, room, tally)
    return _published(item, part, data, kept) if reader and kept else b""


def _published(item: Input, part: PartFile, data: bytes, kept: Sequence[int]) -> bytes:
    checked = item.contract == contract_version()
    if checked and len(kept) == part.rows:
        return data
    lines = data.splitlines(keepends=True)
    if not checked:
        _check_again(item, part, lines, kept)
    return b"".join([lines[position] for position in kept])


def _check_again(item: Input, part: PartFile, lines: list[bytes], kept: Sequence[int]) -> None:
    """Rows made under another version of the contract are audited before they are published.

    Each by itself: what stands twice was told apart by the selection already.
    """
    from ..contract.audit import Auditor  # with all of the contract, which other merges do without

    for position in kept:
        broken = Auditor().audit(lines[position].removesuffix(b"\n"))
        if broken:
            first = broken[0]
            raise PolecatsError(
                f"{item.folder / part.name} line {position + 1}: {first.code} {first.field}: {first.message}. It was "
                f"made under another version of the contract: run {item.name} again.",
                ExitCode.REFUSED,
            )


def _settle_damaged(merged: Merged, leave_out: bool) -> None:
    """Move damaged parts aside, so that nothing takes them for sound and a person can look at them; refuse, or not."""
    paths, cut = merged.damaged, [item for item in merged.inputs if item.cut and not item.left_out]
    for path in paths:
        with suppress(OSError):  # not there, or not ours to move: it is found damaged each time
            path.replace(path.with_name(f"{path.name}.damaged"))
    found = [f"{path} is damaged" for path in paths] + [f"{item.folder / COMMITS}: {item.cut}" for item in cut]
    if not found:
        return
    if leave_out:
        merged.notes += [f"left out as told: {what}" for what in found]
        return
    names = " ".join(item.name for item in merged.inputs if item in cut or merged.tallies[item.name].damaged_parts)
    kept = f" {len(paths)} damaged part{'s' * (len(paths) > 1)}, kept with the ending .damaged." if paths else ""
    raise PolecatsError(
        f"{'; '.join(found)}.{kept} Redo it with: polecats restart {names}, or merge with --leave-out-damaged.",
        ExitCode.REFUSED,
    )


def needed(inputs: Sequence[Input], quotas: Mapping[str, int] | None = None, enough: int | None = 0) -> int:
    """About the bytes of the file. What duplicates and quotas leave out is told by keys, and taken for average rows.

    Where all parts are less than `enough` (None: any number is), it is theirs, and no key is looked at.
    """
    most = {item.name: sum(part.bytes for _, part, _ in parts_of(item)) for item in inputs if not item.left_out}
    if enough is None or sum(most.values()) <= enough:
        return sum(most.values())
    kept = kept_rows(inputs, dict.fromkeys(most, -1) if quotas is None else quotas)
    rows = {item.name: sum(part.rows for _, part, _ in parts_of(item)) for item in inputs}
    return sum(size * kept[name] // max(rows[name], 1) for name, size in most.items())


def _cannot_write(error: OSError, output: Path, inputs: Sequence[Input]) -> PolecatsError:
    refused = error if isinstance(error, DiskError) else DiskError(error, output, needed(inputs, enough=None))
    remedy = "Free space and merge again" if error.errno in FULL else "Choose another file with --output"
    return PolecatsError(f"{refused}. {remedy}.", ExitCode.REFUSED)
