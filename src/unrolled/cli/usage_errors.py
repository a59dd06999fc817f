"""Describe errors of the parser in a sentence."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

_NUMBER = ("a number", float)
_KINDS: dict[str, tuple[str, Any]] = {"integer": ("a whole number", int), "number": _NUMBER, "float": _NUMBER}


def usage_sentence(fault: Any, words: Sequence[str]) -> str:
    """Describe a parser error in one line; without any argument, return the help.

    Args:
        fault: the parser's exception.
        words: what was typed after the program's name.
    """
    message = str(fault.format_message())
    if "\n" in message:
        return message
    option, kind, got = _not_a_number(fault, words)
    if got is not None:
        message = f"{option}: expected {kind}, got {got!r}."
    elif offer := re.match(r"(.+?)\.? (?:(Did you mean .+)|\(Possible options: (.+)\))", message):
        message = f"{offer[1]}. {offer[2] or f'Did you mean {offer[3]}?'}"
    stop = "" if message.endswith((".", "?")) else "."
    return f"{message}{stop} See {fault.ctx.command_path if fault.ctx else 'unrolled'} --help."


def _not_a_number(fault: Any, words: Sequence[str]) -> tuple[str, str, str | None]:
    """Return the option, the kind of number it takes, and the word that is none or None.

    The word is looked up in what was typed: the parser's own sentence has it or not, by its version.
    """
    parameter, name = getattr(fault, "param", None), re.search(r"valid (integer|number|float)", fault.message)
    if parameter is None or name is None:
        return "", "", None
    option, (kind, accepts) = parameter.opts[-1], _KINDS[name[1]]
    apart = [value for word, value in pairwise(words) if word == option]
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    for value in apart + joined:
        try:
            accepts(value)
        except ValueError:
            return option, kind, value
    return option, kind, None
