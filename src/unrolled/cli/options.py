"""Arguments and options that several commands share.

An option that the user did not give stays out of the call, so that the library's own default stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from unrolled.cli.shell_words import in_shell_words, option_name, register_options, use_options
from unrolled.errors import ArgumentError, DataError
from unrolled.validation import check_choice

if TYPE_CHECKING:
    from unrolled.data.labelled.read import Labelled
    from unrolled.data.sequences import Sequences

_EXAMPLE = "example:"

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", show_default=False, help="CSV, Parquet, Excel, ..; - for stdin; example:NAME."
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="COLUMN", help="Column that names the series; repeat for more."),
]
Time = Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="Column of dates or steps.")]
Horizon = Annotated[
    int | None, typer.Option("--horizon", metavar="STEPS", help="Steps ahead; 12 by default.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of weights and shuffling; 0 by default.")]
Report = Annotated[
    str | None,
    typer.Option("--report", metavar="FILE.html", help="Test the forecast and write a page on it all."),
]
Save = Annotated[str | None, typer.Option("--save", metavar="FOLDER", help="Save the fitted model.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="FOLDER", help="Load a model saved by --save instead of fitting."),
]
FutureFile = Annotated[
    str | None,
    typer.Option(
        "--future-file", metavar="FILE", help="Columns known ahead, over the horizon: id, time and --future."
    ),
]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="COLUMN", help="Column of texts; seen by its name or its many words."),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        metavar="COUNT",
        help="Without --test: of a cross-validation; by default 5, or one a group.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]


@dataclass(frozen=True)
class OptionGroup:
    """Options that belong together: a field each, called as the library's argument is."""

    def given(self) -> dict[str, Any]:
        """Return the values that the user gave, by the library's argument.

        >>> ForecasterOptions(cell="gru", random_state=1).given()
        {'cell': 'gru', 'random_state': 1}
        """
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value not in (default, [])}

    def option_names(self) -> list[str]:
        """Return the options that the user gave, as they are typed.

        >>> ForecasterOptions(hidden_size=8, random_state=1).option_names()
        ['--hidden-size', '--seed']
        """
        hints = get_type_hints(type(self), include_extras=True)
        return [option_name(hints[name]) for name in self.given()]


def option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is an `OptionGroup` by an option for each of its fields."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[OptionGroup]] = {}
    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, OptionGroup):
            groups[name], field_hints = hint, get_type_hints(hint, include_extras=True)
            parameters += [
                Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=field_hints[f.name])
                for f in fields(hint)
            ]
        else:
            parameters.append(parameter.replace(annotation=hint))

    @wraps(command)
    def run(**values: Any) -> None:
        made = {
            name: group(**{f.name: values.pop(f.name) for f in fields(group)})
            for name, group in groups.items()
        }
        use_options(named)
        command(**values, **made)

    named = register_options({parameter.name: parameter.annotation for parameter in parameters})
    del run.__wrapped__  # the parser would read its signature
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@dataclass(frozen=True)
class SeriesColumns(OptionGroup):
    """Options on the columns of a file of series: arguments of `unrolled.read`."""

    id: Ids = None
    time: Time = None
    target: Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="Column to forecast.")] = (
        None
    )
    past: Annotated[
        list[str] | None,
        typer.Option("--past", metavar="COLUMN", help="Column known up to now; repeat for more."),
    ] = None
    future: Annotated[
        list[str] | None,
        typer.Option(
            "--future", metavar="COLUMN", help="Column known ahead, over the horizon too; repeat for more."
        ),
    ] = None
    static: Annotated[
        list[str] | None,
        typer.Option("--static", metavar="COLUMN", help="Column with one value a series; repeat for more."),
    ] = None
    fill: Annotated[
        str | None,
        typer.Option(
            "--fill", metavar="HOW", help="How gaps are filled: forward, linear (but flags) or mask."
        ),
    ] = None
    missing: Annotated[
        list[float] | None,
        typer.Option("--missing", metavar="NUMBER", help="Number that stands for no value; repeat for more."),
    ] = None
    utc: Annotated[bool, typer.Option("--utc", help="Read times with zones as UTC.")] = False
    zone: Annotated[
        str | None,
        typer.Option("--zone", metavar="NAME", help="Whose clock shows the times, such as Europe/Berlin."),
    ] = None
    date_format: Annotated[
        str | None,
        typer.Option(
            "--date-format", metavar="FORMAT", help="How dates are written: dmy, mdy, %d.%m.%Y, ms, excel, .."
        ),
    ] = None
    order: Annotated[
        str | None, typer.Option("--order", metavar="HOW", help="Of rows: by time, or as they stand: rows.")
    ] = None

    def check(self) -> None:
        """Pass if the options that are words of a list are some of them, before a file is read.

        Raises:
            ArgumentError: one is none; the nearest spelling is offered.
        """
        from unrolled.data.gaps import FILL_METHODS
        from unrolled.data.io.read import ORDERS

        for name, value, choices in (("fill", self.fill, FILL_METHODS), ("order", self.order, ORDERS)):
            if value is not None:
                check_choice(name, value, choices)

    def read(self, file: str, like: Sequences | None = None) -> Sequences:
        """Read the series of a file, or an example by its name.

        Args:
            file: its path, or the name of an example.
            like: series whose columns say which role those of the file have, unless an option does.

        Raises:
            DataError: the file cannot be used; the sentence says why.
            ArgumentError: there is no such example, or its columns were named.
        """
        if file.startswith(_EXAMPLE):
            from unrolled.data.io.examples import load, names

            check_choice("FILE", file, [_EXAMPLE + name for name in names()])
            if self.given():
                raise ArgumentError(
                    f"{file}: an example needs no column named and no gap filled; leave that out."
                )
            return load(file.removeprefix(_EXAMPLE))
        from unrolled.data.io.read import read

        if like is None:
            return _in_shell_words(read(Path(file), **self.given()))
        from unrolled.models.forecasting.checks import read_like

        return _in_shell_words(read_like(Path(file), like, **self.given()))


