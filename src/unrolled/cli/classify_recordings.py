"""Recordings in `unrolled classify`: compare, fit, report and predict, as for sequences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.cli.classify_texts import OutputPaths
from unrolled.cli.options import ClassifierOptions, SequenceColumns
from unrolled.cli.usage_errors import check_folds
from unrolled.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from unrolled.data.audio.read import LabelledRecordings
    from unrolled.models.audio.classifier import AudioClassifier

_AUDIO_OPTIONS = {"cell", "hidden_size", "bidirectional", "n_members", "max_epochs", "random_state"}
_AUDIO_MODEL = "AudioClassifier"


def reads_as_recordings(file: str, model: str | None) -> bool:
    """Tell whether recordings are classified: the model is of them, or it is a folder or a table of them."""
    if model is not None:
        from unrolled.models.persistence import saved_estimator_name

        return saved_estimator_name(model) == _AUDIO_MODEL
    from unrolled.data.audio.read import holds_recordings

    return Path(file).is_dir() or holds_recordings(file)


def classify_recordings(
    files: tuple[str, str | None],
    columns: SequenceColumns,
    options: ClassifierOptions,
    folds: int | None,
    outputs: OutputPaths,
    *,
    resample: bool,
) -> None:
    """Compare a classifier of recordings with its baselines, print the result and write the files."""
    from unrolled.cli import output as out
    from unrolled.cli.terminal import printable, status_line
    from unrolled.evaluate.sequence.compare import compare
    from unrolled.models.protocols import end_if_interrupted

    train_file, test_file = files
    n_folds = check_folds(folds, test_file)
    model = _new_audio_classifier(options, resample=resample)
    with status_line(f"reading {train_file}"):
        train = _read(train_file, columns)
        test = None if test_file is None else _read(test_file, columns)
    result = compare(model, train, train.labels, test=test, folds=n_folds)
    if outputs.report or outputs.save:
        model.fit(train)
        end_if_interrupted(model)
    if outputs.output:
        import pandas as pd

        out.write_table(pd.DataFrame({"recording": _names(test or train)} | result.columns), outputs.output)
    if outputs.report:
        from unrolled.cli.sequence_report import write_audio_comparison

        write_audio_comparison(outputs.report, result, train, model)
    if outputs.save:
        model.save(outputs.save)
    if outputs.json:
        facts = {"source": train.source, "notes": list(train.notes), "written": outputs.paths}
        out.print_json(result.to_dict() | facts)
        return
    print(printable(result))
    out.print_written_paths(outputs.paths)


def predict_recordings(
    file: str, columns: SequenceColumns, folder: str, output: str | None, *, resample: bool, json: bool
) -> None:
    """Predict the classes of the recordings in a folder or table with a saved model."""
    import pandas as pd

    from unrolled.cli import output as out
    from unrolled.cli.sequence_report import label_texts
    from unrolled.models.audio.classifier import AudioClassifier

    model = AudioClassifier.load(folder)
    if resample:
        model.set_params(resample=True)
    recordings = _read(file, columns, must_be_labelled=False)
    probabilities = model.predict_proba(recordings)
    labels = model.classes_[probabilities.argmax(axis=1)]
    true_labels = {} if recordings.labels is None else {"y": recordings.labels}
    shares = {f"p-{name}": p for name, p in zip(label_texts(model.classes_), probabilities.T, strict=True)}
    names = _names(recordings)
    frame = pd.DataFrame({"recording": names, **true_labels, "answer": labels, **shares})
    if output:
        out.write_table(frame, output)
    written = [output] if output else []
    if json:
        answers = frame.to_dict("records")
        out.print_json({"source": recordings.source, "answers": answers, "written": written})
        return
    out.print_predictions(names, label_texts(labels), probabilities.max(axis=1))
    out.print_written_paths(written)


def _new_audio_classifier(options: ClassifierOptions, *, resample: bool) -> AudioClassifier:
    """Make a classifier of these options; one that recordings have no use for is refused."""
    from unrolled.models.audio.classifier import AudioClassifier

    given = options.given()
    if unused := [name for name in given if name not in _AUDIO_OPTIONS]:
        raise ArgumentError(f"{unused[0]}: a classifier of recordings has no use for it. Leave it out.")
    model = AudioClassifier(**given, resample=resample, verbose=True)
    model.check_parameters()
    return model


def _read(file: str, columns: SequenceColumns, *, must_be_labelled: bool = True) -> LabelledRecordings:
    """Read a folder or table of recordings; columns that only sequences have are refused."""
    from unrolled.data.audio.read import read_recordings

    for name, value in (("--id", columns.id), ("--time", columns.time)):
        if value:
            raise ArgumentError(f"{name}: {file} holds recordings, which have no such column. Leave it out.")
    read = read_recordings(file, label=columns.label)
    if must_be_labelled and read.labels is None:
        raise DataError(
            f"{read.source}: expected a label beside each recording, got none. Put them into a folder a "
            "label, or name the column of a table with --label."
        )
    return read


def _names(recordings: LabelledRecordings) -> list[str]:
    return [recording.name for recording in recordings]
