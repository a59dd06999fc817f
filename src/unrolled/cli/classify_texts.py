"""Texts in `unrolled classify`: compare, fit, report and predict, as for sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from unrolled.cli.options import ClassifierOptions
from unrolled.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from unrolled.data.text.read import LabelledTexts
    from unrolled.models.text.classifier import TextClassifier

_TEXT_OPTIONS = {"cell", "hidden_size", "n_members", "max_epochs", "random_state"}
_TEXT_MODEL = "TextClassifier"


class TextFiles(NamedTuple):
    """Training and test texts; no test texts where folds of the first are tested."""

    train: LabelledTexts
    test: LabelledTexts | None


class OutputPaths(NamedTuple):
    """Paths to write, and whether to print JSON."""

    output: str | None
    report: str | None
    save: str | None
    json: bool

    @property
    def paths(self) -> list[str]:
        """Paths that are written."""
        return [place for place in (self.report, self.output, self.save) if place]


def reads_as_texts(file: str, text: str | None, model: str | None) -> bool:
    """Tell whether a file is classified by its texts: they are named or seen, or the model reads texts."""
    if model is not None:
        from unrolled.models.persistence import saved_estimator_name

        return saved_estimator_name(model) == _TEXT_MODEL
    if text is not None:
        return True
    from unrolled.data.text.read import holds_texts

    return holds_texts(file)


def new_text_classifier(options: ClassifierOptions) -> TextClassifier:
    """Make a classifier of these options; one that texts have no use for is refused."""
    from unrolled.models.text.classifier import TextClassifier

    given = options.given()
    if unused := [name for name in given if name not in _TEXT_OPTIONS]:
        raise ArgumentError(f"{unused[0]}: a classifier of texts has no use for it. Leave it out.")
    model = TextClassifier(**given, verbose=True)
    model.check_parameters()
    return model


def read_text_files(train: str, test: str | None, text: str | None, label: str | None) -> TextFiles:
    """Read the training texts, and the test texts where a file of them is given."""
    from unrolled.data.text.read import read_texts

    train_texts = read_texts(train, text=text, label=label)
    _require_labels(train_texts)
    if test is None:
        return TextFiles(train_texts, None)
    test_texts = read_texts(test, text=text or train_texts.column, label=label)
    _require_labels(test_texts)
    return TextFiles(train_texts, test_texts)


def _require_labels(texts: LabelledTexts) -> None:
    if texts.labels is None:
        raise DataError(
            f"{texts.source}: expected a label beside each text, got none. Name its column with --label."
        )


def compare_texts(files: TextFiles, model: TextClassifier, folds: int, outputs: OutputPaths) -> None:
    """Compare the network with its baselines, print the result and write the files."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import write_text_comparison
    from unrolled.cli.terminal import printable
    from unrolled.evaluate.sequence.compare import compare
    from unrolled.models.protocols import end_if_interrupted

    train, test = files
    test_pair = None if test is None else (test.texts, test.labels)
    result = compare(model, train.texts, train.labels, test=test_pair, folds=folds)
    if outputs.report or outputs.save:
        model.fit(train.texts, train.labels)
        end_if_interrupted(model)
    if outputs.output:
        out.write_table(pd.DataFrame({"text": (test or train).texts} | result.columns), outputs.output)
    if outputs.report:
        write_text_comparison(outputs.report, result, train, model)
    if outputs.save:
        model.save(outputs.save)
    if outputs.json:
        out.print_json(result.to_dict() | {"source": train.source, "written": outputs.paths})
        return
    print(printable(result))
    out.print_written_paths(outputs.paths)


def predict_texts(
    file: str, text: str | None, label: str | None, folder: str, output: str | None, *, json: bool
) -> None:
    """Predict the classes of the texts in a file with a saved model."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import label_texts
    from unrolled.data.text.read import read_texts
    from unrolled.models.text.classifier import TextClassifier

    model = TextClassifier.load(folder)
    texts = read_texts(file, text=text, label=label)
    probabilities = model.predict_proba(texts.texts)
    labels = model.classes_[probabilities.argmax(axis=1)]
    true_labels = {} if texts.labels is None else {"y": texts.labels}
    shares = {f"p-{name}": p for name, p in zip(label_texts(model.classes_), probabilities.T, strict=True)}
    frame = pd.DataFrame({"text": texts.texts, **true_labels, "answer": labels, **shares})
    if output:
        out.write_table(frame, output)
    written = [output] if output else []
    if json:
        answers = frame.to_dict("records")
        out.print_json({"source": texts.source, "answers": answers, "written": written})
        return
    out.print_predictions(map(_shortened, texts.texts), label_texts(labels), probabilities.max(axis=1))
    out.print_written_paths(written)


def _shortened(text: str) -> str:
    """Return the beginning of a text, for a line of the screen."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 50 else f"{flat[:47]}..."
