"""The same files by other ways: `python hub_peers.py WAY REPO CAP [COLUMN...]`, from the Hub that HF_ENDPOINT names.

WAY: `datasets` streams the rows of all parquet files in batches (CAP rows, 0: all) and converts none; `download`
brings the files into huggingface_hub's cache, several at a time but each over one connection.
"""

from __future__ import annotations

import os
import sys


def stream(repo: str, cap: int, columns: list[str]) -> int:
    """Rows that were read."""
    from datasets import load_dataset

    more = {"columns": columns} if columns else {}
    data = load_dataset(repo, data_files="data/*.parquet", split="train", streaming=True, **more)
    rows = (data.take(cap) if cap else data).with_format("arrow")
    return sum(batch.num_rows for batch in rows.iter(1_000))


def download(repo: str) -> None:
    """All files of a repository."""
    from huggingface_hub import snapshot_download

    snapshot_download(repo, repo_type="dataset")


if __name__ == "__main__":
    way, repo, cap, *columns = sys.argv[1:]
    if way == "download":
        download(repo)
    else:
        sys.stdout.write(f"{stream(repo, int(cap), columns)}\n")
        sys.stdout.flush()
        os._exit(0)  # Arrow's threads may abort an interpreter that ends in the ordinary way
