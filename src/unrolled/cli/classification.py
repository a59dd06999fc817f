"""Steps of `unrolled classify` that sequences, texts and recordings share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from unrolled.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unrolled.report.records import LabelledData, TextData


class OutputPaths(NamedTuple):
    """Paths to write, and whether to print JSON."""

    output: str | None
    report: str | None
    save: str | None
    json: bool

    @property
    def paths(self) -> list[str]:
        """Paths that are written."""
        return [path for path in (self.report, self.output, self.save) if path]


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples of a file: sequences, texts or recordings.

    Args:
        X: N of them, as the estimator takes them.
        labels: (N,) of each; None where the file has none.
        source: the file, for messages.
        columns: what names each in a table of predictions.
        names: (N,) of each on the screen.
        report_data: makes what the report shows of them, from the fitted model.
        notes: what reading changed, a sentence each.
    """

    X: Any
    labels: NDArray[Any] | None
    source: str
    columns: dict[str, Any]
    names: Sequence[str]
    report_data: Callable[[Any], LabelledData | TextData]
    notes: Sequence[str] = ()


def compare_and_write(
    model: Any, train: Examples, test: Examples | None, folds: int | None, outputs: OutputPaths
) -> None:
    """Compare a classifier with its baselines, print the result and write the files.

    Raises:
        KeyboardInterrupt: Ctrl-C ended a training.
    """
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import write_comparison
    from unrolled.cli.terminal import printable
    from unrolled.evaluate.comparison import compare
    from unrolled.models.protocols import end_if_interrupted

    test_pair = None if test is None else (test.X, test.labels)
    result = compare(model, train.X, train.labels, test=test_pair, folds=folds)
    if outputs.report or outputs.save:
        model.fit(train.X, train.labels)
        end_if_interrupted(model)
    if outputs.output:
        out.write_table(pd.DataFrame((test or train).columns | result.columns), outputs.output)
    if outputs.report:
        write_comparison(outputs.report, result, train.report_data(model), model)
    if outputs.save:
        model.save(outputs.save)
    if outputs.json:
        facts = {"source": train.source, "notes": list(train.notes), "written": outputs.paths}
        out.print_json(result.to_dict() | facts)
        return
    print(printable(result))
    out.print_written_paths(outputs.paths)


def predict_and_write(
    model: Any, examples: Examples, output: str | None, *, json: bool, report: str | None = None
) -> None:
    """Predict the classes of examples with a fitted classifier, print them and write a table.

    Args:
        model: the classifier.
        examples: of which the classes are predicted.
        output: the table to write; None for none.
        json: print one JSON object.
        report: a page that was written; None for none.
    """
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import label_texts

    probabilities = model.predict_proba(examples.X)
    predictions = model.classes_[probabilities.argmax(axis=1)]
    true_labels = {} if examples.labels is None else {"y": examples.labels}
    shares = {f"p-{name}": p for name, p in zip(label_texts(model.classes_), probabilities.T, strict=True)}
    frame = pd.DataFrame({**examples.columns, **true_labels, "answer": predictions, **shares})
    if output:
        out.write_table(frame, output)
    written = [path for path in (output, report) if path]
    if json:
        answers = frame.to_dict("records")
        out.print_json({"source": examples.source, "answers": answers, "written": written})
        return
    out.print_predictions(examples.names, label_texts(predictions), probabilities.max(axis=1))
    out.print_written_paths(written)


def refuse_unused_options(given: dict[str, Any], used: set[str], of: str) -> None:
    """Refuse options of the network that a kind of classifier does not have.

    Args:
        given: options by the name of their argument.
        used: names that the classifier has.
        of: what is classified.

    Raises:
        ArgumentError: one is given.

    >>> refuse_unused_options({"cell": "gru"}, {"cell"}, "texts")
    """
    if unused := [name for name in given if name not in used]:
        raise ArgumentError(f"{unused[0]}: a classifier of {of} has no use for it. Leave it out.")
