"""Table of the notations of dates: pattern, meaning, when it is ambiguous, and the note that it leaves.

`datetimes.py` reads columns by it, the tests try each example, and `docs/dates.md` is written from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_ATOMS = {
    "Y": r"(?P<Y>\d{4})", "y": r"'?(?P<y>\d\d)", "m": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})",
    "b": r"(?P<b>[^\W\d_]{3,12})\.?", "q": r"(?P<q>[1-4])", "h": r"(?P<h>[12])", "w": r"(?P<w>\d{1,2})",
    "n": r"(?P<n>\d\d)",
    "mm": r"(?P<m>\d\d)", "dd": r"(?P<d>\d\d)", "mm0": r"(?P<m0>0[1-9]|1[0-2])",
    "HMS": r"(?P<H0>\d\d)(?:(?P<M0>\d\d)(?P<S0>\d\d)?)?", "th": r"(?:st|nd|rd|th|er|\.)?",
    "of": r"(?: del? |[-/,. ]*)",  # 1 de enero de 2020
    "year": r"(?:(?P<Y>\d{4})|'?(?P<y>\d\d))",
}  # fmt: skip
CLOCK = (
    r"(?P<H>\d{1,2})(?:(?P<c>[:.])(?P<M>(?<=:)\d{1,2}|(?<=\.)\d\d)(?:(?P=c)(?P<S>\d{1,2})"
    r"(?:[.,:](?P<f>\d{1,9}))?)?)?(?:\s*(?P<p>[aApP])\.?\s?[mM]\.?)?"
)
_ZONE = r"\s*(?P<z>Z|[+-]\d\d(?::?\d\d)?|[A-Z]{3,4})(?:\s?[\[(][\w/+ -]+[\])])?"
_WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,?\s+)?"
_SPAN = r"(?:\s+(?:-|–|to|bis)\s+(?P<i>\d.*))?"  # 00:00 - 01:00


@dataclass(frozen=True)
class Notation:
    """One way to write dates as texts.

    Args:
        name: what sentences and `date_format` call it.
        pattern: a regular expression; `{Y}` is a year, `{y}` its last two digits, `{m}` and `{d}` a month and
            a day as numbers, `{b}` the name of a month, `{q}`, `{h}`, `{w}` a quarter, half and week.
        example: a text, and the moment that it means.
        ambiguous: what else the same texts can mean, and how the column decides.
        note: what reading it leaves among the notes.
        of_weeks: whether it is read so only in a column called as a week is.
        gives_way: whether another reading that makes even steps too is taken.
    """

    name: str
    pattern: str
    example: tuple[str, str]
    ambiguous: str = ""
    note: str = ""
    of_weeks: bool = False
    gives_way: bool = False

    @property
    def span(self) -> str:
        """Span that a text stands for: "years", "halves", "quarters" or "months"; "" for days and weeks."""
        groups = self.regex.groupindex.keys()
        lengths = (("dwj", ""), ("q", "quarters"), ("h", "halves"), ("mb", "months"))
        return next((length for parts, length in lengths if not groups.isdisjoint(parts)), "years")

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Pattern of whole texts; a day may have a weekday before, and a clock and a zone after it."""
        date = f"(?:{self.pattern.format(**_ATOMS, clock=CLOCK, zone=_ZONE)})"
        if "P<d>" in date and "P<H>" not in date:
            date += rf"(?:(?:\s*[T,:_]\s*|\s+|-(?=\d\d[:.]\d\d[:.])){CLOCK}(?: Uhr)?)?(?:{_ZONE})?{_SPAN}"
        return re.compile(_WEEKDAY * ("P<d>" in date) + date)


