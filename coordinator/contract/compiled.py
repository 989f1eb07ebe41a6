"""The compiled part of the contract, where there is one; its source is in `native`, what it must do is the Python here.

Nobody but `doctor` needs to know whether it is there: both ways give the same (property tests).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

NO_NATIVE = "POLECATS_NO_NATIVE"
"""Environment variable: if it is set, the Python way is taken, also where the other could be."""
_VERSION = 6
"""Of what passes between Python and the module, as in `native/native.h`."""


def why_not_native() -> str:
    """Why the Python way is taken; nothing where it is not."""
    if os.environ.get(NO_NATIVE):
        return f"{NO_NATIVE} is set"
    try:
        from . import _native
    except ImportError:
        return "it is not compiled"
    return "" if _native.VERSION == _VERSION else "it is compiled from other sources"


def is_stale() -> bool:
    """Whether the native module, which is there, is older than its source, if that is there too."""
    from . import _native

    compiled = Path(_native.__file__)
    return any(path.stat().st_mtime > compiled.stat().st_mtime for path in compiled.parent.glob("native/*.[ch]"))


def _module() -> Any:
    if why_not_native():
        return None
    from . import _native

    return _native


MODULE = _module()
"""The module (see `_native.pyi`), or None."""
