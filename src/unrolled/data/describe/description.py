"""Record of what a source of data is and holds, and its printed form."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from unrolled.data.calendar.offsets import freq_words, unit_word
from unrolled.data.describe.diagnostics import AveragingEvidence
from unrolled.data.sequences import DeclaredOrder
from unrolled.formatting import number, quantity
from unrolled.record import Record
from unrolled.stats.serial_correlation import OrderEvidence

if TYPE_CHECKING:
    import pandas as pd

_NO_BREAK_SPACE = "\u00a0"  # keeps a year and its mean on one line
_WIDTH = 100
_LABEL = 17
_COLUMNS = 6
_YEARS = 4  # first and last ones shown


@dataclass(frozen=True)
class Description(Record):
    """Record of what a source of data is and holds.

    Args:
        source: the file or kind of frame.
        rows: of all series together.
        series: how many.
        length: of the shortest and of the longest series.
        columns: the target, then other columns.
        declared: what the rows' order is said to be: "time", "position" or "none".
        order: whether the order of the values carries information, tested.
        order_of_changes: the same for their changes; for a random walk they show no sign.
        start, end: the first and last time.
        freq: the common step, a pandas alias, or its digits for whole-number times.
        gaps: places where steps are missing.
        missing_steps: how many, in all gaps.
        holidays: business days without a row, too few and short to be gaps.
        duplicates: rows whose time had occurred.
        missing: values that are missing.
        ranges: the lowest and highest value of each column, the target first.
        yearly_means: of a single series with dates.
        mean_growth: geometric, in percent a step: the mean change of the logarithm; None unless all values
            are above 0, and where season or noise hide it (it is within two standard errors of 0).
        mean_pct_change: mean of the changes in percent, pandas' `pct_change().mean()`: above the geometric
            growth, by half of their variance; None unless all values are above 0.
        recent_growth: time and percent of the latest steps of a single series.
        multiplicative: whether it grows by multiples; of many series, whether most do.
        multiplicative_reason: half a sentence.
        season: steps in the season that the step suggests.
        seasonal: whether changes repeat from season to season; None where it cannot be told.
        transform, transform_reason: what transform="auto" would take, and why.
        averaging: how the changes' autocorrelations bear on averaging, for a single series.
        warnings: what to know before forecasting this, a sentence each.
        notes: what reading changed.
    """

    kind: ClassVar[str] = "description"

    source: str
    rows: int
    series: int
    length: tuple[int, int]
    columns: tuple[str, ...]
    declared: str
    order: OrderEvidence
    order_of_changes: OrderEvidence | None = None
    start: str | None = None
    end: str | None = None
    freq: str | None = None
    gaps: int = 0
    missing_steps: int = 0
    holidays: int = 0
    duplicates: int = 0
    missing: int = 0
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    yearly_means: dict[int, float] = field(default_factory=dict)
    mean_growth: float | None = None
    mean_pct_change: float | None = None
    recent_growth: tuple[tuple[str, float], ...] = ()
    multiplicative: bool | None = None
    multiplicative_reason: str = ""
    season: int = 1
    seasonal: bool | None = None
    transform: str | None = None
    transform_reason: str = ""
    averaging: AveragingEvidence | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Number of rows, and whether their order carries information."""
        rows = f"{self.rows:,} rows" + (f" in {self.series:,} series" if self.series > 1 else "")
        order = (
            "in no declared order" if self.declared == DeclaredOrder.NONE else f"ordered by {self.declared}"
        )
        return f"{self.source}: {rows}, {order}. Does the order carry information? {self.order}."

    @property
    def is_sequence(self) -> bool:
        """True where the data declares an order of its rows."""
        return self.declared != DeclaredOrder.NONE

    @property
    def is_temporal(self) -> bool:
        """True where the declared order is time."""
        return self.declared == DeclaredOrder.TIME

    @property
    def lowest(self) -> float | None:
        """Lowest value of the target."""
        return self.ranges[self.columns[0]][0] if self.columns[0] in self.ranges else None

    @property
    def highest(self) -> float | None:
        """Highest value of the target."""
        return self.ranges[self.columns[0]][1] if self.columns[0] in self.ranges else None

    def to_dict(self) -> dict[str, Any]:
        """Every fact, ready for JSON."""
        facts = asdict(self)
        facts["yearly_means"] = {str(year): mean for year, mean in self.yearly_means.items()}
        facts["averaging"] = None if self.averaging is None else self.averaging._asdict()
        head = {
            name: getattr(self, name) for name in ("kind", "is_sequence", "is_temporal", "lowest", "highest")
        }
        return {**head, **facts}

    def to_frame(self) -> pd.DataFrame:
        """Return the facts of the printed form, a row each."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        facts = [(label, text.replace(_NO_BREAK_SPACE, " ")) for label, text in _labelled_facts(self) if text]
        return pd.DataFrame(facts, columns=["fact", "value"])

    def __str__(self) -> str:
        """One line a fact, the labels in one column, warnings and notes below."""
        rows = quantity(self.rows, "character" if self.columns == ("character",) else "row")
        lines = [f"{self.source}: " + (f"{self.series:,} series, {rows}" if self.series > 1 else rows)]
        for label, text in _labelled_facts(self):
            if text:
                lines += textwrap.wrap(
                    text, _WIDTH, initial_indent=f"  {label:<{_LABEL}}", subsequent_indent=" " * (_LABEL + 2),
                    break_on_hyphens=False,
                )  # fmt: skip
        for kind, sentences in (("warning", self.warnings), ("note", self.notes)):
            for sentence in sentences:
                lines += textwrap.wrap(
                    f"{kind}: {sentence}", _WIDTH, initial_indent="  ", subsequent_indent="    "
                )
        return "\n".join(lines).replace(_NO_BREAK_SPACE, " ")


def _labelled_facts(facts: Description) -> list[tuple[str, str]]:
    ordered = "no, rows of a table" if facts.declared == "none" else f"yes, ordered by {facts.declared}"
    order = str(facts.order)
    if facts.order_of_changes is not None and facts.order_of_changes.p_value is not None:
        order += f"; in the changes: {facts.order_of_changes}"
    return [
        ("a sequence?", ordered),
        ("temporal?", "yes" if facts.is_temporal else "no"),
        ("order counts?", order),
        ("length", f"{facts.length[0]:,} to {facts.length[1]:,} rows a series" if facts.series > 1 else ""),
        ("span", _span(facts)),
        ("values", _values(facts)),
        ("mean growth", _growth(facts)),
        ("multiplicative?", _claim(facts.multiplicative, facts.multiplicative_reason)),
        ("seasonal?", _season(facts)),
        ("transform", f"{facts.transform}: {facts.transform_reason}" if facts.transform else ""),
        ("yearly means", _years(facts.yearly_means)),
    ]


def _span(facts: Description) -> str:
    if facts.start is None:
        return ""
    step = freq_words(facts.freq) + (f" ({facts.freq})" if facts.freq and not facts.freq.isdigit() else "")
    gaps = f"{quantity(facts.gaps, 'gap')} of {quantity(facts.missing_steps, 'step')}"
    parts = [
        f"{facts.start} to {facts.end}",
        step,
        quantity(facts.holidays, "holiday") if facts.holidays else "",
        gaps if facts.gaps else "no gaps",
        quantity(facts.duplicates, "duplicated time") if facts.duplicates else "",
    ]
    return ", ".join(part for part in parts if part)


def _values(facts: Description) -> str:
    if not facts.ranges:
        return ""
    whole = facts.declared == "none" or len(facts.ranges) > 1
    spans = [
        f"{name + ' ' if whole else ''}{number(low, 6)} to {number(high, 6)}"
        for name, (low, high) in facts.ranges.items()
    ]
    more = [f"{len(spans) - _COLUMNS} more columns"] if len(spans) > _COLUMNS else []
    return ", ".join(
        [*spans[:_COLUMNS], *more, f"{facts.missing:,} missing" if facts.missing else "none missing"]
    )


def _growth(facts: Description) -> str:
    unit = unit_word(facts.freq)
    if facts.mean_growth is None or not (facts.multiplicative or unit in {"month", "quarter", "year"}):
        return ""
    latest = ""
    if facts.recent_growth:
        time, percent = facts.recent_growth[-1]
        latest = f"; the latest, {time}: {percent:+.2f} %"
    percents = (
        "" if facts.mean_pct_change is None else f" (pct_change().mean(): {facts.mean_pct_change:+.2f} %)"
    )
    return f"{facts.mean_growth:+.2f} % {'an' if unit == 'hour' else 'a'} {unit}{percents}{latest}"


def _claim(answer: bool | None, reason: str) -> str:
    return "" if answer is None else f"{'yes' if answer else 'no'}: {reason}"


def _season(facts: Description) -> str:
    if facts.season == 1:
        return ""
    word = {True: "yes", False: "no sign of it", None: "too few to tell"}[facts.seasonal]
    return f"{word}, at {facts.season} steps"


def _years(means: dict[int, float]) -> str:
    shown = [f"{year}:{_NO_BREAK_SPACE}{number(mean)}" for year, mean in means.items()]
    return "  ".join(shown if len(shown) <= 2 * _YEARS else [*shown[:_YEARS], "...", *shown[-_YEARS:]])
