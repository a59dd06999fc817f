"""Recordings as estimators read them, with their labels and speakers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import wavfile

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.audio.recording import Recording
from unrolled.errors import DataError
from unrolled.models.audio.inputs import raw_frames, read_audio_inputs, require_targets


def test_labels_and_speakers_come_from_the_table_unless_given(tmp_path: Path) -> None:
    """What is passed beside it wins."""
    for name in ("a.wav", "b.wav"):
        wavfile.write(tmp_path / name, 8000, np.ones(800, np.int16))
    (tmp_path / "list.csv").write_text("path,word,speaker\na.wav,yes,ann\nb.wav,no,bob\n")
    read = read_audio_inputs(tmp_path / "list.csv", who="X", rate=None, resample=False)
    assert (read.y.tolist(), read.groups.tolist()) == (["yes", "no"], ["ann", "bob"])
    assert read.recordings.notes == ("Recordings with one 'speaker' are kept together.",)
    given = read_audio_inputs(tmp_path / "list.csv", [1, 2], ["x", "y"], who="X", rate=None, resample=False)
    assert (given.y, given.groups) == ([1, 2], ["x", "y"])
    with pytest.raises(DataError, match="expected 16,000"):
        read_audio_inputs(tmp_path / "list.csv", who="X", rate=16000, resample=False)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (["yes", "no"], [np.zeros(800), np.zeros(900)]),
        (pd.Series(["yes", "no"]), np.zeros((2, 800))),
        ([0, 1], [Recording(np.zeros(800), 8000)] * 2),
        (np.array(["yes", "no"]), ["a.wav", "b.WAV"]),
    ],
)
def test_labels_before_their_recordings_are_refused(X: Any, y: Any) -> None:
    """As what they are, where the labels were looked for as files."""
    with pytest.raises(DataError, match=r"^X: expected recordings first and their labels second"):
        read_audio_inputs(X, y, who="X", rate=8000, resample=False)
    with pytest.raises(DataError, match=r"Call it with \(recordings, transcripts\)"):
        read_audio_inputs(X, y, who="X", rate=8000, resample=False, transcripts=True)


def test_recordings_before_their_labels_are_read_in_any_form() -> None:
    """A column of labels is none of samples, and a generator loses no recording."""
    waves = [np.zeros(800), np.ones(900)]
    column = np.array([["yes"], ["no"]])
    for X, y in ((waves, column), ([wave.tolist() for wave in waves], column), (iter(waves), iter("ab"))):
        assert len(read_audio_inputs(X, y, who="X", rate=8000, resample=False).recordings) == 2


@pytest.mark.parametrize("item", [np.array("yes"), torch.tensor(1.0)])
def test_an_array_without_axes_is_no_list(item: Any) -> None:
    """As X it is refused, as y it is left to what reads labels."""
    waves = [np.zeros(800)] * 2
    assert read_audio_inputs(waves, item, who="X", rate=8000, resample=False).y is item
    with pytest.raises(DataError, match=r"^X: expected a list"):
        read_audio_inputs(item, waves, who="X", rate=8000, resample=False)


def test_missing_labels_are_asked_for() -> None:
    """With the two ways to give them."""
    assert require_targets([1], "y") == [1]
    assert require_targets(["a"], "y", transcripts=True) == ["a"]
    with pytest.raises(DataError, match=r"y: expected transcripts, got none\. Pass them, or a table"):
        require_targets(None, "y", transcripts=True)
    with pytest.raises(DataError, match=r"y: expected labels, got none\. Pass them, or a folder"):
        require_targets(None, "y")


def test_frames_of_all_recordings_are_joined() -> None:
    """Each as by itself; one that is shorter than a window is named."""
    features, rng = LogMel(8000), np.random.default_rng(0)
    recordings = [Recording(rng.normal(size=n), 8000, f"{n}.wav") for n in (400, 999)]
    data = raw_frames(recordings, features, "X")
    assert data.lengths.tolist() == [3, 10]
    assert np.array_equal(data[1].values, features.frames(recordings[1].samples))
    with pytest.raises(DataError, match=r"X, recording 1 \(b\.wav\): expected at least 200 samples, 25 ms"):
        raw_frames([recordings[0], Recording(np.ones(199), 8000, "b.wav")], features, "X")
    with pytest.raises(DataError, match=r"^X, recording 0: expected at least 200 samples"):
        raw_frames([Recording(np.ones(199), 8000, "X, recording 0")], features, "X")
