"""Recordings as estimators read them, with their labels and speakers."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.audio.recording import Recording
from unrolled.errors import DataError
from unrolled.models.audio.inputs import raw_frames, read_audio_inputs, require_labels


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


def test_missing_labels_are_asked_for() -> None:
    """With the two ways to give them."""
    assert require_labels([1], "y") == [1]
    with pytest.raises(DataError, match=r"y: expected labels, got none\. Pass them, or a folder"):
        require_labels(None, "y")


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
