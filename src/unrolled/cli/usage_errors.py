"""Rewrite parser and library errors in terms of the options."""

import inspect
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from unrolled.cli.commands import backtest, classify, describe, forecast, probe
from unrolled.cli.options import option_name
from unrolled.cli.terminal import without_calls

_NUMBER = ("a number", float)
_KINDS: dict[str, tuple[str, Any]] = {"integer": ("a whole number", int), "number": _NUMBER, "float": _NUMBER}
_ARGUMENTS = {"file", "train", "data", "json"}
_COMMANDS = (
    describe.describe_command,
    forecast.forecast_command,
    backtest.backtest_command,
    classify.classify_command,
    probe.probe_command,
)
_OPTIONS = {
    name: option_name(parameter.annotation)
    for command in _COMMANDS
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items()
    if name not in _ARGUMENTS
} | {"random_state": "--seed"}


def with_option_names(sentences: str) -> str:
    """Replace the library's arguments at the beginning of a sentence by the options.

    >>> with_option_names("random_state: expected a whole number at least 0, got -1.")
    '--seed: expected a whole number at least 0, got -1.'
    """
    return re.sub(r"^\w+(?=:)", lambda name: _OPTIONS.get(name[0], name[0]), sentences, flags=re.MULTILINE)


_ARGUMENT = re.compile(r"(?<!['\w])(\w+)=('?)([\w-]+(?:\.\d+)?)\2(?![\w(\[])")


def in_shell_words(sentences: str) -> str:
    """Name options in a sentence of the library, where it names arguments, calls or both.

    >>> in_shell_words("Fill it with --fill linear or unrolled.read(..., fill='linear').")
    'Fill it with --fill linear.'
    >>> in_shell_words("Use origins=4 at most. Pass them with predict(future=frame).")
    'Use --origins 4 at most. Pass them with --future-file PLAN.csv.'
    """
    sentences = without_calls(sentences).replace("predict(future=frame)", "--future-file PLAN.csv")
    return _ARGUMENT.sub(_as_option, sentences)


def _as_option(argument: re.Match[str]) -> str:
    name, _, value = argument.groups()
    option = _OPTIONS.get(name, "")
    if not option.startswith("--") or value == "False":
        return argument[0]
    return option if value == "True" else f"{option} {value}"


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
