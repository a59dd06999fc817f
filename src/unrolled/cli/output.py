"""Output of the commands: JSON, tables, files."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from unrolled.cli.shell_words import in_shell_words
from unrolled.cli.terminal import one_line, printable
from unrolled.formatting import aligned_table, as_sentence
from unrolled.jsonable import to_jsonable
from unrolled.report.wording import forecast_table

if TYPE_CHECKING:
    import pandas as pd

    from unrolled.cli.forecast_report import ForecastReport
    from unrolled.data.sequences import Sequences
    from unrolled.report.records import LabelledData, TextData

_MOST_SERIES = 5  # series whose forecasts are printed
_MOST_PREDICTIONS = 20  # sequences whose answers are printed


def print_json(record: Any) -> None:
    """Print one JSON object on stdout; NaN and infinity become null."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    print(json.dumps(to_jsonable(record), ensure_ascii=not is_utf8, allow_nan=False))


def print_notes(data: Sequences | LabelledData | TextData) -> None:
    """Say on stderr what reading changed."""
    print_note(*data.notes)


def print_note(*notes: str) -> None:
    """Say something on stderr that is no error, in terms of the options."""
    for note in notes:
        print(f"Note: {printable(as_sentence(in_shell_words(note)))}", file=sys.stderr)


def print_forecast(report: ForecastReport) -> None:
    """Print the forecast as tables, one a series; of many series the first five.

    No line is cut to the width of the screen: half a number is another number.
    """
    forecast = report.forecast()
    for one in forecast.series[:_MOST_SERIES]:
        heads, rows = forecast_table(one, forecast.freq)
        print(one_line(one.id))
        print(aligned_table([heads, *rows]))
    if len(forecast.series) > _MOST_SERIES:
        omitted = len(forecast.series) - _MOST_SERIES
        print(f"... and {omitted:,} more series; --output writes them all to a file.")


def sequence_names(sequences: Sequences) -> dict[str, Any]:
    """Return the names of sequences, one each, as the column id; of several keys each as its own column."""
    if len(sequences.id_names) == 1:
        return {"id": list(sequences.ids)}
    import numpy as np

    from unrolled.data.io.frames import id_columns_of

    return id_columns_of(sequences, np.arange(len(sequences)))


def print_predictions(ids: Iterable[str], labels: Iterable[str], probabilities: Sequence[float]) -> None:
    """Print the class of each sequence and its probability; of many sequences the first twenty."""
    rows = [
        (one_line(name), one_line(answer), f"{share:.3f}")
        for name, answer, share in zip(ids, labels, probabilities[:_MOST_PREDICTIONS], strict=False)
    ]
    print(aligned_table([("sequence", "answer", "sure"), *rows], left=(0, 1)))
    if len(probabilities) > _MOST_PREDICTIONS:
        omitted = len(probabilities) - _MOST_PREDICTIONS
        print(f"... and {omitted:,} more sequences; --output writes them all to a file.")


def print_written_paths(paths: list[str]) -> None:
    """Say what was written, and where."""
    for path in paths:
        print(f"Written: {printable(path)}")


def write_learned(
    model: Any, result: Any, source: str, *, untested: str, save: str | None, output: str | None, json: bool
) -> None:
    """Save a model, write what the test data were answered with, and print the comparison.

    Args:
        model: fitted where it is saved.
        result: comparison with `predictions`; None where nothing was tested: then the model's summary.
        source: what was learned from.
        untested: note where nothing was tested.
        save: folder of the model; None for none.
        output: file of the answers; None for none.
        json: print one object in place of sentences.
    """
    if save:
        model.save(save)
    if output and result is not None:
        write_table(result.predictions, output)
    written = [path for path in (output, save) if path]
    facts = {fact.name: fact.text for fact in model.summary()} if save else {}
    if json:
        record = {} if result is None else result.to_dict()
        print_json(record | {"source": source, "model": facts, "written": written})
        return
    if result is None:
        print(printable("\n".join(f"{name}: {text}" for name, text in facts.items())))
        print_note(untested)
    else:
        print(printable(result))
    print_written_paths(written)


def write_table(frame: pd.DataFrame, path: str) -> None:
    """Write a frame in the format that the suffix names, whole or not at all."""
    from unrolled.atomic_write import write_atomically

    if path.lower().endswith(".parquet"):
        write_atomically(path, lambda temporary: frame.to_parquet(temporary, index=False))
    elif path.lower().endswith(".gz"):
        write_atomically(path, lambda temporary: frame.to_csv(temporary, index=False, compression="gzip"))
    else:
        write_atomically(path, lambda temporary: frame.to_csv(temporary, index=False))
