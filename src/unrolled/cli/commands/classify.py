"""`unrolled classify`: whole sequences to classes, beside what is simpler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.classification import Examples, OutputPaths, compare_and_write, predict_and_write
from unrolled.cli.classify_recordings import (
    classify_recordings,
    predict_recordings,
    reads_as_recordings,
)
from unrolled.cli.classify_texts import classify_texts, predict_texts, reads_as_texts
from unrolled.cli.options import (
    ClassifierOptions,
    Folds,
    Json,
    Model,
    Save,
    SequenceColumns,
    Text,
    option_groups,
)
from unrolled.cli.usage_errors import check_folds, refuse_training_options
from unrolled.errors import ArgumentError
from unrolled.validation import check_choice

if TYPE_CHECKING:
    from unrolled.data.labelled.read import Labelled
    from unrolled.models.sequence.classifier import SequenceClassifier

Train = Annotated[
    str,
    typer.Argument(
        metavar="TRAIN",
        show_default=False,
        help="CSV, Parquet, .ts, .arff, .npz; texts; a folder of sound or of clips.",
    ),
]
Test = Annotated[
    str | None, typer.Option("--test", metavar="FILE", help="Sequences to test on, not learned from.")
]
Output = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write every answer as .csv, .csv.gz or .parquet."),
]
Report = Annotated[
    str | None, typer.Option("--report", metavar="FILE.html", help="Write a page on the comparison.")
]
Resample = Annotated[bool, typer.Option("--resample", help="Of recordings: convert those of another rate.")]


@option_groups
def classify_command(
    train: Train,
    *,
    test: Test = None,
    folds: Folds = None,
    output: Output = None,
    report: Report = None,
    save: Save = None,
    model: Model = None,
    text: Text = None,
    resample: Resample = False,
    columns: SequenceColumns,
    options: ClassifierOptions,
    json: Json = False,
) -> None:
    """Learn which class a sequence belongs to, and what that is worth.

    A row is a sequence and its class stands in a column of it, or a row is one step of a sequence that --id
    names. Beside the network stand the most frequent class, the nearest neighbour, a reservoir and others,
    tested on the same sequences; a sentence says whether something simpler does as well. Where a column holds
    texts, they are what is classified, beside counts of words and characters. A folder of recordings with a
    folder a label, or a table of their paths, is classified by its sound; a column of speakers keeps each
    on one side. A folder of videos, arrays or folders of images with a folder a label is classified by its
    frames, beside the same network on frames whose motion is lost.

    \b
    Examples:
      unrolled classify train.csv --label kind
      unrolled classify train.csv --test test.csv --report kinds.html --save kinds
      unrolled classify reviews.csv --save sentiment
      unrolled classify words/ --save words-model
      unrolled classify gestures/ --report gestures.html
      unrolled classify steps.csv --id run --time second --label kind --cell lstm
      unrolled classify unseen.csv --model kinds --output answers.csv
      unrolled classify one.wav --model words-model --report one.html
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths

    check_paths({"TRAIN": train, "--test": test, "--model": model}, table=output, report=report, folder=save)
    has_recordings = text is None and reads_as_recordings(train, model)
    if resample and not has_recordings:
        raise ArgumentError(f"--resample: expected recordings, got {train}, which holds none. Leave it out.")
    if model:
        training = {"--test": test, "--folds": folds, "--save": save}
        if not has_recordings:  # of which one may have a page
            training["--report"] = report
        refuse_training_options(options, training)
        if has_recordings:
            predict_recordings(train, columns, model, output, report=report, resample=resample, json=json)
            return
        if reads_as_texts(train, text, model):
            predict_texts(train, text, columns.label, model, output, json=json)
            return
        _predict_sequences(train, columns, model, output, json=json)
        return
    outputs = OutputPaths(output, report, save, json)
    if has_recordings:
        classify_recordings((train, test), columns, options, folds, outputs, resample=resample)
    elif reads_as_texts(train, text, None):
        classify_texts((train, test), text, columns, options, folds, outputs)
    else:
        _classify_sequences((train, test), columns, options, folds, outputs)


def _classify_sequences(
    files: tuple[str, str | None],
    columns: SequenceColumns,
    options: ClassifierOptions,
    folds: int | None,
    outputs: OutputPaths,
) -> None:
    """Compare a classifier of sequences with its baselines."""
    from unrolled.cli.terminal import status_line

    train_file, test_file = files
    with status_line(f"reading {train_file}"):
        from unrolled.cli import output as out

        model = _new_classifier(options)
        folds = check_folds(folds, test_file)
        train, test = _read_train_and_test(train_file, test_file, columns, is_in_folds=folds is not None)
    for labelled in filter(None, (train, test)):
        out.print_notes(labelled.sequences)
    compare_and_write(model, _examples(train), None if test is None else _examples(test), folds, outputs)


def _predict_sequences(
    file: str, columns: SequenceColumns, folder: str, output: str | None, *, json: bool
) -> None:
    """Predict the classes of a file's sequences with a saved model, which says first if it is another."""
    from unrolled.cli import output as out
    from unrolled.models.sequence.classifier import SequenceClassifier

    model = SequenceClassifier.load(folder)
    labelled = columns.read(file, "test")
    out.print_notes(labelled.sequences)
    predict_and_write(model, _examples(labelled), output, json=json)


def _examples(labelled: Labelled) -> Examples:
    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import labelled_data

    sequences = labelled.sequences
    return Examples(
        X=sequences,
        labels=labelled.labels,
        source=labelled.source,
        columns=out.sequence_names(sequences),
        names=sequences.ids,
        report_data=lambda _: labelled_data(labelled),
        notes=sequences.notes,
    )


def _new_classifier(options: ClassifierOptions) -> SequenceClassifier:
    """Make a classifier of these options; one out of its range is refused."""
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.missing import MISSING_METHODS

    if options.missing is not None:
        check_choice("--fill", options.missing, MISSING_METHODS)
    model = SequenceClassifier(**options.given(), verbose=True)
    model.check_parameters()
    return model


def _read_train_and_test(
    train: str, test: str | None, columns: SequenceColumns, *, is_in_folds: bool
) -> tuple[Labelled, Labelled | None]:
    """Read the training and the test set; None for the latter where folds of the first are tested."""
    from unrolled.data.labelled.array_files import PARTS
    from unrolled.data.labelled.read import parts_of

    has_test = test is not None or (not Path(train).is_dir() and parts_of(train) == PARTS)
    if is_in_folds and has_test:
        raise ArgumentError(
            f"--folds: there is a test set, nothing is cross-validated; {train} has X_test. "
            "Leave --folds out."
        )
    train_data = columns.read(train, "train", must_be_labelled=True)
    if not has_test:
        return train_data, None
    test_data = columns.read(test or train, "test", must_be_labelled=True)
    return train_data, test_data.beside(train_data.labels)
