"""The table of notations: each example means what stands beside it."""

import numpy as np
import pytest

from unrolled.data.parse.date_texts import month_number
from unrolled.data.parse.datetimes import looks_like_dates, parse_times
from unrolled.data.parse.notations import MONTHS, NOTATIONS, NUMBERS, ORDERS, Notation, NumberForm


def _minutes(values: object, **options: object) -> tuple[list[str], list[str]]:
    options = {"name": "date", "utc": False} | options
    times, notes = parse_times(np.array(values), place=str, **options)
    return times.astype("M8[m]").astype(str).tolist(), notes


@pytest.mark.parametrize("notation", NOTATIONS, ids=lambda one: one.name)
def test_the_example_of_each_notation_means_what_it_says(notation: Notation) -> None:
    """Twice the same text tells nothing else apart; what gives way to another reading needs a second year."""
    text, moment = notation.example
    name = "week" if notation.of_weeks else "date"
    form = "{Y}-{q}" if text.startswith("2020") else "{q}/{Y}"
    years = [form.format(Y=year, q=quarter) for year in (2020, 2021) for quarter in (1, 2, 3, 4)]
    more = years if notation.gives_way else [text]
    times, _ = _minutes(np.array([text, *more], dtype=object), name=name)
    assert times[0] == str(np.datetime64(moment, "m"))
    assert looks_like_dates(np.array([text], dtype=object), name)


@pytest.mark.parametrize("form", NUMBERS, ids=lambda one: one.name)
def test_the_example_of_each_form_of_numbers_means_what_it_says(form: NumberForm) -> None:
    """With and without its option; the note, where there is one, names it."""
    number, moment = form.example
    for options in ({}, {"date_format": form.option}):
        times, notes = _minutes([number, number], name=form.needs_name or "date", **options)
        assert times == [str(np.datetime64(moment, "m"))] * 2
        assert all(form.name in note for note in notes)
        assert bool(notes) is bool(form.note and not options)


def test_names_and_options_are_distinct() -> None:
    """A sentence that names a notation names one."""
    names = [one.name for one in NOTATIONS]
    assert len(set(names)) == len(names)
    assert {name for names in ORDERS.values() for name in names} <= set(names)
    assert len({(one.name, one.option) for one in NUMBERS}) == len(NUMBERS)
    assert len(MONTHS) == 12


def test_months_are_told_apart_by_three_letters() -> None:
    """In all languages of the table: no name, and no beginning of three letters, is of two months."""
    for number, line in enumerate(MONTHS, start=1):
        for name in line.split():
            assert month_number(name) == number, name
    three = [(name[:3], number) for number, line in enumerate(MONTHS) for name in line.split()]
    shared = {start for start, number in three for other, n in three if start == other and n != number}
    assert shared == {"jui"}  # juin, juillet


@pytest.mark.parametrize(
    "text",
    ["may", "be", "A1", "12", "1.5", "Item 20", "Q7 2020", "2020-13-01", "2020/22", "21-Jan", "3-4", "10:00",
     "maybe 2020", "H3 2020", "W60 2020", "2020-W54", "2021-02-29", "2020-367", "25:00", "-5", "1/2/3/4",
     "v1.2.3"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    """Words, codes, numbers, clocks and days without a year, and days that never were."""
    assert not looks_like_dates(np.array([text], dtype=object))
