"""The dataset card of a folder of published files: `load_dataset(folder)` reads every row by it.

It names the files explicitly, one config a tier, and gives `arguments` and `metadata` as `json`: without that,
`datasets` fixes their keys from the first 10 MB and dies on the next loader's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import manifest as manifests
from .output import write_text

MARKER = "<!-- written by polecats; a card without this line is left alone -->"
_FEATURES = """\
  - name: execution_plan
    struct:
    - name: nodes
      list:
      - name: tool_name
        dtype: string
      - name: arguments
        dtype: json
      - name: provenance_tier
        dtype: int64
      - name: provenance_hash
        dtype: string
      - name: scope_volume
        dtype: int64
      - name: scope_sensitivity
        dtype: int64
      - name: node_id
        dtype: string
    - name: edges
      list:
        list: string
  - name: label
    dtype: string
  - name: original_id
    dtype: string
  - name: category
    dtype: string
  - name: metadata
    dtype: json
"""
_PAIR_FEATURES = """\
  - name: schema_version
    dtype: string
  - name: pair_id
    dtype: string
  - name: group_id
    dtype: string
  - name: split
    dtype: string
  - name: energy_term
    dtype: string
  - name: anchor
    dtype: json
  - name: positive_id
    dtype: string
  - name: negative_id
    dtype: string
  - name: control_ids
    list: string
  - name: difficulty
    dtype: string
  - name: severity
    dtype: float64
  - name: margin
    dtype: float64
"""


def write(output: Path) -> Path:
    """Write the card for all published files beside `output`; returns where."""
    folder = output.parent
    found = [manifests.read(path) for path in _published(folder)]
    path = folder / "README.md"
    if path.exists() and MARKER not in path.read_text(encoding="utf-8", errors="replace"):
        path = folder / f"{output.stem}.card.md"
    text = card([manifest for manifest in found if manifest and _is_published(folder, manifest["file"])])
    write_text(path, text)
    return path


def _published(folder: Path) -> list[Path]:
    """Names that the manifests in a folder stand beside."""
    return sorted(
        path.with_name(f"{path.name.removesuffix('.manifest.json')}.jsonl") for path in folder.glob("*.manifest.json")
    )


def _is_published(folder: Path, file: str) -> bool:
    return (folder / file).is_file() and not file.endswith(".draft.jsonl")


def card(manifests_of_files: Iterable[Mapping[str, Any]]) -> str:
    """The card's text: front matter, then what each file holds and where it comes from."""
    files = list(manifests_of_files)
    tables = [(manifest["file"], _FEATURES) for manifest in files]
    tables += [(manifest["pairs"]["file"], _PAIR_FEATURES) for manifest in files if "pairs" in manifest]
    configs = "".join(_config(file, first=index == 0) for index, (file, _) in enumerate(tables))
    infos = "".join(f"- config_name: {_stem(file)}\n  features:\n{features}" for file, features in tables)
    head = f"---\nlicense: other\ntags:\n- tool-use\n- agent\nconfigs:\n{configs}dataset_info:\n{infos}---\n"
    return f"{head}\n{MARKER}\n\n# Execution plans\n\n" + "\n".join(map(_body, files))


def _stem(file: str) -> str:
    """The config's name, quoted: unquoted, YAML takes `2026` for a number."""
    return json.dumps(file.removesuffix(".jsonl"))


def _config(file: str, first: bool) -> str:
    default = "  default: true\n" if first else ""
    return f"- config_name: {_stem(file)}\n{default}  data_files: {json.dumps(file)}\n"


def _body(manifest: Mapping[str, Any]) -> str:
    rows = "\n".join(_row(loader) for loader in manifest["loaders"] if loader["kept"])
    return (
        f"## {manifest['file']}\n\nTier {manifest['tier']}, {manifest['rows']:,} rows, "
        f"contract {manifest['contract']}, SHA-256 `{manifest['sha256']}`.\n\n"
        "| loader | source | revision | licence | notes | read | kept |\n|---|---|---|---|---|---:|---:|\n"
        + rows
        + "\n"
        + (_of_a_tier(manifest) if "pairs" in manifest else "")
    )


def _of_a_tier(manifest: Mapping[str, Any]) -> str:
    """What a Tier II or III file was made from, its pairs, what bounds it, and with what it was let through."""
    parents, pairs, given = manifest["parents"], manifest["pairs"], manifest["yield"]
    exceptions = manifest.get("exceptions", {}).get("gates", {})
    accepted = "".join(f"- gate {_cell(gate)} accepted: {_cell(entry['why'])}\n" for gate, entry in exceptions.items())
    return (
        f"\nMade from `{parents['file']}` (SHA-256 `{parents['sha256']}`), whose licences hold here too. "
        f"{given['negatives']:,} negatives, bounded by {_cell(given['bound'])}.\n\n"
        f"`{pairs['file']}`: {pairs['rows']:,} pairs for InfoNCE, temperature {pairs['temperature']}; the margin of a "
        f"pair is its negative's `delta_estimate`. SHA-256 `{pairs['sha256']}`.\n{accepted and chr(10) + accepted}"
    )


def _row(loader: Mapping[str, Any]) -> str:
    source = loader["source"]
    notes = [
        text
        for flag, text in (
            (source["evaluation_only"], "evaluation only"),
            (not source["redistributable"], "not redistributable"),
        )
        if flag
    ]
    cells = [f"{loader['track']}/{loader['loader']}", source["id"], str(source["revision"])[:12], source["licence"]]
    cells = [*map(_cell, cells), ", ".join(notes), f"{loader['read']:,}", f"{loader['kept']:,}"]
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    """A text of a loader's, as text: no column, line or markup of its own."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!])", r"\\\1", " ".join(text.split()))
