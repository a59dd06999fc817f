"""Error rates of texts, beside a slow loop and beside jiwer."""

import numpy as np
import pytest

from unrolled.data.audio.error_rates import edit_distance, error_counts, error_rates


def _slow(written: str, true: str) -> int:
    table = [[i + j for j in range(len(true) + 1)] for i in range(len(written) + 1)]
    for i, one in enumerate(written, start=1):
        for j, other in enumerate(true, start=1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one != other))
    return table[-1][-1]


def test_distances_equal_those_of_a_slow_loop() -> None:
    """Of all lengths, empty ones too."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        written, true = ("".join(rng.choice(list("abc "), rng.integers(0, 13))) for _ in range(2))
        assert edit_distance(written, true) == _slow(written, true)


def test_rates_equal_those_of_jiwer() -> None:
    """Of whole corpora."""
    jiwer = pytest.importorskip("jiwer", reason="computes the rates that ours must equal")
    rng = np.random.default_rng(1)
    words = ["one", "two", "three", "a", "été"]
    true = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(40)]
    written = [" ".join(rng.choice(words, rng.integers(0, 9))) for _ in range(40)]
    rates = error_rates(written, true)
    assert rates.word_error_rate == pytest.approx(jiwer.wer(true, written))
    assert rates.character_error_rate == pytest.approx(jiwer.cer(true, written))


def test_white_space_and_composed_characters_do_not_count() -> None:
    """A text without an error is right."""
    assert error_counts([" a  e\u0301"], ["a é "]).tolist() == [[0, 2, 0, 3]]
    rates = error_rates([" a  e\u0301", ""], ["a é ", "x"])
    assert (rates.n_right, rates.n_words, rates.n_texts) == (1, 3, 2)
    assert str(rates) == rates.sentence


def test_more_may_be_wrong_than_there_is() -> None:
    """And an empty reference divides by nothing."""
    assert error_rates(["a b c"], ["x"]).word_error_rate == 3
    assert error_rates(["a"], [""]).word_error_rate == 1
