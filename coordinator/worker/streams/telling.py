"""What goes wrong with a source, in a sentence that a person can act on: which dataset or file, and what happened.

The clients' own texts hold addresses, request ids and advice for other programs; they stay in the traceback.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ...events import FailureClass
from ..failures import REMEDIES, SourceError, chain_of, class_of, first_line, names_of, status_of

CONNECTION = "Check the connection, the proxy (HTTPS_PROXY) and HF_ENDPOINT, then run again: what is committed is kept."
FORBIDDEN = "Unset HF_HUB_OFFLINE and run again: what is committed is kept. After polecats fetch it needs no network."
ALTERED = "Run again: it goes by the file as it is now; if it stays so, look at the proxy between you and the Hub."


@contextmanager
def telling(place: str) -> Iterator[None]:
    """What a source or its server does wrong inside is raised as a `SourceError` that begins with `place`.

    A full disk or memory, and what is nobody's but ours, passes as it is.
    """
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        failure_class, sentence, remedy = told
        raise SourceError(failure_class, f"{place}: {sentence}", remedy) from error


def _told(error: Exception) -> tuple[FailureClass, str, str] | None:
    failure_class = class_of(error)
    match failure_class:
        case "gated":
            how = "no valid token was sent" if status_of(error) == 401 else "this token has not been given access"
            return failure_class, f"the dataset is gated, and {how}", REMEDIES["gated"]
        case "not_found":
            return failure_class, _absent(error), REMEDIES["not_found"]
        case "auth":
            return failure_class, f"the server refused access (HTTP {status_of(error)})", REMEDIES["auth"]
        case "rate_limited":
            return failure_class, "the server answers too many requests (HTTP 429)", REMEDIES["rate_limited"]
        case "network" if status_of(error):
            return failure_class, f"the server is out of order (HTTP {status_of(error)})", REMEDIES["network"]
        case "network":
            return failure_class, _connection(error), FORBIDDEN if _is_forbidden(error) else CONNECTION
    return _otherwise(error)


def _absent(error: Exception) -> str:
    names = names_of(error)
    if "HFValidationError" in names:
        return "is no name that a dataset can have"
    if "RevisionNotFoundError" in names:
        return "the Hub has the dataset, and not this revision of it"
    if names & {"RepositoryNotFoundError", "DatasetNotFoundError"}:
        return "the Hub has no such dataset, or it is private and no token opens it"
    return "the file is not on the Hub"


def _connection(error: Exception) -> str:
    names, host = {type(cause).__name__ for cause in _causes(error)} | names_of(error), _host(error)
    if _is_forbidden(error):
        return "nothing may be fetched, as HF_HUB_OFFLINE is set"
    if "ProxyError" in names:
        return f"the proxy does not let {host} through"
    if names & {"SSLError", "SSLCertVerificationError"}:
        return f"no secure connection to {host}: {_certificate(error)}"
    if "gaierror" in names:
        return f"the name {host} cannot be looked up"
    if names & {"ConnectError", "ConnectionRefusedError", "ConnectTimeout"}:
        return f"{host} cannot be reached"
    if names & {"TimeoutException", "TimeoutError"}:
        return f"{host} gave no answer in time"
    return f"the connection to {host} was lost again and again"


def _is_forbidden(error: Exception) -> bool:
    return "OfflineModeIsEnabled" in names_of(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, also where the client hides it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _host(error: Exception) -> str:
    for link in chain_of(error):
        try:
            return str(link.request.url.host)  # type: ignore[attr-defined]
        except (AttributeError, RuntimeError):  # none, or one that the client has not set
            continue
    return "the server"


def _certificate(error: Exception) -> str:
    reasons = (getattr(cause, "verify_message", "") for cause in _causes(error))
    return next(filter(None, reasons), "it does not speak TLS as it should")


def _otherwise(error: Exception) -> tuple[FailureClass, str, str] | None:
    names = names_of(error)
    if status_of(error):
        return "network", f"the server refuses what it is asked for (HTTP {status_of(error)})", CONNECTION
    if "CastError" in names or "Couldn't cast" in str(error):
        return "schema_cast", f"its columns change on the way: {first_line(error)}", REMEDIES["schema_cast"]
    if names & {"ArrowInvalid", "ArrowTypeError", "ArrowNotImplementedError", "UnicodeDecodeError"}:
        return "parse", f"damaged, or of another format: {first_line(error)}", REMEDIES["parse"]
    if isinstance(error, OSError) and error.errno is None:
        return "parse", f"damaged, or of another format: {first_line(error)}", REMEDIES["parse"]  # Arrow's are bare
    if isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError | NotADirectoryError):
        what = os.strerror(error.errno) if error.errno else "it is not there"
        remedy = f"Check {error.filename}, its owner and its permissions." if error.filename else REMEDIES["not_found"]
        return "not_found", f"cannot be read: {what}", remedy
    return None
