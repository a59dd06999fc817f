"""Recordings are compared with baselines on the model's own frames; unknown speakers are said aloud."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from unrolled.data.audio.recording import Recording
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.audio.classification import AUDIO_BASELINES, NO_SPEAKERS
from unrolled.evaluate.comparison import compare
from unrolled.models.audio.classifier import AudioClassifier

QUICK: dict[str, Any] = {"rate": 8000, "hidden_size": 4, "num_layers": 1, "max_epochs": 1}
RNG = np.random.default_rng(0)
LABELS = ["low", "high"] * 12
SPEAKERS = [f"s{i // 2 % 4}" for i in range(24)]


def _tone(label: str, speaker: str) -> NDArray[np.float64]:
    hz = (400 if label == "low" else 2000) + 20 * int(speaker[1])
    n = int(RNG.integers(1200, 2000))
    return np.sin(2 * np.pi * hz * np.arange(n) / 8000) + RNG.normal(0, 0.01, n)


WAVES = [_tone(label, speaker) for label, speaker in zip(LABELS, SPEAKERS, strict=True)]


def test_a_classifier_stands_beside_simple_ones_on_its_frames() -> None:
    """A neighbour tells tones of two heights apart; groups are what is tested."""
    result = compare(AudioClassifier(**QUICK), WAVES, LABELS, groups=SPEAKERS, folds=2,
                     baselines=["majority class", "1-NN Euclidean", "reservoir"])  # fmt: skip
    scores = {row.name: row.accuracy for row in result.rows}
    assert set(scores) == {"gru", "majority class", "1-NN Euclidean", "reservoir"}
    assert scores["1-NN Euclidean"] > 0.8
    assert scores["majority class"] == 0.5
    assert (result.unit, result.groups, result.n_sequences) == ("recordings", 4, 24)
    assert result.columns["y"].tolist() == LABELS
    assert not any("No groups=" in remark for remark in result.remarks)


def test_without_speakers_a_remark_says_what_the_score_means() -> None:
    """In folds and on a test set."""
    result = compare(AudioClassifier(**QUICK), WAVES, LABELS, folds=2, baselines=["majority class"])
    assert NO_SPEAKERS in result.remarks
    assert NO_SPEAKERS in str(result)
    tested = compare(AudioClassifier(**QUICK), WAVES[:16], LABELS[:16], groups=SPEAKERS[:16],
                     test=(WAVES[16:], LABELS[16:]), baselines=["majority class"])  # fmt: skip
    assert any("Whether the speakers of the test set are in X" in remark for remark in tested.remarks)
    assert (tested.n_sequences, tested.folds) == (8, None)


def _table(folder: Path, name: str, rows: range, speakers: list[str]) -> Path:
    lines = ["path,word,speaker"]
    for i in rows:
        wavfile.write(folder / f"{i}.wav", 8000, np.rint(WAVES[i] * 12000).astype(np.int16))
        lines.append(f"{i}.wav,{LABELS[i]},{speakers[i]}")
    (folder / name).write_text("\n".join(lines))
    return folder / name


def test_tables_bring_labels_and_speakers(tmp_path: Path) -> None:
    """Speakers on both sides are counted; those that are not raise no remark."""
    train = _table(tmp_path, "train.csv", range(12), SPEAKERS)
    test = _table(tmp_path, "test.csv", range(12, 24), SPEAKERS)
    other = _table(tmp_path, "other.csv", range(12, 24), [f"new{i % 3}" for i in range(24)])
    model = AudioClassifier(**QUICK | {"rate": None})
    known = compare(model, train, None, test=str(test), baselines=["majority class"])
    assert any("4 of 4 speakers of the test set are in X as well" in remark for remark in known.remarks)
    unknown = compare(model, train, None, test=str(other), baselines=["majority class"])
    assert not any("test set are in X as well" in remark for remark in unknown.remarks)
    assert compare(model, train, None, folds=2, baselines=["majority class"]).groups == 4


def test_copies_are_kept_together() -> None:
    """A recording that is there twice is one group."""
    result = compare(AudioClassifier(**QUICK), WAVES[:12] * 2, LABELS[:12] * 2, folds=2,
                     baselines=["majority class"])  # fmt: skip
    assert (result.groups, result.n_sequences) == (12, 24)


def test_rates_are_those_of_the_model() -> None:
    """Recordings of another rate are refused; a fitted model's own rate serves for arrays."""
    fitted = AudioClassifier(**QUICK | {"rate": None}).fit([Recording(w, 8000) for w in WAVES], LABELS)
    result = compare(fitted, WAVES, LABELS, folds=2, baselines=["majority class"])
    assert result.n_sequences == 24
    with pytest.raises(DataError, match="compare X: expected 8,000 samples"):
        compare(AudioClassifier(**QUICK), [Recording(w, 16000) for w in WAVES], LABELS)
    with pytest.raises(DataError, match="compare test X: expected 8,000 samples"):
        compare(AudioClassifier(**QUICK), WAVES, LABELS, test=([Recording(w, 16000) for w in WAVES], LABELS))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"lengths": [3]}, ArgumentError, "lengths: recordings have their own"),
        ({"test": 3}, ArgumentError, "test: expected a pair"),
        ({"y": None}, DataError, "compare y: expected labels, got none"),
        ({"y": ["one", *LABELS[1:]]}, DataError, "class 'one' in one sequence only"),
        ({"X": [*WAVES[:23], []]}, DataError, "recording 23: expected samples, got none"),
        ({"baselines": ["TF-IDF words"]}, ArgumentError, "baselines: expected some of majority class"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    """In a sentence that names it; a class of one recording cannot be learned and tested."""
    arguments: dict[str, Any] = {
        "X": WAVES,
        "y": LABELS,
        "folds": 2,
        "baselines": ["majority class"],
    } | changed
    with pytest.raises(error, match=message):
        compare(AudioClassifier(**QUICK), **arguments)


def test_pipelines_that_end_in_it_read_recordings() -> None:
    """They are compared as it is."""
    pipeline = make_pipeline(FunctionTransformer(list), AudioClassifier(**QUICK))
    result = compare(pipeline, WAVES, LABELS, folds=2, baselines=["majority class"])
    assert result.rows[0].name == "AudioClassifier"
    assert AUDIO_BASELINES[0] == "majority class"
