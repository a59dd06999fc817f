"""Transcripts as tokens: alphabets, the outputs that they need, and the stride that leaves these."""

import numpy as np
import pytest

from unrolled.errors import ArgumentError, DataError
from unrolled.models.audio.transcription.transcripts import (
    EncodedTranscripts,
    as_transcripts,
    fitting_stride,
    make_codec,
    require_alphabet,
    steps_needed,
)

NOTHING_HELD_OUT = np.zeros(2, dtype=bool)


def test_a_codec_learns_what_is_not_held_out() -> None:
    """Characters of held-out transcripts are left out of the rows."""
    codec = make_codec("char", None, ["ab", "xyz"], np.array([False, True]), None, "y")
    assert sorted(codec.vocabulary.tokens) == [" ", "a", "b"]
    encoded = EncodedTranscripts.of(codec, ["ab", "xaz"], np.array([90, 90]), ["1", "2"], "y")
    assert encoded.rows.lengths.tolist() == [3, 2]
    assert encoded.stride == 3


def test_an_alphabet_refuses_other_characters() -> None:
    """Each of them is named, with the first transcript that has one; é is one character however written."""
    codec = make_codec("char", "né", ["ne\u0301", "n"], NOTHING_HELD_OUT, None, "y")
    assert len(codec.vocabulary) == 4
    with pytest.raises(
        DataError, match=r"y, position 1: expected characters of the alphabet, got 'A' and '!'"
    ):
        require_alphabet(codec, ["né", "A!n"], "y")
    with pytest.raises(ArgumentError, match="alphabet: expected a text of characters, such as 'abc', got 5"):
        make_codec("char", 5, ["a", "b"], NOTHING_HELD_OUT, None, "y")  # type: ignore[arg-type]


def test_equal_neighbours_need_a_blank_between() -> None:
    """So "ee" needs three outputs."""
    assert steps_needed(np.array([5, 5])) == 3
    assert steps_needed(np.array([5, 6, 6, 6])) == 6


@pytest.mark.parametrize(("n_frames", "stride"), [(90, 3), (44, 2), (30, 1), (20, 1)])
def test_the_stride_leaves_every_transcript_its_outputs(n_frames: int, stride: int) -> None:
    """With a half more than it needs, where there are as many frames."""
    rows = [np.arange(1, 15), np.arange(1, 5)]
    assert fitting_stride(np.array([n_frames, 90]), rows, ["a", "b"], "y") == stride


def test_a_transcript_that_its_recording_has_no_time_for_is_refused() -> None:
    """Named with its recording."""
    with pytest.raises(
        DataError, match=r"y, position 1 \(b\.wav\): .* has time for, got 9 tokens in 8 frames of 10 ms"
    ):
        fitting_stride(np.array([90, 8]), [np.arange(1, 5), np.arange(1, 10)], ["a.wav", "b.wav"], "y")


def test_transcripts_are_texts_one_for_each_recording() -> None:
    """Their white space is one space."""
    assert as_transcripts([" a\t b\n"], 1, "y") == ["a b"]
    with pytest.raises(DataError, match="y: expected 1 transcript, one for each recording, got 2"):
        as_transcripts(["a", "b"], 1, "y")
