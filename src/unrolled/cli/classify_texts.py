"""Texts in `unrolled classify`: when a file holds them, how they are read, and the model of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.cli.classification import (
    Examples,
    OutputPaths,
    compare_and_write,
    predict_and_write,
    refuse_unused_options,
)
from unrolled.cli.options import ClassifierOptions, SequenceColumns
from unrolled.cli.usage_errors import check_folds
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import shortened

if TYPE_CHECKING:
    from unrolled.data.text.read import LabelledTexts
    from unrolled.models.text.classifier import TextClassifier

_TEXT_OPTIONS = {"cell", "hidden_size", "n_members", "max_epochs", "random_state"}
_TEXT_MODEL = "TextClassifier"
_MOST_CHARACTERS = 50  # of a text on a line of the screen


def reads_as_texts(file: str, text: str | None, model: str | None) -> bool:
    """Tell whether a file is classified by its texts: they are named or seen, or the model reads texts."""
    if model is not None:
        from unrolled.models.persistence import saved_estimator_name

        return saved_estimator_name(model) == _TEXT_MODEL
    if text is not None:
        return True
    from unrolled.data.text.read import holds_texts

    return holds_texts(file)


def classify_texts(
    files: tuple[str, str | None],
    text: str | None,
    columns: SequenceColumns,
    options: ClassifierOptions,
    folds: int | None,
    outputs: OutputPaths,
) -> None:
    """Compare a classifier of texts with its baselines; columns that only sequences have are refused."""
    from unrolled.cli.terminal import status_line
    from unrolled.data.text.read import read_texts

    train_file, test_file = files
    for name, value in (("--id", columns.id), ("--time", columns.time)):
        if value:
            raise ArgumentError(
                f"{name}: a row of {train_file} is a text, which has no such column. Leave it out."
            )
    folds = check_folds(folds, test_file)
    with status_line(f"reading {train_file}"):
        model = _new_text_classifier(options)
        train = read_texts(train_file, text=text, label=columns.label)
        _require_labels(train)
        test = None
        if test_file is not None:
            test = read_texts(test_file, text=text or train.column, label=columns.label)
            _require_labels(test)
    compare_and_write(model, _examples(train), None if test is None else _examples(test), folds, outputs)


def predict_texts(
    file: str, text: str | None, label: str | None, folder: str, output: str | None, *, json: bool
) -> None:
    """Predict the classes of the texts in a file with a saved model."""
    from unrolled.data.text.read import read_texts
    from unrolled.models.text.classifier import TextClassifier

    model = TextClassifier.load(folder)
    predict_and_write(model, _examples(read_texts(file, text=text, label=label)), output, json=json)


def _new_text_classifier(options: ClassifierOptions) -> TextClassifier:
    """Make a classifier of these options; one that texts have no use for is refused."""
    from unrolled.models.text.classifier import TextClassifier

    given = options.given()
    refuse_unused_options(given, _TEXT_OPTIONS, "texts")
    model = TextClassifier(**given, verbose=True)
    model.check_parameters()
    return model


def _require_labels(texts: LabelledTexts) -> None:
    if texts.labels is None:
        raise DataError(
            f"{texts.source}: expected a label beside each text, got none. Name its column with --label."
        )


def _examples(texts: LabelledTexts) -> Examples:
    from unrolled.cli.sequence_report import text_data

    return Examples(
        X=texts.texts,
        labels=texts.labels,
        source=texts.source,
        columns={"text": texts.texts},
        names=[shortened(text, _MOST_CHARACTERS) for text in texts.texts],
        report_data=lambda _: text_data(texts),
    )
