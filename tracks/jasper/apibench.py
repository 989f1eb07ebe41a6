"""gorilla-llm/APIBench: instructions for loading a model from Hugging Face, TensorFlow Hub or Torch Hub.

One node, the call in `api_call`: its dotted name, its keywords, and its positional arguments under the name
that the library documents, else `arg0`... Two calls that are written side by side are two parallel nodes. The
instruction stands inside `code`, a transcript in two forms that are neither Python nor JSON; its mark and the
output's are found by text; an `Input` that belongs to it follows after a blank line. `api_data.api_arguments`
names parameters and is never read for values.

Calls that are clear are taken as they are: `x = call(...)`, a full stop at the end, and a literal `**{...}`.
Text that is no Python call is a reject, and so is an argument that is a variable or another call: its value
is not there. Rows of the evaluation files are marked in `part`. As a source knows one `evaluation_only` flag
for all its files, it is set here, so that no evaluation row is published by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from coordinator.contract import HubSource, Loader, Reject, Row, Sample, join_texts, text_of
from tracks.jasper._apibench import written_calls

HUBS = ("huggingface", "tensorflow", "torchhub")
# A mark begins where its run of signs does, and its repeats are possessive: any text is read in one pass.
INSTRUCTION = re.compile(
    r"""(?:\A|(?<!\#)\#{2,}+\s*+|\{\s*+['"])Instruction['"]?\s*+:\s*+""", re.VERBOSE | re.IGNORECASE
)
OUTPUT = re.compile(r"""(?<!\#)\#{2,}+\s*+Output\b|['"]Output['"]\s*+:|<<<\w++>>>""", re.VERBOSE | re.IGNORECASE)
INPUT = re.compile(r"""(?:(?:(?<!\#)\#{2,}+|\*\*)\s*+Input\b|['"]Input['"])\s*+:\s*+""", re.VERBOSE)


class Apibench(Loader):
    """APIBench, train and evaluation files of the three hubs."""

    source = HubSource(
        repo="gorilla-llm/APIBench",
        builder="lines",
        files={f"{hub}_{part}": f"{hub}_{part}.json" for part in ("train", "eval") for hub in HUBS},
        columns=("code", "api_call"),
        optional=("api_data", "provider"),
        licence="Apache-2.0",
        evaluation_only=True,
    )
    category = "code_api"

    def transform(self, row: Row) -> Sample:
        """The instruction and the call that answers it."""
        calls = written_calls(text_of(row, "api_call"))
        about = row.get("api_data")
        extras = {
            "part": "evaluation" if row.split.endswith("_eval") else "train",
            "provider": row.get("provider"),
            "domain": about.get("domain") if isinstance(about, Mapping) else None,
        }
        known = {key: value for key, value in extras.items() if isinstance(value, str)}
        return Sample(_instruction(text_of(row, "code")), calls, language="en", extras=known)


def _instruction(code: str) -> str:
    found = INSTRUCTION.search(code)
    text, _ = _divided(code[found.end() :], OUTPUT) if found else ("", "")
    parts = map(_unquoted, _divided(text, INPUT))
    query = join_texts(part for part in parts if part.strip("*") != "<noinput>")
    if not query:
        raise Reject("E03", "no instruction is marked in code", "code")
    return query


def _divided(text: str, mark: re.Pattern[str]) -> tuple[str, str]:
    """What stands before a mark and behind it. Before a quoted mark, a key, a comma belongs to neither."""
    found = mark.search(text)
    if not found:
        return text.rstrip(), ""
    before = text[: found.start()].rstrip()
    return before.removesuffix(",").rstrip() if found[0][0] in "'\"" else before, text[found.end() :]


def _unquoted(text: str) -> str:
    """The text without one pair of quotes around the whole of it."""
    quoted = len(text) > 1 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1
    return text[1:-1] if quoted else text
