"""Numbers, percentages, p-values, durations, lists and tables as plain text.

One rule for each, used by the printed form of records, by sentences, by the command line and by the report.
The text is plain: a minus is a hyphen and a percentage has an ordinary space. The report makes that space one
that no line breaks at.
"""

import math
from collections.abc import Callable, Collection, Sequence

UNDEFINED = "-"  # a cell of a table that has no number
_SMALL, _LARGE = 1e-4, 1e15  # beyond, a number has an exponent


def number(value: float | None, significant: int = 4, *, pad: bool = False) -> str:
    """Format a number with its thousands separated, rounded to so many digits but never in its whole part.

    Args:
        value: any float; None becomes "-", a NaN "unknown".
        significant: digits to keep, at least 1.
        pad: keep trailing zeros, so that the numbers of a column have as many digits.

    >>> number(7412.55), number(16.884), number(0.001234), number(-3.0), number(float("nan"))
    ('7,413', '16.88', '0.001234', '-3', 'unknown')
    >>> number(86.0, 3, pad=True), number(131.97, 3, pad=True), number(2.5e20)
    ('86.0', '132', '2.500e+20')
    """
    if value is None:
        return UNDEFINED
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "infinite" if value > 0 else "-infinite"
    size = abs(value)
    if size >= _LARGE or 0 < size < _SMALL:
        return f"{value:.{significant - 1}e}"
    text = f"{value:,.{_decimals(size, significant)}f}"
    return text if pad or "." not in text else text.rstrip("0").rstrip(".")


def number_column(values: Sequence[float | None]) -> list[str]:
    """Format the numbers of one column of a table: all with as many decimals, or all with an exponent.

    >>> number_column([1012.25, 998.4, None]), number_column([2.5e17, -1.0, float("nan")])
    (['1,012', '998', '-'], ['2.500e+17', '-1.000e+00', '-'])
    """
    finite = [None if value is None or not math.isfinite(value) else float(value) for value in values]
    largest = max((abs(value) for value in finite if value is not None), default=0.0)
    has_exponent = largest and not _SMALL <= largest < _LARGE
    form = ".3e" if has_exponent else f",.{_decimals(largest, 4)}f"
    return [f"{value:{form}}" if value is not None else UNDEFINED for value in finite]


def _decimals(size: float, significant: int) -> int:
    return max(significant - 1 - math.floor(math.log10(size)), 0) if size else 0


def percent(share: float | None, decimals: int | None = None, *, signed: bool = False) -> str:
    """Format a share as a percentage.

    Args:
        share: 1 is 100 %; None becomes "-", a NaN "unknown".
        decimals: None for none, but one below 10 % and above 90 % where it is not zero: 99.6 % is not all.
        signed: write the plus of a positive number.

    >>> percent(0.5), percent(0.985), percent(1.0), percent(0.0073, 2, signed=True)
    ('50 %', '98.5 %', '100 %', '+0.73 %')
    """
    if share is None:
        return UNDEFINED
    if not math.isfinite(share):
        return "unknown"
    share = 0.0 if abs(share) < 1e-9 else share  # no minus before a zero of rounding
    near_an_end = 0 < share < 0.095 or 0.905 < share < 1
    text = f"{100 * share:{'+' if signed else ''},.{int(near_an_end) if decimals is None else decimals}f}"
    return f"{text.removesuffix('.0') if decimals is None else text} %"


def interval_text(interval: tuple[float, float], form: Callable[[float], str] = number) -> str:
    """Format a confidence interval for a cell of a table; one that is not defined, NaN to NaN, as "-".

    >>> interval_text((0.52, 1.5)), interval_text((math.nan, math.nan), percent)
    ('0.52 to 1.5', '-')
    """
    return UNDEFINED if math.isnan(interval[0]) else " to ".join(map(form, interval))


def p_value_text(p: float | None) -> str:
    """Format a p-value for a cell of a table or within brackets.

    >>> p_value_text(0.03141), p_value_text(1e-9), p_value_text(None)
    ('0.031', '<0.001', '-')
    """
    return UNDEFINED if p is None else "<0.001" if p < 0.001 else f"{p:.2g}"


def p_value_equation(p: float) -> str:
    """Format a p-value with its letter.

    >>> p_value_equation(0.03141), p_value_equation(1e-9)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p_value_text(p)}"


def p_value_words(p: float) -> str:
    """Format a p-value as a frequency, for a sentence.

    >>> p_value_words(0.0004), p_value_words(0.0081), p_value_words(0.21)
    ('fewer than 1 of 1,000', '8 of 1,000', '21 of 100')
    """
    if p < 0.001:
        return "fewer than 1 of 1,000"
    return f"{1000 * p:.0f} of 1,000" if p < 0.0095 else f"{100 * p:.0f} of 100"  # 0.0095 is 1 of 100


def duration(seconds: float) -> str:
    """Format a length of time in two units at most.

    >>> duration(0.042), duration(8.31), duration(75), duration(7300), duration(0.0001)
    ('0.04 s', '8.3 s', '1 min 15 s', '2 h 1 min', '<0.01 s')
    """
    if seconds < 0.005:
        return "<0.01 s"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def quantity(count: int, noun: str) -> str:
    """Format a count with its noun, in the plural unless it is 1.

    >>> quantity(1, "row"), quantity(1200, "gap")
    ('1 row', '1,200 gaps')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def with_article(noun: str) -> str:
    """Put the indefinite article before a noun, such as the name of a class.

    >>> with_article("AudioClassifier"), with_article("Transcriber")
    ('an AudioClassifier', 'a Transcriber')
    """
    return f"{'an' if noun[:1] in tuple('AEIOUaeiou') else 'a'} {noun}"


def join_words(words: Sequence[str]) -> str:
    """Join the words of a list as in a sentence.

    >>> join_words(["a"]), join_words(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def quoted_list(names: Sequence[str]) -> str:
    """Join names for a sentence, in quotes, the first five of many.

    >>> quoted_list(["a", "b", "c"])
    "'a', 'b' and 'c'"
    """
    more = [f"{len(names) - 5} more"] if len(names) > 5 else []
    return join_words([*map(repr, names[:5]), *more])


def capitalized(text: str) -> str:
    """Make the first letter a capital and leave the others as they are.

    >>> capitalized("the GRU remembers")
    'The GRU remembers'
    """
    return text[:1].upper() + text[1:]


def shortened(text: str, most: int) -> str:
    """Cut a text to so many characters, white space in rows as one space.

    >>> shortened("to be or  not to be", 12), shortened("to  be", 12)
    ('to be or ...', 'to be')
    """
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 3]}..."


def as_sentence(text: str) -> str:
    """Make a note a sentence: a capital first, a full stop last.

    >>> as_sentence("rows were sorted by date"), as_sentence("Really?")
    ('Rows were sorted by date.', 'Really?')
    """
    text = text.strip()
    return capitalized(text) + ("" if not text or text[-1] in ".!?" else ".")


def aligned_table(rows: Sequence[Sequence[str]], *, left: Collection[int] = (0,)) -> str:
    """Align the cells of a table in columns that are two spaces apart.

    Args:
        rows: of as many cells each, the head among them.
        left: positions of the columns of words; the others are numbers and end at the right.

    >>> print(aligned_table([["order", "loss"], ["reversed", "1.25"]]))
    order     loss
    reversed  1.25
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
