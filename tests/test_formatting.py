"""Numbers, percentages, p-values, durations, lists and tables as text."""

import math

import pytest

from unrolled.formatting import (
    aligned_table,
    as_sentence,
    capitalized,
    duration,
    join_words,
    number,
    number_column,
    p_value_equation,
    p_value_text,
    p_value_words,
    percent,
    quantity,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7412.55, "7,413"),
        (1234567.8, "1,234,568"),
        (16.884, "16.88"),
        (0.5, "0.5"),
        (0.0, "0"),
        (100.0, "100"),
        (-3.0, "-3"),
        (1e-9, "1.000e-09"),
        (2.5e20, "2.500e+20"),
        (math.nan, "unknown"),
        (-math.inf, "-infinite"),
        (None, "-"),
    ],
)
def test_a_number_keeps_its_whole_part_and_four_digits(value: float | None, text: str) -> None:
    """Large numbers are never rounded within their whole part, small ones keep four digits."""
    assert number(value) == text


def test_a_padded_number_keeps_its_trailing_zeros() -> None:
    """Three digits are three digits, whatever they are."""
    assert [number(v, 3, pad=True) for v in (86.0, 0.5, 5.0, 1312.4)] == ["86.0", "0.500", "5.00", "1,312"]
    assert number(86.0, 3) == "86"


def test_the_numbers_of_a_column_have_as_many_decimals() -> None:
    """The largest of them decides; what is not known is a dash; a column of zeros is fine."""
    assert number_column([1012.25, -998.4, math.nan]) == ["1,012", "-998", "-"]
    assert number_column([1.0, 0.25, None, math.inf]) == ["1.000", "0.250", "-", "-"]
    assert number_column([0.0, 0.0]) == ["0", "0"]
    assert number_column([0.0, 0.000025]) == ["0.000e+00", "2.500e-05"]
    assert number_column([None]) == ["-"]
    assert number_column([]) == []


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.8, "80 %"), (0.0, "0 %"), (0.004, "0.4 %"), (0.09, "9 %"), (0.996, "99.6 %"), (1.0, "100 %"),
     (12.5, "1,250 %"), (math.nan, "unknown"), (None, "-")],
)  # fmt: skip
def test_a_percentage_has_a_decimal_near_both_ends_only(share: float | None, text: str) -> None:
    """99.6 % is not all, and 0.4 % is not nothing."""
    assert percent(share) == text


def test_a_percentage_of_given_decimals_has_its_sign_on_demand() -> None:
    """Zeros stay, as in a column of a table."""
    assert percent(0.95, 1) == "95.0 %"
    assert percent(0.0073, 2, signed=True) == "+0.73 %"
    assert percent(-0.0073, 2, signed=True) == "-0.73 %"
    assert percent(-1e-16, 1) == percent(-0.0, 1) == "0.0 %"


@pytest.mark.parametrize(
    ("p", "text", "words"),
    [
        (0.0, "<0.001", "fewer than 1 of 1,000"),
        (0.00099, "<0.001", "fewer than 1 of 1,000"),
        (0.001, "0.001", "1 of 1,000"),
        (0.00949, "0.0095", "9 of 1,000"),
        (0.0096, "0.0096", "1 of 100"),  # not 10 of 1,000
        (0.0314, "0.031", "3 of 100"),
        (0.706, "0.71", "71 of 100"),
        (1.0, "1", "100 of 100"),
    ],
)
def test_a_p_value_is_a_number_in_tables_a_frequency_in_sentences(p: float, text: str, words: str) -> None:
    """Two digits; below one in a thousand the digits say nothing."""
    assert p_value_text(p) == text
    assert p_value_words(p) == words


def test_a_p_value_within_a_sentence_has_its_letter() -> None:
    """The sign is part of it."""
    assert p_value_equation(0.706) == "p = 0.71"
    assert p_value_equation(1e-9) == "p < 0.001"
    assert p_value_text(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "<0.01 s"), (0.0423, "0.04 s"), (8.31, "8.3 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"),
     (75, "1 min 15 s"), (3599.6, "1 h 0 min"), (7300, "2 h 1 min")],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    """Nobody needs the seconds of an hour, and a minute has no 60 s."""
    assert duration(seconds) == text


def test_only_one_is_singular() -> None:
    """0 rows, 1 row, 1,200 rows."""
    assert [quantity(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_words_are_joined_as_in_a_sentence() -> None:
    """A conjunction before the last one."""
    assert join_words([]) == ""
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b"]) == "a and b"
    assert join_words(["a", "b", "c"]) == "a, b and c"


def test_a_note_becomes_a_sentence() -> None:
    """Its capital and its full stop once; the letters between stay."""
    assert as_sentence(" rows of GRU were sorted") == "Rows of GRU were sorted."
    assert as_sentence("Really?") == "Really?"
    assert as_sentence("") == ""
    assert capitalized("the GRU") == "The GRU"
    assert capitalized("") == ""


def test_a_table_aligns_words_left_and_numbers_right() -> None:
    """Columns are as wide as their widest cell; no line ends in spaces."""
    rows = [["model", "note", "mae"], ["gru", "", "85.8"], ["AR1", "log", "9.12"]]
    assert aligned_table(rows) == "model  note   mae\ngru          85.8\nAR1     log  9.12"
    assert aligned_table(rows, left=(0, 1)) == "model  note   mae\ngru          85.8\nAR1    log   9.12"
    assert aligned_table([["a", ""], ["b", "x"]]).splitlines()[0] == "a"
