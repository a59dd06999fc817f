"""Options: groups become options of a command, and what their help says is what the code does."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from unrolled.cli.options import (
    ClassifierOptions,
    File,
    ForecasterOptions,
    OptionGroup,
    SequenceColumns,
    SeriesColumns,
    option_groups,
    option_name,
)
from unrolled.data.io.read import read
from unrolled.data.labelled.read import read_labelled
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.sequence.classifier import SequenceClassifier

CALLS = {
    SeriesColumns: read,
    SequenceColumns: read_labelled,
    ForecasterOptions: Forecaster,
    ClassifierOptions: SequenceClassifier,
}
GROUPS = pytest.mark.parametrize("group", CALLS)


def _library_defaults(group: type[OptionGroup]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(CALLS[group]).parameters.items()}


def _help_texts(group: type[OptionGroup]) -> dict[str, str]:
    hints = get_type_hints(group, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0].help for field in fields(group)}


@GROUPS
def test_every_option_of_a_group_is_an_argument_of_its_call(group: type[OptionGroup]) -> None:
    """An option that the library does not know would fail at the user's first try."""
    assert {field.name for field in fields(group)} <= set(_library_defaults(group))


@GROUPS
def test_a_default_in_a_help_text_is_the_librarys(group: type[OptionGroup]) -> None:
    """The help names it without importing the library; a default that the code does not have is none."""
    defaults = _library_defaults(group)
    for name, text in _help_texts(group).items():
        stated = re.search(r"; (\S+) by default\.$", text)
        assert stated is None or stated[1] == str(defaults[name]), name


def test_every_plain_default_of_a_forecaster_option_is_stated() -> None:
    """A default that is no rule is worth a word; a rule is described instead."""
    defaults = _library_defaults(ForecasterOptions)
    for name, text in _help_texts(ForecasterOptions).items():
        assert text.endswith(f"; {defaults[name]} by default.") == (
            defaults[name] is not None and defaults[name] is not False  # a flag is off by default
        ), name


def test_the_window_in_the_help_is_the_rule_of_the_code() -> None:
    """Ten seasons, from 48 to 256 steps."""
    from unrolled.models.forecasting import data as rule

    words = {10: "ten"}[rule._SEASONS_READ]
    bounds = f"{rule._LEAST_WINDOW} to {rule._MOST_WINDOW}"
    assert _help_texts(ForecasterOptions)["window"].endswith(f"else {words} seasons, {bounds}.")


def test_a_group_becomes_the_options_of_a_command() -> None:
    """Each field stands in the signature; the command gets its group filled."""
    calls = []

    @option_groups
    def command(file: File, *, columns: SequenceColumns, folds: int = 5) -> None:
        calls.append((file, columns, folds))

    assert list(inspect.signature(command).parameters) == ["file", "label", "id", "time", "folds"]
    command(file="a.csv", label="kind", id=None, time=None, folds=2)
    assert calls == [("a.csv", SequenceColumns(label="kind"), 2)]


def test_only_what_was_given_reaches_the_library() -> None:
    """Options left out, empty lists among them, leave the library's defaults."""
    columns = SeriesColumns(time="day", past=[], static=["size"])
    assert columns.given() == {"time": "day", "static": ["size"]}
    assert columns.option_names() == ["--time", "--static"]
    assert ForecasterOptions().given() == {}
    assert ClassifierOptions(bidirectional=True, random_state=0).option_names() == [
        "--bidirectional",
        "--seed",
    ]


def test_options_are_named_after_their_argument_or_the_seed() -> None:
    """--hidden-size is hidden_size, --members n_members; random_state is --seed."""
    hints = get_type_hints(ForecasterOptions, include_extras=True)
    names = {name: option_name(hints[name]) for name in hints}
    assert names.pop("random_state") == "--seed"
    assert names == {name: f"--{name.removeprefix('n_').replace('_', '-')}" for name in names}


def test_an_example_takes_no_columns() -> None:
    """Its columns are known; a name that is none is refused with the nearest."""
    assert len(SeriesColumns().read("example:sp500")) == 1
    with pytest.raises(ArgumentError, match="example:sp500: an example needs no column named"):
        SeriesColumns(time="day").read("example:sp500")
    with pytest.raises(ArgumentError, match="Did you mean 'example:sp500'"):
        SeriesColumns().read("example:sp50")


def test_sequences_without_labels_are_refused_where_labels_are_needed(tmp_path: Path) -> None:
    """And read where they are not."""
    path = tmp_path / "steps.csv"
    path.write_text("a,b,c\n1,2,3\n4,5,7\n")
    assert SequenceColumns().read(str(path), "test").labels is None
    with pytest.raises(DataError, match=r"steps\.csv: expected a label beside each sequence.* --label"):
        SequenceColumns().read(str(path), "test", must_be_labelled=True)
    np.save("steps.npy", np.eye(4))
    with pytest.raises(DataError, match=r"got none\. Save both in one file: numpy\.savez"):
        SequenceColumns().read("steps.npy", "train", must_be_labelled=True)
    Path("steps.ts").write_text("@univariate true\n@data\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"got none\. Write '@classLabel true' in its header"):
        SequenceColumns().read("steps.ts", "train", must_be_labelled=True)
