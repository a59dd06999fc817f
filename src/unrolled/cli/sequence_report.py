"""Records for the classification report and the probe report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.report.records import LabelledData, LabelPredictions, ModelCard, TextData

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unrolled.data.audio.read import LabelledRecordings
    from unrolled.data.labelled.read import Labelled
    from unrolled.data.text.read import LabelledTexts
    from unrolled.evaluate.sequence.result import Comparison
    from unrolled.models.audio.base import AudioEstimator
    from unrolled.models.audio.classifier import AudioClassifier
    from unrolled.models.estimator import NetworkEstimator


def labelled_data(labelled: Labelled) -> LabelledData:
    """Convert a file's sequences and classes to the record of the report; of frames their brightness."""
    sequences, values, columns = labelled.sequences, labelled.sequences.values, labelled.sequences.columns
    if sequences.has_frames:
        values = values.reshape(len(values), -1).mean(1, keepdims=True, dtype=np.float64)
        columns = ("mean of the frame",)
    return LabelledData(
        source=labelled.source,
        values=np.split(values, sequences.offsets[1:-1]),
        labels=label_texts(() if labelled.labels is None else labelled.labels),
        columns=columns,
        notes=sequences.notes,
    )


def label_texts(labels: Sequence[Any] | NDArray[Any]) -> NDArray[np.str_]:
    """Format labels as text: a class 1.0 is 1.

    >>> label_texts(np.array([1.0, 2.0])).tolist()
    ['1', '2']
    """
    return np.array(
        [f"{one:g}" if isinstance(one, float) else str(one) for one in np.asarray(labels).tolist()]
    )


def text_data(texts: LabelledTexts) -> TextData:
    """Convert a file's texts and classes to the record of the report."""
    return TextData(texts.source, texts.texts, label_texts(() if texts.labels is None else texts.labels))


def loudness_data(recordings: LabelledRecordings, model: AudioClassifier) -> LabelledData:
    """Convert recordings and classes to the record of the report, which shows the loudness of each."""
    decibels = 10 / np.log(10)
    frames = [model.features_.frames(recording.wave()) for recording in recordings]
    return LabelledData(
        source=recordings.source,
        values=[decibels * np.logaddexp.reduce(one, axis=1, keepdims=True) for one in frames],
        labels=label_texts(() if recordings.labels is None else recordings.labels),
        columns=("loudness, dB",),
        notes=recordings.notes,
    )


def write_comparison(
    path: str, result: Comparison, data: LabelledData | TextData, model: NetworkEstimator
) -> None:
    """Write the report of `unrolled classify`."""
    from unrolled.report.html.sequence_page import write_classification_report

    network = result.columns[result.rows[0].name]
    predictions = LabelPredictions(label_texts(result.columns["y"]), label_texts(network))
    write_classification_report(
        path, comparison=result, data=data, predictions=predictions, model_card=sequence_model_card(model)
    )


def sequence_model_card(model: NetworkEstimator) -> ModelCard:
    """Describe a fitted model on a page, with the command that makes the page again."""
    command = shlex.join(["unrolled", *sys.argv[1:]])
    return ModelCard(
        model.summary(), history=model.history_, command=command, held_out="a part of the sequences"
    )


def write_recording_page(path: str, model: AudioEstimator, file: str) -> None:
    """Write the page on a recording that a saved model hears."""
    from unrolled.report.html.recording_page import write_recording_report

    write_recording_report(path, trace=model.trace(file), model_card=sequence_model_card(model))