@dataclass(frozen=True)
class ForecasterOptions(OptionGroup):
    """Options on the model: arguments of `unrolled.Forecaster`."""

    cell: Annotated[
        str | None, typer.Option("--cell", help="lstm, gru, rnn, or feedforward; lstm by default.")
    ] = None
    activation: Annotated[
        str | None, typer.Option("--activation", help="Of an rnn: relu, leaky_relu, ..; tanh by default.")
    ] = None
    hidden_size: Annotated[
        int | None,
        typer.Option("--hidden-size", metavar="UNITS", help="Units of the network; 64 by default."),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(
            "--window", metavar="STEPS", help="Steps the network reads; else ten seasons, 48 to 256."
        ),
    ] = None
    transform: Annotated[
        str | None,
        typer.Option("--transform", help="Such as log-difference, difference or scale; auto by default."),
    ] = None
    bounds: Annotated[
        str | None,
        typer.Option(
            "--bounds",
            metavar="LOW:HIGH",
            help="Keep forecasts within, such as 0: or 0:100, or none; else learned.",
        ),
    ] = None
    integer: Annotated[bool, typer.Option("--integer", help="Round forecasts to whole numbers.")] = False
    n_members: Annotated[
        int | None,
        typer.Option("--members", metavar="NETWORKS", help="Networks to average; 1 by default."),
    ] = None
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", metavar="STEPS", help="Steps of training at most.")
    ] = None
    random_state: Seed = None

    def given(self) -> dict[str, Any]:
        """Return the values that the user gave, by the library's argument.

        Raises:
            ArgumentError: the bounds are not two numbers.
        """
        named = super().given()
        return named | ({"bounds": parse_bounds(named["bounds"])} if "bounds" in named else {})


def parse_bounds(text: str) -> tuple[float | None, float | None] | bool:
    """Parse --bounds: LOW:HIGH, either of which may be left out, or none.

    >>> parse_bounds("0:"), parse_bounds("-1.5:100"), parse_bounds("none")
    ((0.0, None), (-1.5, 100.0), False)
    """
    if text.strip().lower() == "none":
        return False
    parts = [part.strip() for part in text.replace(",", ":").strip("() ").split(":")]
    try:
        low, high = (float(part) if part.lower() not in {"", "none"} else None for part in parts)
        is_pair = all(number is None or math.isfinite(number) for number in (low, high))
        is_pair = is_pair and (low is None or high is None or low < high)
    except ValueError:
        is_pair = False
    if not is_pair:
        raise ArgumentError(
            f"--bounds: expected LOW:HIGH with numbers, the first below the second, got {text!r}. Leave one "
            "out where there is no bound, as in 0: or :100; or give none."
        )
    return low, high


