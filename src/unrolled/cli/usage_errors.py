"""Sentences on options that the parser refuses, and on those that do not go together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from unrolled.errors import ArgumentError
from unrolled.validation import check_int

if TYPE_CHECKING:
    from unrolled.cli.options import OptionGroup

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


def refuse_training_options(options: OptionGroup, others: Mapping[str, object]) -> None:
    """Pass if no option of training or testing stands beside --model, which would ignore it.

    Args:
        options: those on the model.
        others: values by option, as typed; None for what was not given.

    Raises:
        ArgumentError: some were given; the sentence names all of them.

    >>> from unrolled.cli.options import ClassifierOptions
    >>> refuse_training_options(ClassifierOptions(cell="gru"), {"--test": None, "--folds": 3})
    Traceback (most recent call last):
    unrolled.errors.ArgumentError: --model: a saved model takes no options of training or testing, ...
    """
    names = options.option_names() + [name for name, value in others.items() if value is not None]
    if names:
        raise ArgumentError(
            f"--model: a saved model takes no options of training or testing, got {', '.join(names)}. Leave "
            "those out, or leave --model out and fit anew."
        )


def check_folds(folds: int | None, test: str | None) -> int | None:
    """Return the folds of a cross-validation as given; beside a test set there is none.

    Raises:
        ArgumentError: folds are fewer than 2, or stand beside a test set.

    >>> check_folds(3, None)
    3
    """
    if folds is None:
        return None
    check_int("folds", folds, least=2)
    if test is not None:
        raise ArgumentError(
            "--folds: there is a test set, nothing is cross-validated; got --test as well. Leave one out."
        )
    return folds
