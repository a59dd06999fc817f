"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from unrolled.errors import ArgumentError, DataError
from unrolled.validation import check_choice

if TYPE_CHECKING:
    from unrolled.data.io.labelled import Labelled
    from unrolled.data.sequences import Sequences
    from unrolled.models.forecasting.forecaster import Forecaster
    from unrolled.models.sequence.classifier import SequenceClassifier

_EXAMPLE = "example:"

File = Annotated[
    str, typer.Argument(metavar="FILE", show_default=False, help="CSV, Parquet, or example:NAME.")
]
Id = Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="Column that names the series.")]
Time = Annotated[str | None, typer.Option("--time", metavar="COLUMN", help="Column of dates or steps.")]
Target = Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="Column to forecast.")]
Past = Annotated[
    list[str], typer.Option("--past", metavar="COLUMN", help="Column known up to now; repeat for more.")
]
Future = Annotated[
    list[str],
    typer.Option(
        "--future", metavar="COLUMN", help="Column known ahead, over the horizon too; repeat for more."
    ),
]
Static = Annotated[
    list[str],
    typer.Option("--static", metavar="COLUMN", help="Column with one value a series; repeat for more."),
]
Fill = Annotated[
    str | None, typer.Option("--fill", metavar="HOW", help="How gaps are filled: forward or linear.")
]
Utc = Annotated[bool, typer.Option("--utc", help="Read times with zones as UTC.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
Horizon = Annotated[
    int | None, typer.Option("--horizon", metavar="STEPS", help="Steps ahead; 12 by default.")
]
Cell = Annotated[str | None, typer.Option("--cell", help="lstm, gru, rnn, or feedforward; lstm by default.")]
Activation = Annotated[
    str | None, typer.Option("--activation", help="Of an rnn: relu, leaky_relu, ..; tanh by default.")
]
HiddenSize = Annotated[
    int | None,
    typer.Option("--hidden-size", metavar="UNITS", help="Units of the network; 64 by default."),
]
Window = Annotated[
    int | None,
    typer.Option("--window", metavar="STEPS", help="Steps the network reads; two seasons by default."),
]
Transform = Annotated[
    str | None,
    typer.Option("--transform", help="Such as log-difference, difference or scale; auto by default."),
]
Ensemble = Annotated[
    int | None, typer.Option("--ensemble", metavar="NETWORKS", help="Networks to average; 1 by default.")
]
MaxEpochs = Annotated[
    int | None, typer.Option("--max-epochs", metavar="EPOCHS", help="Epochs at most; 12 by default.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of weights and shuffling; 0 by default.")]
Report = Annotated[
    str | None,
    typer.Option("--report", metavar="FILE.html", help="Test the forecast and write a page on it all."),
]
Save = Annotated[str | None, typer.Option("--save", metavar="FOLDER", help="Keep the fitted model.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="FOLDER", help="Use a model kept by --save instead of fitting."),
]
Label = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of the classes; found by its name.")
]


class ForecasterOptions(NamedTuple):
    """What the user said about the model, an option each; None leaves it to the library."""

    cell: str | None
    activation: str | None
    hidden_size: int | None
    window: int | None
    transform: str | None
    ensemble: int | None
    max_epochs: int | None
    seed: int | None

    def option_names(self) -> list[str]:
        """The options that the user gave.

        >>> ForecasterOptions("gru", None, 8, None, None, None, None, None).option_names()
        ['--cell', '--hidden-size']
        """
        return [f"--{name.replace('_', '-')}" for name, v in self._asdict().items() if v is not None]

    def forecaster(self, horizon: int | None) -> Forecaster:
        """A model of these settings, not yet fitted; the library's own defaults stand for the rest.

        >>> ForecasterOptions("gru", None, 8, None, None, None, None, 1).forecaster(3)
        Forecaster(horizon=3, cell='gru', hidden_size=8, random_state=1, verbose=True)
        """
        from unrolled.models.forecasting.forecaster import Forecaster

        named = self._asdict() | {"horizon": horizon, "random_state": self.seed, "seed": None}
        return Forecaster(**{name: v for name, v in named.items() if v is not None}, verbose=True)


class ClassifierOptions(NamedTuple):
    """What the user said about a model of whole sequences, an option each; None leaves it to the library."""

    cell: str | None
    activation: str | None
    hidden_size: int | None
    solver: str | None
    bidirectional: bool | None
    n_members: int | None
    max_epochs: int | None
    seed: int | None

    def option_names(self) -> list[str]:
        """The options that the user gave.

        >>> ClassifierOptions("gru", None, 8, None, None, None, None, None).option_names()
        ['--cell', '--hidden-size']
        """
        names = [name.removeprefix("n_") for name, value in self._asdict().items() if value is not None]
        return [f"--{name.replace('_', '-')}" for name in names]

    def classifier(self) -> SequenceClassifier:
        """A model of these settings, not yet fitted; the library's own defaults stand for the rest.

        >>> ClassifierOptions("rnn", None, 8, None, None, None, None, 1).classifier()
        SequenceClassifier(cell='rnn', hidden_size=8, random_state=1, verbose=True)
        """
        from unrolled.models.sequence.classifier import SequenceClassifier

        named = self._asdict() | {"random_state": self.seed, "seed": None}
        return SequenceClassifier(**{name: v for name, v in named.items() if v is not None}, verbose=True)


class SeriesColumns(NamedTuple):
    """What the user said about a file's columns."""

    id: str | None
    time: str | None
    target: str | None
    past: list[str]
    future: list[str]
    static: list[str]
    fill: str | None
    utc: bool


def read_series(file: str, columns: SeriesColumns) -> Sequences:
    """The series of a file, or an example by its name.

    Raises:
        DataError: the file cannot be used; the sentence says why.
        ArgumentError: there is no such example, or its columns were named.
    """
    if file.startswith(_EXAMPLE):
        from unrolled.data.io.examples import load, names

        check_choice("FILE", file, [_EXAMPLE + name for name in names()])
        if any(columns):
            raise ArgumentError(
                f"{file}: an example needs no column named and no gap filled; leave that out."
            )
        return load(file.removeprefix(_EXAMPLE))
    from unrolled.data.io.read import read

    return read(Path(file), **columns._asdict())


class LabelledColumns(NamedTuple):
    """What the user said about the columns of a file of labelled sequences."""

    label: str | None
    id: str | None
    time: str | None

    def read(self, file: str, part: str, *, must_be_labelled: bool = False) -> Labelled:
        """The sequences of a file; where it holds "train" and "test", those of one part.

        Raises:
            DataError: the file cannot be used; the sentence says why.
        """
        from unrolled.data.io.labelled import parts_of, read_labelled

        read = read_labelled(file, **self._asdict(), part=part if part in parts_of(file) else None)
        if read.labels is None and must_be_labelled:
            raise DataError(
                f"{read.source}: expected a label beside each sequence, got none. "
                "Name its column with --label."
            )
        return read
