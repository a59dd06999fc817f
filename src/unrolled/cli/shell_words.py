"""Sentences of the library in terms of the options, which each command registers by their arguments."""

import ast
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_ARGUMENTS = {"file", "train", "data", "json"}
_OPTIONS = {"random_state": "--seed"}  # of all commands
_OF_COMMAND: dict[str, str] = {}  # of the one that runs
_COMMANDS = {  # that read a saved model
    "AudioClassifier": "classify",
    "Forecaster": "forecast",
    "LanguageModel": "generate",
    "SequenceClassifier": "classify",
    "TextClassifier": "classify",
    "TextTagger": "tag",
    "Transcriber": "transcribe",
    "Translator": "translate",
}


def register_options(hints: dict[str, Any]) -> dict[str, str]:
    """Remember what the options of a command are called, by the name of the library's argument; return them.

    Where commands differ, the first of them stands, until one runs: see `use_options`.
    """
    options = {name: hint for name, hint in hints.items() if name not in _ARGUMENTS}
    named = {name: option_name(hint) for name, hint in options.items() if hasattr(hint, "__metadata__")}
    _OPTIONS.update(named | _OPTIONS)
    return named


def use_options(options: dict[str, str]) -> None:
    """Let these, of the command that runs, stand before those of all; none when it has ended."""
    _OF_COMMAND.clear()
    _OF_COMMAND.update(options)


def option_name(hint: Any) -> str:
    """Return the name that an annotated option is typed with.

    >>> from unrolled.cli.options import Seed
    >>> option_name(Seed)
    '--seed'
    """
    return str(hint.__metadata__[0].default)


def with_option_names(sentences: str, typed: Sequence[str] = ()) -> str:
    """Replace the library's arguments at the beginning of a sentence by the options.

    Args:
        sentences: of the library.
        typed: the words after the program's name; a file or folder that is called as an argument stays.

    >>> with_option_names("random_state: expected a whole number at least 0, got -1.")
    '--seed: expected a whole number at least 0, got -1.'
    >>> with_option_names("Forecaster.stream random_state: expected a whole number, got 'x'.")
    "--seed: expected a whole number, got 'x'."
    >>> with_option_names("words: expected a file, got a folder.", ["classify", "words/", "--model", "m"])
    'words: expected a file, got a folder.'
    """
    names = {Path(word).name for word in typed}
    options = _OPTIONS | _OF_COMMAND
    options |= {"y": options["label"]} if "label" in options else {}
    beginning = re.compile(r"^(?:\w+\.stream )?(\w+)(?=:)", flags=re.MULTILINE)
    return beginning.sub(
        lambda found: found[0] if found[1] in names else options.get(found[1], found[0]), sentences
    )


_READ_CALL = re.compile(r"(?:unrolled\.)?read\(\.\.\., ([^()]*)\)")
_LOAD_CALL = re.compile(r"Load it with (\w+)\.load\(folder\)")
# of sequence estimators; where series are read, missing= is --missing
_FILLED_BY = re.compile(r"missing=((?:(?:, | or )?'(?:mask|forward|forward\+mask|linear|decay)')+)")
_ARGUMENT = re.compile(r"(?<!['\w.])(\w+)=('[^']*'|\"[^\"]*\"|\[[^]]*\]|-?\w+(?:\.\d+)?)?(?![\w(\[=])")


def in_shell_words(sentences: str) -> str:
    """Name options in a sentence of the library, which names arguments and calls.

    >>> in_shell_words("Fill it with unrolled.read(..., fill='linear'), or name it with id=['a b', 'c'].")
    "Fill it with --fill linear, or name it with --id 'a b' --id c."
    >>> in_shell_words("Use origins=4 at most. Pass them with predict(future=frame).")
    'Use --origins 4 at most. Pass them with --future-file PLAN.csv.'
    >>> in_shell_words("Load it with AudioClassifier.load(folder).")
    'Read it with unrolled classify --model.'
    """
    sentences = sentences.replace("predict(future=frame)", "--future-file PLAN.csv")
    sentences = sentences.replace("pass test=(X_test, y_test)", "name other sequences with --test FILE")
    sentences = _FILLED_BY.sub(lambda ways: "--fill " + ways[1].replace("'", ""), sentences)
    sentences = _LOAD_CALL.sub(_as_command, _READ_CALL.sub(r"\1", sentences))
    return _ARGUMENT.sub(_as_option, sentences)


def _as_command(call: re.Match[str]) -> str:
    command = _COMMANDS.get(call[1])
    return f"Read it with unrolled {command} --model" if command else call[0]


def _as_option(argument: re.Match[str]) -> str:
    name, value = argument[1], argument[2] or ""
    option = _OF_COMMAND.get(name) or _OPTIONS.get(name, "")
    if not option.startswith("--") or value == "False":
        return argument[0]
    if value in {"", "True", "[...]"}:
        return option
    values = ast.literal_eval(value) if value[0] in "[\"'" else value
    each = values if isinstance(values, list) else [values]
    return " ".join(f"{option} {shlex.quote(str(one))}" for one in each)