@dataclass(frozen=True)
class ClassifierOptions(OptionGroup):
    """Options on the model: arguments of `unrolled.SequenceClassifier`."""

    cell: Annotated[
        str | None, typer.Option("--cell", help="gru, lstm, rnn or feedforward; gru by default.")
    ] = None
    activation: Annotated[
        str | None, typer.Option("--activation", help="Of an rnn: relu, leaky_relu, ..; tanh by default.")
    ] = None
    hidden_size: Annotated[
        int | None, typer.Option("--hidden-size", metavar="UNITS", help="Units of the network.")
    ] = None
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="Read from both ends.")] = False
    solver: Annotated[
        str | None,
        typer.Option("--solver", help="gradient, or reservoir: random weights, answers fitted at once."),
    ] = None
    n_members: Annotated[
        int | None,
        typer.Option(
            "--members", metavar="NETWORKS", help="Networks to average; 4 for few sequences, else 1."
        ),
    ] = None
    max_epochs: Annotated[
        int | None, typer.Option("--max-epochs", metavar="EPOCHS", help="Epochs at most.")
    ] = None
    missing: Annotated[
        str | None,
        typer.Option(
            "--fill", metavar="HOW", help="Missing values: mask, linear, forward, forward+mask or decay."
        ),
    ] = None
    random_state: Seed = None


@dataclass(frozen=True)
class TaggerOptions(OptionGroup):
    """Options on the model: arguments of `unrolled.TextTagger`."""

    cell: Annotated[str | None, typer.Option("--cell", help="gru, lstm or rnn; gru by default.")] = None
    hidden_size: Annotated[
        int | None, typer.Option("--hidden-size", metavar="UNITS", help="Units of each direction.")
    ] = None
    n_members: Annotated[
        int | None, typer.Option("--members", metavar="NETWORKS", help="Networks to average; 3 by default.")
    ] = None
    max_epochs: Annotated[int | None, typer.Option("--max-epochs", metavar="EPOCHS", help="Epochs.")] = None
    random_state: Seed = None


@dataclass(frozen=True)
class SequenceColumns(OptionGroup):
    """Options on the columns of a file of labelled sequences: arguments of `read_labelled`."""

    label: Annotated[
        str | None,
        typer.Option("--label", metavar="COLUMN", help="Column of the classes; found by its name."),
    ] = None
    id: Ids = None
    time: Time = None

    def read(self, file: str, part: str, *, must_be_labelled: bool = False) -> Labelled:
        """Read the sequences of a file, or the clips of a folder; of "train" and "test" one part.

        Raises:
            ArgumentError: a column of clips is named, which have none.
            DataError: the file cannot be used; the sentence says why.
        """
        from unrolled.data.labelled.read import parts_of, read_labelled
        from unrolled.data.video.read import holds_videos, read_videos

        if holds_videos(file):
            for name in self.given():
                raise ArgumentError(f"--{name}: {file} holds clips, which have no columns. Leave it out.")
            labelled = read_videos(file)
        else:
            labelled = read_labelled(file, **self.given(), part=part if part in parts_of(file) else None)
        if labelled.labels is None and must_be_labelled:
            raise DataError(
                f"{labelled.source}: expected a label beside each sequence, got none. {_label_way(file)}"
            )
        return replace(labelled, sequences=_in_shell_words(labelled.sequences))


def _label_way(file: str) -> str:
    """Say where the labels of a file without any go: arrays and archives have no columns to name."""
    name = file.lower().removesuffix(".gz")
    if Path(file).is_dir():
        return "Put the clips of each class into a folder of its name."
    if name.endswith((".npy", ".npz")):
        return "Save both in one file: numpy.savez('labelled.npz', X=X, y=y)."
    if name.endswith(".ts"):
        return "Write '@classLabel true' in its header, and a label at the end of each row."
    return "Name its column with --label."


def _in_shell_words(series: Sequences) -> Sequences:
    """Name options in the notes of reading."""
    return replace(series, notes=tuple(map(in_shell_words, series.notes)))
