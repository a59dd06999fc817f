"""`unrolled transcribe`: learn from recordings and transcripts, beside what is simpler; or transcribe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json, Model, OptionGroup, Save, Seed, option_groups
from unrolled.cli.paths import is_recording, require_single_recording
from unrolled.cli.usage_errors import refuse_training_options
from unrolled.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from unrolled.data.audio.read import LabelledRecordings
    from unrolled.models.audio.transcription.transcriber import Transcriber

PairFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="A table with a path and a transcript a row; with --model a recording, folder or table.",
    ),
]
Test = Annotated[str | None, typer.Option("--test", metavar="FILE", help="Pairs that are not learned from.")]
Transcript = Annotated[
    str | None,
    typer.Option("--transcript", metavar="COLUMN", help="Of a table; else transcript, text or the like."),
]
Resample = Annotated[bool, typer.Option("--resample", help="Convert recordings of another rate.")]
Words = Annotated[bool, typer.Option("--words", help="With --model: a word a line, with its times.")]
Beam = Annotated[
    int | None,
    typer.Option("--beam", metavar="COUNT", help="Hypotheses that are searched; 1 by default, the quickest."),
]
Report = Annotated[
    str | None,
    typer.Option("--report", metavar="FILE.html", help="With --model: a page on one recording."),
]
Output = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write all transcripts: .csv, .csv.gz or .parquet."),
]


@dataclass(frozen=True)
class TranscriberOptions(OptionGroup):
    """Options on the model: arguments of `unrolled.Transcriber`."""

    unit: Annotated[str | None, typer.Option("--unit", help="char, word or subword; char by default.")] = None
    alphabet: Annotated[
        str | None, typer.Option("--alphabet", metavar="TEXT", help="Characters; all others are refused.")
    ] = None
    cell: Annotated[str | None, typer.Option("--cell", help="gru, lstm or rnn; gru by default.")] = None
    hidden_size: Annotated[
        int | None, typer.Option("--hidden-size", metavar="UNITS", help="Units of a layer; 256 by default.")
    ] = None
    bidirectional: Annotated[
        bool, typer.Option("--bidirectional", help="Read from the end too: better, but not live.")
    ] = False
    max_epochs: Annotated[int | None, typer.Option("--max-epochs", metavar="EPOCHS", help="Epochs.")] = None
    random_state: Seed = None


@option_groups
def transcribe_command(
    file: PairFile,
    *,
    test: Test = None,
    label: Transcript = None,
    resample: Resample = False,
    save: Save = None,
    model: Model = None,
    as_words: Words = False,
    beam: Beam = None,
    output: Output = None,
    report: Report = None,
    options: TranscriberOptions,
    json: Json = False,
) -> None:
    """Learn to transcribe speech from recordings and transcripts; with --model, transcribe recordings.

    With --test the network stands beside the commonest transcript and that of the nearest recording, on
    recordings that none has heard; a sentence says whether something simpler does as well. Without --test and
    --save a fifth of the pairs is held out for that, whole speakers where the table has a column of them.

    \b
    Examples:
      unrolled transcribe pairs.csv --save speech
      unrolled transcribe train.csv --test test.csv --save speech
      unrolled transcribe interview.wav --model speech
      unrolled transcribe calls/ --model speech --output calls.csv
      unrolled transcribe one.wav --model speech --report one.html
    """  # noqa: D301 (\b keeps the lines apart)
    from unrolled.cli.paths import check_paths

    check_paths({"FILE": file, "--test": test, "--model": model}, table=output, report=report, folder=save)
    if model:
        refuse_training_options(options, {"--test": test, "--save": save, "--transcript": label})
        if report:
            require_single_recording(file)
        _transcribe(file, model, beam, (output, report), resample=resample, as_words=as_words, json=json)
        return
    if as_words or report or beam is not None:
        option = "--words" if as_words else "--report" if report else "--beam"
        raise ArgumentError(f"{option}: expected --model beside it, which transcribes. Name a saved model.")
    _learn((file, test), label, options, save=save, output=output, resample=resample, json=json)


def _learn(
    files: tuple[str, str | None], column: str | None, options: TranscriberOptions, *, save: str | None,
    output: str | None, resample: bool, json: bool,
) -> None:  # fmt: skip
    """Fit a Transcriber, compare it where there is something to test on, and save it."""
    from unrolled.cli import output as out
    from unrolled.cli.terminal import status_line
    from unrolled.evaluate.arguments import ComparisonArguments
    from unrolled.evaluate.audio.transcription import compare_transcripts
    from unrolled.models.audio.transcription.transcriber import Transcriber
    from unrolled.models.protocols import end_if_interrupted

    model = Transcriber(**options.given(), resample=resample, verbose=True)
    model.check_parameters()
    is_tested, result = files[1] is not None or not save, None
    if output is not None and not is_tested:
        raise ArgumentError("--output: expected --test, whose transcripts are written. Name a test set.")
    with status_line(f"reading {files[0]}"):
        train = _read(files[0], column)
        test = None if files[1] is None else _read(files[1], column)
    if save:
        model.fit(train)
        end_if_interrupted(model)
    if is_tested:
        result = compare_transcripts(
            model, train, None, ComparisonArguments(test), fitted=model if save else None
        )
    untested = "nothing was tested. Name recordings that were not learned from with --test."
    out.write_learned(model, result, train.source, untested=untested, save=save, output=output, json=json)


def _read(file: str, column: str | None) -> LabelledRecordings:
    from unrolled.data.audio.read import read_recordings

    read = read_recordings(file, label=column, transcripts=True)
    if read.labels is None:
        raise DataError(
            f"{read.source}: expected a transcript beside each recording, got none. Name a table with a "
            "column of paths and one of texts."
        )
    return read


def _transcribe(
    file: str, folder: str, beam: int | None, outputs: tuple[str | None, str | None], *, resample: bool,
    as_words: bool, json: bool,
) -> None:  # fmt: skip
    """Transcribe a recording, or all of a folder or table, with a saved model."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.models.audio.transcription.transcriber import Transcriber

    model, (output, report) = Transcriber.load(folder), outputs
    if resample:
        model.set_params(resample=True)
    is_shown = not (as_words or json or output)
    if is_recording(file) and not (resample or beam is not None or model.why_not_streamable()):
        names, recognised = [Path(file).name], [_stream_file(model, file, is_shown=is_shown)]
    else:
        from unrolled.data.audio.read import read_recordings

        read = read_recordings(file, transcripts=True)
        names = [recording.name for recording in read]
        recognised = model.predict_words(read, beam=beam)
        if is_shown:
            _print_texts(names, recognised)
    texts = [" ".join(word.text for word in each) for each in recognised]
    if output:
        out.write_table(pd.DataFrame({"recording": names, "transcript": texts}), output)
    if report:
        from unrolled.cli.sequence_report import write_recording_page

        write_recording_page(report, model, file)
    written = [path for path in outputs if path]
    if json:
        answers = [
            {"recording": name, "transcript": text, "words": [word._asdict() for word in each]}
            for name, text, each in zip(names, texts, recognised, strict=True)
        ]
        out.print_json({"source": Path(file).name, "answers": answers, "written": written})
        return
    if as_words:
        _print_words(names, recognised)
    out.print_written_paths(written)


