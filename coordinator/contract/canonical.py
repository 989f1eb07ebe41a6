"""Canonical JSON: RFC 8785 (JCS), the bytes under every hash of the contract.

orjson with sorted keys gives the same bytes for strings, integers, fractions of ordinary size, booleans, null,
lists and objects. It differs on other floats (50.0, 1e16, 1e-6, -0.0), on integers beyond 2^53 and on the order
of keys outside the Basic Multilingual Plane; values that hold one of those go to `rfc8785`. A property test holds
both paths to the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import rfc8785

MAX_INTEGER = 2**53 - 1


def is_plain_float(value: float) -> bool:
    """Whether orjson writes a float as JCS does: both give the shortest digits, without exponent in this range."""
    return 1e-3 <= abs(value) < 1e15 and not value.is_integer()


def is_plain_scalar(value: Any) -> bool:
    """Whether a value is a text, number, truth value or null that orjson writes as JCS does."""
    kind = type(value)
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is float:
        return is_plain_float(value)
    return kind is str or kind is bool or value is None


def _is_plain(value: Any) -> bool:
    """Whether orjson's sorted output of `value` is canonical. Loops, as most objects hold a few texts."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or (type(item) is not str and not _is_plain(item)):
                return False
        return True
    if kind is list:
        return all(map(_is_plain, value))
    return is_plain_scalar(value)


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Raises `ValueError` for what I-JSON cannot carry: NaN, infinities, integers beyond +-(2^53-1), lone
    surrogates, keys that are not strings, values of other types.
    """
    try:
        return dump_plain(value) if _is_plain(value) else rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not canonical JSON: {error}") from error


def dump_plain(value: Any) -> bytes:
    """The canonical bytes of a value that is known to be plain (no odd float, big integer or non-ASCII key).

    Raises `ValueError` for lone surrogates.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a lone surrogate, or deeper than orjson writes
        return rfc8785.dumps(value)


def sha256_hex(data: bytes) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(data).hexdigest()
