"""Tokens of a path become words with their times."""

import numpy as np

from unrolled.data.text.codec import TextCodec
from unrolled.models.audio.transcription.words import (
    Word,
    WrittenToken,
    best_path,
    text_of,
    words_of,
)

CODEC = TextCodec.learn("char", ["ab ab c"])
POSITION = {token: k for k, token in enumerate(CODEC.vocabulary.tokens, start=1)}


def _written(text: str) -> list[WrittenToken]:
    return [WrittenToken(POSITION[token], k, k + 1) for k, token in enumerate(text)]


def test_repetitions_are_one_token_and_blanks_divide_them() -> None:
    """A path cut anywhere has the same tokens."""
    rng = np.random.default_rng(0)
    outputs = rng.integers(0, 3, 200)
    path = best_path(np.eye(3)[outputs])
    slow, before = [], 0
    for k, output in enumerate(outputs.tolist()):
        if output not in (before, 0):
            slow.append((output, k))
        before = output
    assert [(token, start) for token, start, _ in path] == slow
    ends = [end for _, _, end in path]
    assert all(len(set(outputs[start:end])) == 1 for _, start, end in path)
    assert max(ends) <= 200
    for cut in (1, 50, 199):
        parts = best_path(np.eye(3)[outputs[:cut]]), best_path(
            np.eye(3)[outputs[cut:]], int(outputs[cut - 1])
        )  # fmt: skip
        assert [each.token for part in parts for each in part] == [each.token for each in path]


def test_a_path_of_blanks_is_empty() -> None:
    """And one that repeats what stood before it."""
    assert best_path(np.eye(2)[[0, 0]]) == []
    assert best_path(np.eye(2)[[1, 1]], before=1) == []


def test_words_begin_at_spaces_and_end_in_the_recording() -> None:
    """Spaces have no time of their own; words of nothing are none."""
    words = words_of(CODEC, _written(" ab  c "), 0.5, 3.1)
    assert words == [Word("ab", 0.5, 1.5), Word("c", 2.5, 3.0)]
    assert words_of(CODEC, _written("a b"), 1.0, 2.5) == [Word("a", 0.0, 1.0), Word("b", 2.0, 2.5)]
    assert words_of(CODEC, _written(" "), 1.0, 2.5) == []


def test_text_has_one_space_between_words() -> None:
    """However many were written."""
    assert text_of(CODEC, [POSITION[token] for token in "  a   b "]) == "a b"
