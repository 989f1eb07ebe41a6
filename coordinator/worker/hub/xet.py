"""Files by `hf_xet`, the Hub's own transport for large ones, where config.toml asks for it.

UNTESTED: no server that speaks it is to be had where the tests run; only the call itself is, with a stand-in. It knows
neither our gate nor our connections: its requests are not counted, and a file is read only once it is whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .meter import METER
from .remote_file import RemoteFile


def available() -> bool:
    """Whether `hf_xet` is installed, and HF_HUB_DISABLE_XET is not set."""
    from huggingface_hub.utils import is_xet_available

    return bool(is_xet_available())


def brought(file: RemoteFile) -> Path:
    """The file in huggingface_hub's cache, by its public call. Raises what that raises."""
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        file.repo, file.path, repo_type="dataset", revision=file.commit, tqdm_class=_progress_class()
    )
    return Path(path)


def _progress_class() -> Any:
    from huggingface_hub.utils.tqdm import tqdm

    class Progress(tqdm):
        """Bytes that have come are progress: a loader that gets them is not stalled."""

        def update(self, n: float | None = 1) -> Any:
            METER.add(int(n or 0))
            return super().update(n)

    return Progress