def _stream_file(model: Transcriber, file: str, *, is_shown: bool) -> list[Any]:
    """Transcribe one file block by block, and print the text as it is written."""
    from unrolled.cli.terminal import printable
    from unrolled.data.audio.blocks import open_recording

    opened = open_recording(file)
    if opened.rate != model.rate_:
        raise DataError(
            f"{file}: expected {model.rate_:,} samples a second, as the model reads, got {opened.rate:,}. "
            "Pass resample=True to convert it."
        )
    stream = model.stream()
    for block in opened:
        text = stream.feed(block)
        if is_shown:
            print(printable(text), end="", flush=True)
    rest = stream.finish()
    if is_shown:
        print(printable(rest))
    return list(stream.words)


def _print_texts(names: list[str], recognised: list[list[Any]]) -> None:
    from unrolled.cli.terminal import printable

    for name, each in zip(names, recognised, strict=True):
        text = " ".join(word.text for word in each)
        print(printable(text if len(names) == 1 else f"{name}: {text}"))


def _print_words(names: list[str], recognised: list[list[Any]]) -> None:
    """Print a word a line: its file, where there are several, its start and end, its text, tabs between."""
    from unrolled.cli.terminal import printable

    for name, each in zip(names, recognised, strict=True):
        beside = [name] if len(names) > 1 else []
        for word in each:
            cells = [*beside, f"{word.start_s:.2f}", f"{word.end_s:.2f}", word.text]
            print("\t".join(printable(cell) for cell in cells))