_ORDER = (
    "the other orders: the one that fits every row is taken, else the one that makes even steps, else none",
    "dates of column {column!r} were read as {name}: {evidence}",
)
_SPLIT = "a quarter, or a year and the next as 2001/02: what makes even steps is taken"
_SPLIT_YEARS = ("a month: what makes even steps is taken", _ORDER[1])
_PM = "2020-01-31 15:30"
NOTATIONS = (
    Notation("year-month-day", r"{Y}(?P<s>[-/.]){m}(?P=s){d}", ("2020-01-31", "2020-01-31")),
    Notation("yyyymmdd", r"{Y}{mm}{dd}(?:[T ]?{HMS})?", ("20200131 1530", _PM)),
    Notation("year-week", r"{Y}[-/ ]{w}", ("2020-05", "2020-01-27"), of_weeks=True),
    Notation("week/year", r"{w}[-/ ]{Y}", ("05/2020", "2020-01-27"), of_weeks=True),
    Notation("year-month", r"{Y}[-/:.]{m}", ("2020-01", "2020-01-01"), _SPLIT),
    Notation("year/next year", r"{Y}[-/]{n}", ("2020/21", "2020-01-01"), *_SPLIT_YEARS),
    Notation("year-quarter", r"{Y}[-/:.]0?{q}", ("2020-2", "2020-04-01"), *_SPLIT_YEARS, gives_way=True),
    Notation("month/year", r"{m}[-/]{Y}|{mm0}\.(?P<Y0>\d{{4}})", ("01/2020", "2020-01-01"), _SPLIT),
    Notation("quarter/year", r"0?{q}[-/]{Y}", ("2/2020", "2020-04-01"), *_SPLIT_YEARS, gives_way=True),
    Notation("year", r"{Y}", ("2020", "2020-01-01")),
    Notation("day/month/year", r"{d}(?P<s>[-/. ]){m}(?P=s){year}", ("31/01/2020", "2020-01-31"), *_ORDER),
    Notation("month/day/year", r"{m}(?P<s>[-/. ]){d}(?P=s){year}", ("01/31/2020", "2020-01-31"), *_ORDER),
    Notation("yy/month/day", r"{y}(?P<s>[-/. ]){m}(?P=s){d}", ("99/01/31", "1999-01-31"), *_ORDER),
    Notation("day month-name year", r"{d}{th}{of}{b}{of}{year}", ("31-Jan-2020", "2020-01-31")),
    Notation("month-name day, year", r"{b}[-/. ]*{d}{th}(?:,\s*|\s+){Y}", ("January 31, 2020", "2020-01-31")),
    Notation("month-name day clock year", r"{b} +{d},? +{clock}(?:{zone})? {Y}", ("Jan 31 15:30 2020", _PM)),
    Notation("year-month-name-day", r"{Y}[-/. ]?{b}[-/. ]{d}", ("2020-Jan-31", "2020-01-31")),
    Notation("year年month月", r"{Y} ?[年년] ?{m} ?[月월](?: ?{d} ?[日일])?", ("2020年1月31日", "2020-01-31")),
    Notation("month-name year", r"{b}{of}{year}", ("Jan 2020", "2020-01-01")),
    Notation("year month-name", r"{Y}[-/. ]*{b}", ("2020-Jan", "2020-01-01")),
    Notation("yearMmonth", r"{Y}[-: ]?[Mm]{m}", ("2020M01", "2020-01-01")),
    Notation("yearQquarter", r"{Y}[-:/ ]?[QqTt]{q}", ("2020-Q2", "2020-04-01")),
    Notation("Qquarter/year", r"(?:[QqTt]{q}|(?P<q0>[1-4])[QqTt])[-/: ]?{year}", ("Q2/2020", "2020-04-01")),
    Notation("yearHhalf", r"{Y}[-:/ ]?[HhSs]{h}", ("2020-H2", "2020-07-01")),
    Notation("Hhalf/year", r"[HhSs]{h}[-/ ]?{year}", ("H2 2020", "2020-07-01")),
    Notation("yearWweek", r"{Y}[- ]?[Ww]{w}(?:-?(?P<u>[1-7]))?", ("2020-W05", "2020-01-27")),
    Notation("Wweek/year", r"(?:[Ww]|KW|[Ww]eek) ?{w}[-/ ,]*{Y}", ("W05 2020", "2020-01-27")),
    Notation("year-day of the year", r"{Y}-(?P<j>\d{{3}})", ("2020-031", "2020-01-31")),
)  # fmt: skip
ORDERS = {  # `date_format` for short
    "dmy": ("day/month/year",),
    "mdy": ("month/day/year",),
    "ymd": ("yy/month/day", "year-month-day"),
}
NOTES = {
    "weeks": "column {column!r} was read as weeks of ISO years",
    "century": "two-digit years of column {column!r} were read as {first} to {last}",
    "midnight": "24:00 in column {column!r} was read as the start of the next day",
    "interval": "of the spans of time in column {column!r} the start was read",
    "zone names": "time zones of column {column!r} were read as {zones}",
    "local days": "times of column {column!r} are days by local date: their time zone was left out",
    "utc": "times of column {column!r} were brought to UTC",
}
_WEST = """
    january januar janvier enero janeiro gennaio januari
    february februar février fevrier febrero fevereiro febbraio februari
    march märz maerz mars marzo março marco maart mrt mrz
    april avril abril aprile
    may mai mayo maio maggio mei maj
    june juni juin junio junho giugno
    july juli juillet julio julho luglio
    august août aout agosto augustus
    september septembre septiembre setembro settembre
    october oktober octobre octubre outubro ottobre
    november novembre noviembre novembro
    december dezember décembre decembre diciembre dezembro dicembre
""".strip().splitlines()
_NORTH_EAST = """
    styczeń stycznia ocak ianuarie январь января
    luty lutego şubat subat februarie февраль февраля
    marts marzec marca mart martie март марта
    kwiecień kwietnia nisan aprilie апрель апреля
    maja mayıs май мая
    czerwiec czerwca haziran iunie июнь июня
    lipiec lipca temmuz iulie июль июля
    augusti sierpień sierpnia ağustos agustus август августа
    wrzesień września eylül septembrie сентябрь сентября
    październik października ekim octombrie октябрь октября
    listopad listopada kasım noiembrie ноябрь ноября
    grudzień grudnia aralık decembrie desember декабрь декабря
""".strip().splitlines()
MONTHS = [" ".join((*west.split(), *east.split())) for west, east in zip(_WEST, _NORTH_EAST, strict=True)]
WEEKDAYS = """
    monday tuesday wednesday thursday friday saturday sunday
    montag dienstag mittwoch donnerstag freitag samstag sonntag
    montag dienstag mittwoch donnerstag freitag sonnabend sonntag
    lundi mardi mercredi jeudi vendredi samedi dimanche
    lunes martes miércoles jueves viernes sábado domingo
    lunes martes miercoles jueves viernes sabado domingo
    lunedì martedì mercoledì giovedì venerdì sabato domenica
    lunedi martedi mercoledi giovedi venerdi sabato domenica
    segunda terça quarta quinta sexta sábado domingo
    segunda terca quarta quinta sexta sabado domingo
    maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
""".strip().splitlines()
ZONES = {  # hours from UTC; those of North America as RFC 2822 has them
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2,
    "EET": 2, "EEST": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7,
}  # fmt: skip


