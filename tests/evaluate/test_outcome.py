"""From a p-value to an outcome and its sentence."""

import pytest

from unrolled.evaluate.outcome import outcome_of, outcome_sentence, too_few_sentence


@pytest.mark.parametrize(
    ("p_value", "is_ahead", "outcome"),
    [
        (0.05, True, "better"),
        (0.05, False, "worse"),
        (0.0501, True, "no difference"),
        (0.0501, False, "no difference"),
        (1.0, False, "no difference"),
        (None, True, "too few to tell"),
        (None, False, "too few to tell"),
    ],
)
def test_a_difference_counts_up_to_five_in_a_hundred(
    p_value: float | None, is_ahead: bool, outcome: str
) -> None:
    """In either direction; without a p-value nothing counts."""
    assert outcome_of(p_value, is_ahead=is_ahead) == outcome


def test_a_sentence_names_the_cases_that_luck_would_decide() -> None:
    """Series of a backtest, comparisons of everything else."""
    assert outcome_sentence("the GRU is ahead", 0.5, "it may be luck", cases="series") == (
        "The GRU is ahead; a difference this large would appear in 50 of 100 such series if there were none: "
        "it may be luck."
    )


def test_too_few_cases_are_counted() -> None:
    """One is, several are."""
    one = too_few_sentence(1, "origin", "the GRU is ahead", "take ten")
    assert one == "1 origin is too few to tell: the GRU is ahead so far; take ten."
    assert too_few_sentence(1200, "texts", "a", "b").startswith(
        "1,200 texts are too few to tell: a so far; b"
    )
