"""Recordings in `unrolled classify`: when a path holds them, how they are read, and the model of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.cli.classification import (
    Examples,
    OutputPaths,
    compare_and_write,
    predict_and_write,
    refuse_unused_options,
)
from unrolled.cli.options import ClassifierOptions, SequenceColumns
from unrolled.cli.paths import require_single_recording
from unrolled.cli.usage_errors import check_folds
from unrolled.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from unrolled.data.audio.read import LabelledRecordings
    from unrolled.models.audio.classifier import AudioClassifier

_AUDIO_OPTIONS = {"cell", "hidden_size", "bidirectional", "n_members", "max_epochs", "random_state"}
_AUDIO_MODEL = "AudioClassifier"


def reads_as_recordings(file: str, model: str | None) -> bool:
    """Tell whether recordings are classified: of the model, of the file, of a folder without clips."""
    if model is not None:
        from unrolled.models.persistence import saved_estimator_name

        return saved_estimator_name(model) == _AUDIO_MODEL
    from unrolled.data.audio.read import holds_recordings
    from unrolled.data.video.read import holds_videos

    return holds_recordings(file) or (Path(file).is_dir() and not holds_videos(file))


def classify_recordings(
    files: tuple[str, str | None],
    columns: SequenceColumns,
    options: ClassifierOptions,
    folds: int | None,
    outputs: OutputPaths,
    *,
    resample: bool,
) -> None:
    """Compare a classifier of recordings with its baselines; columns that only sequences have are refused."""
    from unrolled.cli.terminal import status_line

    train_file, test_file = files
    folds = check_folds(folds, test_file)
    model = _new_audio_classifier(options, resample=resample)
    with status_line(f"reading {train_file}"):
        train = _read(train_file, columns)
        test = None if test_file is None else _read(test_file, columns)
    compare_and_write(model, _examples(train), None if test is None else _examples(test), folds, outputs)


def predict_recordings(
    file: str, columns: SequenceColumns, folder: str, output: str | None, *, report: str | None,
    resample: bool, json: bool,
) -> None:  # fmt: skip
    """Predict the classes of the recordings in a folder or table with a saved model; one may have a page."""
    from unrolled.models.audio.classifier import AudioClassifier

    if report:
        require_single_recording(file)
    model = AudioClassifier.load(folder)
    if resample:
        model.set_params(resample=True)
    examples = _examples(_read(file, columns, must_be_labelled=False))
    if report:
        from unrolled.cli.sequence_report import write_recording_page

        write_recording_page(report, model, file)
    predict_and_write(model, examples, output, json=json, report=report)


def _new_audio_classifier(options: ClassifierOptions, *, resample: bool) -> AudioClassifier:
    """Make a classifier of these options; one that recordings have no use for is refused."""
    from unrolled.models.audio.classifier import AudioClassifier

    given = options.given()
    refuse_unused_options(given, _AUDIO_OPTIONS, "recordings")
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


def _examples(recordings: LabelledRecordings) -> Examples:
    from unrolled.cli.sequence_report import loudness_data

    names = [recording.name for recording in recordings]
    return Examples(
        X=recordings,
        labels=recordings.labels,
        source=recordings.source,
        columns={"recording": names},
        names=names,
        report_data=lambda model: loudness_data(recordings, model),
        notes=recordings.notes,
    )
