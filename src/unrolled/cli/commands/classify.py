"""`unrolled classify`: whole sequences to classes, beside what is simpler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.classify_recordings import (
    classify_recordings,
    predict_recordings,
    reads_as_recordings,
)
from unrolled.cli.classify_texts import (
    OutputPaths,
    compare_texts,
    new_text_classifier,
    predict_texts,
    read_text_files,
    reads_as_texts,
)
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
        metavar="TRAIN", show_default=False, help="CSV, Parquet, .ts, .arff, .npz; texts; a folder of sound."
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
    on one side.

    \b
    Examples:
      unrolled classify train.csv --label kind
      unrolled classify train.csv --test test.csv --report kinds.html --save kinds
      unrolled classify reviews.csv --save sentiment
      unrolled classify words/ --save words-model
      unrolled classify steps.csv --id run --time second --label kind --cell lstm
      unrolled classify unseen.csv --model kinds --output answers.csv
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths
    from unrolled.cli.terminal import status_line

    check_paths({"TRAIN": train, "--test": test, "--model": model}, table=output, report=report, folder=save)
    has_recordings = text is None and reads_as_recordings(train, model)
    if resample and not has_recordings:
        raise ArgumentError(f"--resample: expected recordings, got {train}, which holds none. Leave it out.")
    if model:
        refuse_training_options(
            options, {"--test": test, "--folds": folds, "--report": report, "--save": save}
        )
        if has_recordings:
            predict_recordings(train, columns, model, output, resample=resample, json=json)
            return
        if reads_as_texts(train, text, model):
            predict_texts(train, text, columns.label, model, output, json=json)
            return
        _predict(columns.read(train, "test"), model, output, json=json)
    elif has_recordings:
        outputs = OutputPaths(output, report, save, json)
        classify_recordings((train, test), columns, options, folds, outputs, resample=resample)
    elif reads_as_texts(train, text, None):
        _classify_texts((train, test, text), columns, options, folds, OutputPaths(output, report, save, json))
    else:
        with status_line(f"reading {train}"):
            network, n_folds = _new_classifier(options), check_folds(folds, test)
            files = _read_train_and_test(train, test, columns, is_in_folds=folds is not None)
        _compare(files, network, n_folds, OutputPaths(output, report, save, json))


def _classify_texts(
    files: tuple[str, str | None, str | None],
    columns: SequenceColumns,
    options: ClassifierOptions,
    folds: int | None,
    outputs: OutputPaths,
) -> None:
    """Compare a classifier of texts with its baselines; columns that only sequences have are refused."""
    from unrolled.cli.terminal import status_line

    train, test, text = files
    for name, value in (("--id", columns.id), ("--time", columns.time)):
        if value:
            raise ArgumentError(
                f"{name}: a row of {train} is a text, which has no such column. Leave it out."
            )
    n_folds = check_folds(folds, test)
    with status_line(f"reading {train}"):
        network = new_text_classifier(options)
        read = read_text_files(train, test, text, columns.label)
    compare_texts(read, network, n_folds, outputs)


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

    has_test = test is not None or parts_of(train) == PARTS
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


def _compare(
    files: tuple[Labelled, Labelled | None], model: SequenceClassifier, folds: int, outputs: OutputPaths
) -> None:
    """Compare the network with its baselines, print the result and write the files."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import write_comparison
    from unrolled.cli.terminal import printable
    from unrolled.evaluate.sequence.compare import compare
    from unrolled.models.protocols import end_if_interrupted

    train, test = files
    for labelled in filter(None, files):
        out.print_notes(labelled.sequences)
    test_pair = None if test is None else (test.sequences, test.labels)
    result = compare(model, train.sequences, train.labels, test=test_pair, folds=folds)
    if outputs.report or outputs.save:
        model.fit(train.sequences, train.labels)
        end_if_interrupted(model)
    if outputs.output:
        ids = out.sequence_names((test or train).sequences)
        out.write_table(pd.DataFrame(ids | result.columns), outputs.output)
    if outputs.report:
        write_comparison(outputs.report, result, train, model)
    if outputs.save:
        model.save(outputs.save)
    if outputs.json:
        notes = {"source": train.source, "notes": list(train.sequences.notes)}
        out.print_json(result.to_dict() | notes | {"written": outputs.paths})
        return
    print(printable(result))
    out.print_written_paths(outputs.paths)


def _predict(labelled: Labelled, folder: str, output: str | None, *, json: bool) -> None:
    """Predict the classes of a file's sequences with a saved model."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import label_texts
    from unrolled.models.sequence.classifier import SequenceClassifier

    model = SequenceClassifier.load(folder)
    out.print_notes(labelled.sequences)
    probabilities = model.predict_proba(labelled.sequences)
    labels = model.classes_[probabilities.argmax(axis=1)]
    true_labels = {} if labelled.labels is None else {"y": labelled.labels}
    probability_columns = {
        f"p-{name}": share for name, share in zip(label_texts(model.classes_), probabilities.T, strict=True)
    }
    frame = pd.DataFrame(
        {**out.sequence_names(labelled.sequences), **true_labels, "answer": labels, **probability_columns}
    )
    if output:
        out.write_table(frame, output)
    written_paths = [output] if output else []
    if json:
        out.print_json(
            {"source": labelled.source, "answers": frame.to_dict("records"), "written": written_paths}
        )
        return
    out.print_predictions(labelled.sequences.ids, label_texts(labels), probabilities.max(axis=1))
    out.print_written_paths(written_paths)