class NumberForm(NamedTuple):
    """One way to write dates as numbers.

    Args:
        name: what sentences and the page call it.
        option: the `date_format` that asks for it.
        least, most: numbers that can be meant so.
        example: a number, and the moment that it means.
        note: what reading it leaves among the notes.
        needs_name: "date" or "week" where it is read so only in a column called as these are.
    """

    name: str
    option: str
    least: int
    most: int
    example: tuple[float, str]
    note: str = ""
    needs_name: str = ""


_6 = 10**6
_READ = "column {column!r} was read as {name}"
NUMBERS = (
    NumberForm("yyyy", "%Y", 1678, 2261, (2020, "2020-01-01")),
    NumberForm("yyyyww", "%G%V", 190001, 210053, (202005, "2020-01-27"), _READ, "week"),
    NumberForm("yyyymm", "%Y%m", 167801, 226112, (202001, "2020-01-01")),
    NumberForm("yyyyddd", "%Y%j", 1900001, 2100366, (2020031, "2020-01-31"), _READ),
    NumberForm("yyyymmdd", "%Y%m%d", 16780101, 22611231, (20200131, "2020-01-31")),
    NumberForm("yyyymmddHH", "%Y%m%d%H", 1900010100, 2100123124, (2020013115, "2020-01-31 15:00"), _READ),
    NumberForm("yyyymmddHHMM", "%Y%m%d%H%M", 190001010000, 210012312400, (202001311530, _PM), _READ),
    NumberForm("yyyymmddHHMMSS", "%Y%m%d%H%M%S", 19000101 * _6, 21001232 * _6, (20200131153000, _PM), _READ),
    NumberForm("s since 1970 (UTC)", "s", 10**8, 92 * 10**8, (1577836800, "2020-01-01"), _READ),
    NumberForm("ms since 1970 (UTC)", "ms", 10**11, 92 * 10**11, (1577836800000, "2020-01-01"), _READ),
    NumberForm("us since 1970 (UTC)", "us", 10**14, 92 * 10**14, (1577836800000000, "2020-01-01"), _READ),
    NumberForm("ns since 1970 (UTC)", "ns", 10**17, 92 * 10**17, (1577836800000000000, "2020-01-01"), _READ),
    NumberForm("days since 1899-12-30 (Excel)", "excel", 25569, 73050, (43861, "2020-01-31"), _READ, "date"),
    NumberForm("year.month", "%Y.%m", 1678, 2262, (2020.1, "2020-10-01"), _READ, "date"),
)  # fmt: skip
FIELD_DIGITS = {
    "Y": 4,
    "G": 4,
    "V": 2,
    "m": 2,
    "d": 2,
    "y": 2,
    "H": 2,
    "M": 2,
    "S": 2,
    "j": 3,
}  # of formats of digits only
UNCERTAIN_DIGITS = (
    "%d%m%Y",
    "%m%d%Y",
    "%m%Y",
    "%y%m%d",
    "%d%m%y",
    "%m%d%y",
)  # refused: each must be asked for
EPOCHS = tuple(form for form in NUMBERS if form.option in {"s", "ms", "us", "ns"})


def n_digits(date_format: str) -> int:
    """Count the digits of a date in a format of strptime; 0 where it is not made of digits only.

    >>> n_digits("%Y%m%d"), n_digits("%d.%m.%Y")
    (8, 0)
    """
    fields = date_format.split("%")[1:]
    return sum(map(FIELD_DIGITS.__getitem__, fields)) if set(fields) <= FIELD_DIGITS.keys() else 0
