"""The gates of Tiers II and III: what a draft must prove before it may take its final name.

They read published files alone, and believe none of their metadata where a plan can be asked instead.
"""

from .audit import pair_file, verdicts
from .exceptions import record
from .verdict import Bound, Gate, Report, Verdict

__all__ = ["Bound", "Gate", "Report", "Verdict", "pair_file", "record", "verdicts"]
