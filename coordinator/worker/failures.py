"""From an exception to a `Failure`: class, sentence, remedy. Walks the cause chain, most specific sign first.

The Hub's clients say many things by text alone (a gated repository is a `DatasetNotFoundError`), so this reads
status codes where there are some and messages where there are none.
"""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Iterator
from pathlib import Path

from ..disk import FULL, DiskError
from ..events import Failure, FailureClass
from ..redaction import redacted


class SourceError(Exception):
    """A source that cannot be read, told in a sentence with its remedy."""

    def __init__(self, failure_class: FailureClass, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.failure_class: FailureClass = failure_class
        self.sentence = sentence
        self.remedy = remedy

    @property
    def offline(self) -> bool:
        """Whether the Hub was not even reached: there is no network, or none is to be used."""
        return self.failure_class == "network" and bool(names_of(self) & UNREACHED)


class AlteredFile(SourceError):
    """A file whose rows were read before it was known that its bytes are not those of the Hub."""

    def __init__(self, place: str) -> None:
        remedy = (
            "What was made of it is set aside. Run again; if it stays so, look at the proxy between you and the Hub."
        )
        super().__init__("network", f"{place}: the bytes that came are not those that the Hub lists", remedy)


REMEDIES: dict[FailureClass, str] = {
    "gated": "Accept the licence on the dataset's Hub page, set HF_TOKEN, then run again.",
    "auth": "Check that HF_TOKEN is valid and has access to this dataset, then run again.",
    "not_found": "Check repo, revision and file names in the loader's HubSource.",
    "schema_cast": "Look at the file's columns and adapt the loader's HubSource or transform.",
    "parse": "The file is damaged or in another format: check it upstream, or adapt the loader's builder.",
    "network": "Check the connection and run again: what is committed is kept.",
    "rate_limited": "Wait a while, or set HF_TOKEN for a higher limit, then run again: what is committed is kept.",
    "disk_full": "Free space on the disk and run again: what is committed is kept.",
    "disk_error": "Mend that (polecats doctor looks at the disk) and run again: what is committed is kept.",
    "out_of_memory": "Free memory or lower the number of workers, then run again.",
    "loader_bug": "Mend the loader; only it is redone.",
    "script_unsupported": "Loading scripts are not run: name data files of the repository in the loader's HubSource.",
    "internal": "This is a fault of polecats: please report it with the traceback.",
}


def failure_of(error: BaseException, tracks: Path, reproduce: str, row: str = "") -> Failure:
    """The failure that `error` stands for; `row` is where the loader stood, `tracks` holds the loaders' code."""
    detail = redacted("".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode())
    if isinstance(error, SourceError):
        detail = detail if error.__cause__ and not error.offline else ""  # of no network it says nothing
        return Failure(error.failure_class, error.sentence, error.remedy, detail, reproduce, error.offline)
    if isinstance(error, DiskError):
        refused: FailureClass = "disk_full" if error.errno in FULL else "disk_error"
        return Failure(refused, error.sentence, REMEDIES[refused], reproduce="polecats doctor")
    failure_class = _by_resource(error) or class_of(error) or _by_place(error, tracks) or _by_name(error) or "internal"
    sentence = f"{type(error).__name__}: {first_line(error)}" + (f" at row {row}" if row else "")
    return Failure(failure_class, sentence, REMEDIES[failure_class], detail, reproduce)


def first_line(error: BaseException) -> str:
    """What the error says, in a line. The Hub's client puts a bare status first and the address two lines on."""
    lines = [line.strip() for line in _text(error).splitlines() if line.strip()]
    first = " ".join(lines[:2]) if hasattr(error, "response") else "".join(lines[:1])
    return first[:300] or "no message"


def _text(error: BaseException) -> str:
    """What the error says, as UTF-8 can hold it and without credentials; nothing where it cannot even say that."""
    with contextlib.suppress(Exception):
        return redacted(str(error).encode("utf-8", "backslashreplace").decode())
    return ""


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, as a traceback shows them."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def names_of(error: BaseException) -> set[str]:
    """The names of the classes of the error and of what it came from: the clients' own are not imported here."""
    return {cls.__name__ for link in chain_of(error) for cls in type(link).__mro__}


def status_of(error: BaseException) -> int:
    """The HTTP status that the error came from; 0 for none."""
    answers = (getattr(link, "response", None) for link in chain_of(error))
    return next((code for answer in answers if (code := getattr(answer, "status_code", 0))), 0)


def class_of(error: BaseException) -> FailureClass | None:
    """What the Hub or the network has done, if it was one of them."""
    return _by_status(error) or ("network" if names_of(error) & _NETWORK else None)


def _by_resource(error: BaseException) -> FailureClass | None:
    if names_of(error) & {"MemoryError", "ArrowMemoryError"}:
        return "out_of_memory"
    refusals = {link.errno for link in chain_of(error) if isinstance(link, OSError)}
    if refusals & FULL:
        return "disk_full"
    return "disk_error" if refusals & {errno.EIO, errno.EROFS} else None


def _by_place(error: BaseException, tracks: Path) -> FailureClass | None:
    """A traceback that ends in, or passes through, a track's code is the loader's bug."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = any(Path(frame.filename).is_relative_to(tracks) for frame in frames)
    own_file = isinstance(error, SyntaxError) and Path(error.filename or "").is_relative_to(tracks)
    return "loader_bug" if inside or own_file else None


def _by_status(error: BaseException) -> FailureClass | None:
    names, status = names_of(error), status_of(error)
    if "GatedRepoError" in names or any("gated dataset" in _text(link) for link in chain_of(error)):
        return "gated"
    if names & _ABSENT:
        return "not_found"
    if status in (401, 403):
        return "auth"
    if status == 429:
        return "rate_limited"
    if status == 404:
        return "not_found"
    return "network" if status >= 500 or status == 408 else None


_ABSENT = frozenset(
    {
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "EntryNotFoundError",
        "DatasetNotFoundError",
        "HFValidationError",
    }
)
UNREACHED = frozenset({"ConnectError", "ConnectTimeout", "OfflineModeIsEnabled"})
_NETWORK = frozenset(
    {
        "TimeoutException",
        "TimeoutError",
        "ReadTimeout",
        "NetworkError",
        "RemoteProtocolError",
        "ConnectionError",
        "ProxyError",
        "LocalEntryNotFoundError",
        "OfflineModeIsEnabled",
    }
)
_PARSE = frozenset({"JSONError", "JSONDecodeError", "UnicodeDecodeError", "ArrowInvalid", "BadGzipFile", "EOFError"})


def _by_name(error: BaseException) -> FailureClass | None:
    names, text = names_of(error), " ".join(map(_text, chain_of(error)))
    if "scripts are no longer supported" in text:
        return "script_unsupported"
    if names & {"CastError", "DatasetGenerationCastError"} or "Couldn't cast" in text:
        return "schema_cast"
    if names & _PARSE:
        return "parse"
    return "not_found" if "FileNotFoundError" in names else None
