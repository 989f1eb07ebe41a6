"""Tiers II and III: what their rows say, and all that tracks/amber and tracks/garnet need to make them."""

from ..mutation import TERMS, Pair
from ..patch import add, escape, remove, replace
from .child import Family, replay, write
from .corrupter import Corrupter, Variant
from .draw import Draw, group_of, holds_out_operators, make_draw, split_of
from .parent import Parent, Step

__all__ = [
    "TERMS",
    "Corrupter",
    "Draw",
    "Family",
    "Pair",
    "Parent",
    "Step",
    "Variant",
    "add",
    "escape",
    "group_of",
    "holds_out_operators",
    "make_draw",
    "remove",
    "replace",
    "replay",
    "split_of",
    "write",
]
