"""Names that say total or mean, in the languages of offices, and nothing else."""

import unicodedata

import numpy as np
import pytest

from unrolled.data.parse.statistics_words import are_statistics, is_total


@pytest.mark.parametrize(
    "name",
    [
        "Total", " TOTAL ", "Grand Total", "grand_total", "Sum", "All", "Gesamtergebnis", "Summe:", "Tous",
        "Total général", "Suma", "Totale", "Ogółem", "Всего", "合計", "합계", "Yhteensä",
    ],
)  # fmt: skip
def test_a_name_that_is_a_word_for_total_is_one(name: str) -> None:
    """In any case, with signs around it, composed or decomposed."""
    assert is_total(name)
    assert is_total(unicodedata.normalize("NFD", name))


@pytest.mark.parametrize("name", ["Total imports", "total 2", "Allen", "Summer", "Sumatra", "", "3", 4, None])
def test_other_names_are_none(name: object) -> None:
    """A total of something, one of several, or a word that begins alike."""
    assert not is_total(name)


def test_dates_are_no_statistics() -> None:
    """Totals and means of a year or of all rows are; empty cells and numbers are not."""
    cells = [
        "2020-01", "Jan 2020", "2020", "2020 Total", "Total 2020", "Mittelwert", "Média", "Grand total", None,
        3.0, "",
    ]  # fmt: skip
    assert np.flatnonzero(are_statistics(np.array(cells, dtype=object))).tolist() == [3, 4, 5, 6, 7]
