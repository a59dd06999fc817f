"""Texts to numbers: every usual notation, and no guess where two readings are a factor of 1,000 apart."""

import math

import numpy as np
import pytest

from unrolled.data.parse.numbers import (
    Separators,
    agree_separators,
    detect_separators,
    is_missing,
    looks_numeric,
    resolve_separators,
    to_numbers,
    without_units,
)


def _texts(*items: object) -> np.ndarray:
    return np.array(items, dtype=object)


@pytest.mark.parametrize(
    ("items", "numbers"),
    [
        (["1", "-2.5", "+3e2", ".5", "5.", " 7 "], [1, -2.5, 300, 0.5, 5, 7]),
        (["3,5", "-0,25", "12"], [3.5, -0.25, 12]),
        (["1.234,5", "17", "1.234"], [1234.5, 17, 1234]),
        (["1,234.5", "17", "1,234"], [1234.5, 17, 1234]),
        (["1,234,567", "17"], [1234567, 17]),
        (["1.234.567", "1.234", "17"], [1234567, 1234, 17]),
        (
            ["1'234.5", "1’234’567", "1\u00a0234", "1\u202f234", "12 345"],
            [1234.5, 1234567, 1234, 1234, 12345],
        ),
        (["1 234,5", "7,25"], [1234.5, 7.25]),
        (["−5", "4"], [-5, 4]),
        (["0,123", "0,456"], [0.123, 0.456]),
        (["1.234", "0.5"], [1.234, 0.5]),
        (["1,5e3", "2,5"], [1500, 2.5]),
    ],
)
def test_every_usual_notation(items: list[str], numbers: list[float]) -> None:
    """A column of its own tells what its commas and points mean."""
    read, odd = to_numbers(_texts(*items), detect_separators(_texts(*items)))
    assert odd.tolist() == []
    assert read.tolist() == numbers


def test_words_for_missing() -> None:
    """They are NaN, not faults, in any case and with spaces around."""
    words = _texts("", " NA ", "n/a", "NaN", "null", "-", ".", "?", None, "#N/A", math.nan)
    assert is_missing(words).all()
    read, odd = to_numbers(words, Separators())
    assert np.isnan(read).all()
    assert odd.tolist() == []
    assert not is_missing(_texts("0", "no", "x")).any()


@pytest.mark.parametrize(
    ("items", "odd"),
    [
        (["1", "x", "2", "1 2"], [1, 3]),
        (["3,5", "4.5"], [1]),
        (["1.234,5", "12.34"], [1]),
        (["1,234.5", "12,34"], [1]),
        (["5", "12%", "$3"], [1, 2]),
        (["1.2.3", "5"], [0]),
    ],
)
def test_what_does_not_follow_the_rest_is_odd(items: list[str], odd: list[int]) -> None:
    """A row in another notation is named rather than bent."""
    assert to_numbers(_texts(*items), detect_separators(_texts(*items)))[1].tolist() == odd


def test_one_comma_and_three_digits_leave_it_open() -> None:
    """'1,234' alone can be either; the rest of the file, or its separator, decides."""
    either = detect_separators(_texts("1,234", "987"))
    assert either.comma == "either"
    assert agree_separators([either], ";").comma == "either"
    assert agree_separators([either], ",").comma == "groups"
    assert agree_separators([either, Separators("decimal")], ";").comma == "decimal"
    assert agree_separators([either, Separators("groups")], ";").comma == "groups"
    assert agree_separators([Separators("decimal"), Separators("groups")], ";").comma == "either"


def test_points_group_in_a_file_with_decimal_commas() -> None:
    """'1.234' is 1234 beside a column of decimal commas, 1.234 in a comma file."""
    own = detect_separators(_texts("1.234", "987"))
    beside = resolve_separators(own, agree_separators([Separators("decimal")], ";"))
    assert to_numbers(_texts("1.234", "987"), beside)[0].tolist() == [1234, 987]
    assert own.point == "mixed"
    assert resolve_separators(own, agree_separators([], ";")).point == "either"
    for separator in (",", ""):
        alone = resolve_separators(own, agree_separators([], separator))
        assert to_numbers(_texts("1.234", "987"), alone)[0].tolist() == [1.234, 987]


@pytest.mark.parametrize(
    ("items", "numeric"),
    [
        (["1", "2,5", "x"], True),
        (["1", "x", "y"], False),
        (["2020-01-01"], False),
        (["01.02.2020"], False),
        (["12:30"], False),
        (["A1", "e", "inf"], False),
        (["", "NA"], False),
        ([], False),
        (["", "", "5"], True),
    ],
)
def test_half_of_the_valid_texts_make_a_column_numeric(items: list[str], numeric: bool) -> None:
    """Dates, clocks and codes are no numbers; missing texts have no say."""
    assert looks_numeric(_texts(*items)) is numeric


@pytest.mark.parametrize(
    ("texts", "numbers", "words"),
    [
        (["<1", "5", "12"], [0.5, 5, 12], "'<1' was read as half of that limit"),
        (["< 0.05", "0.2", "<0.05", "1.5"], [0.025, 0.2, 0.025, 1.5], "and others like it were read as half"),
        (["≤2 mg", "7 mg"], [1, 7], "'mg' beside its numbers was read as the unit; '≤2 mg' was read as half"),
        (["99", ">100"], [99, 100], "'>100' was read as that limit"),
    ],
)
def test_numbers_below_a_limit_are_half_of_it(texts: list[str], numbers: list[float], words: str) -> None:
    """As Google Trends and laboratories write what is too small to count; a note says so."""
    bare, factors, note = without_units(np.array(texts, dtype=object))
    assert (to_numbers(bare, Separators())[0] * factors).tolist() == numbers
    assert words in note


def test_a_sign_alone_is_no_limit() -> None:
    """Texts that are no numbers behind it stay as they are."""
    texts = np.array(["<", "5"], dtype=object)
    assert without_units(texts)[0] is texts
