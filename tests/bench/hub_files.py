"""What the benchmark of reading over the Hub reads: large files, built once from the mirror and from samples."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from coordinator.worker.hub.remote_file import RemoteFile
from coordinator.worker.hub.spans import PIECE, Range, gap_of, in_pieces, spans_of
from coordinator.worker.streams.chunks import chunks_of, in_reading_order
from tests.clones import ROOT

from . import mirror
from .mirror import SEED_RUN, TURKISH

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TOOLMIND, LMSYS = "Nanbeige/ToolMind", "lmsys/lmsys-chat-1m"
COPIES_OF_TURKISH, COPIES_OF_TOOLMIND = 2, 3
"""Of the mirror's rows, which makes about 150 MB of either at the size of the run of the seed."""
LMSYS_FILES, LMSYS_GROUPS, LMSYS_ROWS = 2, 60, 1_000
"""Files, row groups of each, rows of each of those: about 208 MB at that size."""
LMSYS_CAP = 20_000
"""Samples that config.toml asks for."""


@dataclass(frozen=True)
class Case:
    """A dataset of large files. `columns` are those that the loader reads of parquet (none: all); `cap`: samples that
    are asked for at the size of the run of the seed, 0 where all rows are read."""

    name: str
    track: str
    loader: str
    repo: str
    make: Callable[[Path, Path, int], None]
    """Writes the files of a repository into a folder, from a mirror, for so many rows of the run of the seed."""
    columns: tuple[str, ...] = ()
    cap: int = 0

    def build(self, kept: Path, made_of: Path, rows: int) -> Path:
        """The folder, in the Hub's layout, with this dataset alone; one that stands there whole is left as it is."""
        root = kept / f"hub-{rows}" / self.name
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            (root / self.repo).mkdir(parents=True, exist_ok=True)
            self.make(root / self.repo, made_of, rows)
            (root / "complete").touch()
        return root

    def samples(self, rows: int) -> int:
        """Samples to ask for; 0: all."""
        return max(1, self.cap * rows // SEED_RUN) if self.cap else 0

    def files(self, root: Path) -> list[Path]:
        """What is read."""
        return sorted(path for path in (root / self.repo).rglob("*") if path.is_file())


def _turkish(group: int) -> Callable[[Path, Path, int], None]:
    def make(folder: Path, made_of: Path, rows: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with TemporaryDirectory(dir=folder.parents[2]) as beside:
            several = mirror.multiply(made_of, Path(beside), COPIES_OF_TURKISH)
            parts = [pq.read_table(path) for path in sorted(several.rglob("*.parquet"))]
        (folder / "data").mkdir()
        pq.write_table(pa.concat_tables(parts), folder / "data/train-00000-of-00001.parquet", row_group_size=group)

    return make


def _toolmind(folder: Path, made_of: Path, rows: int) -> None:
    source, name = made_of / TOOLMIND, "graph_syn_datasets/graphsyn.jsonl"
    (folder / name).parent.mkdir()
    lines = (source / name).read_bytes()
    with (folder / name).open("wb") as out:
        for copy in range(COPIES_OF_TOOLMIND):
            out.writelines(
                line.replace(b'"content": "', b'"content": "%d ' % copy, 1) for line in lines.splitlines(keepends=True)
            )


def _lmsys(folder: Path, made_of: Path, rows: int) -> None:
    """Row groups of conversations like those of the samples, with words in place of what was said."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sample = min((ROOT / "tracks/topaz/samples" / LMSYS).rglob("*.parquet"))
    known, random_ = pq.read_table(sample), random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(random_.choices(letters, k=random_.randint(2, 9))) for _ in range(20_000)]
    models, size = known.to_pylist(), max(10, LMSYS_ROWS * rows // SEED_RUN)
    (folder / "data").mkdir()
    for file in range(LMSYS_FILES):
        path = folder / f"data/train-{file:05d}-of-{LMSYS_FILES:05d}-{file:016x}.parquet"
        with pq.ParquetWriter(path, known.schema) as out:
            for group in range(LMSYS_GROUPS):
                said = [_conversation(random_, words, random_.choice(models)) for _ in range(size)]
                named = [row | {"conversation_id": f"{file:02d}{group:03d}{at:05d}"} for at, row in enumerate(said)]
                out.write_table(pa.Table.from_pylist(named, schema=known.schema), row_group_size=size)


def _conversation(random_: random.Random, words: list[str], model: dict[str, Any]) -> dict[str, Any]:
    def text(role: str) -> str:
        least, most = (5, 40) if role == "user" else (60, 300)
        return " ".join(random_.choices(words, k=random_.randint(least, most)))

    return model | {"conversation": [turn | {"content": text(turn["role"])} for turn in model["conversation"]]}


_COLUMNS = ("query", "answers")
CASES = [
    *(
        Case(f"turkish-{group}", "opal", "turkish_function_calling", TURKISH, _turkish(group), _COLUMNS)
        for group in (1_000, 10_000, 50_000)
    ),
    Case("toolmind", "opal", "toolmind", TOOLMIND, _toolmind),
    Case("lmsys", "topaz", "lmsys", LMSYS, _lmsys, cap=LMSYS_CAP),
]


def streamed(case: Case, root: Path, latency: float) -> tuple[int, int]:
    """(bytes, requests) of a stream of all rows, as the reader plans it at that latency, in seconds: the chunks of the
    loader's columns and what lies between neighbours, or lines from start to end; and the footers."""
    import pyarrow.parquet as pq

    size = requests = 0
    for path in case.files(root):
        file = RemoteFile(case.repo, "", path.name, path.stat().st_size, "")
        if path.suffix == ".parquet":
            footer = pq.read_metadata(path)
            size += footer.serialized_size
            ranges = list(_ranges(file, footer, case.columns))
        else:
            ranges = list(in_pieces(file, 0, PIECE, sure=True))
        spans = list(spans_of(ranges, gap_of(latency)))
        size += sum(span.end - span.start for span in spans)
        requests += len(spans)
    return size, requests


def _ranges(file: RemoteFile, footer: pq.FileMetaData, columns: tuple[str, ...]) -> Iterator[Range]:
    for group in range(footer.num_row_groups):
        for _, start, end in in_reading_order(chunks_of(footer, group, columns or None), 1.0):
            yield Range(file, start, end, group)
