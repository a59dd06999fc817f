"""Base class of the records that describe, evaluate and probe results come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from unrolled.formatting import number
from unrolled.jsonable import to_jsonable

_MOST_ROWS, _MOST_COLUMNS = 10, 12  # of the table in a notebook


class Record:
    """Result of a question to data or to a model: a sentence, a table, a figure.

    A subclass is a dataclass that names its `kind` and has a `sentence`, as a field or a property. Whatever
    its fields hold, its `repr` is one line, so that a notebook or a debugger never fills with arrays; `str`
    is the whole answer as text.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Answer(Record):
    ...     kind: ClassVar[str] = "answer"
    ...     sentence: str
    ...     values: tuple[float, ...]
    >>> Answer("It is small.", (1.0, float("nan")))
    <answer: It is small.>
    >>> Answer("It is small.", (1.0, float("nan"))).to_dict()
    {'kind': 'answer', 'sentence': 'It is small.', 'values': [1.0, None]}
    """

    kind: ClassVar[str]
    _not_in_dict: ClassVar[frozenset[str]] = frozenset()  # fields, such as the arrays beneath a table

    if TYPE_CHECKING:  # at run time it would be the default value of a field of that name

        @property
        def sentence(self) -> str:
            """Result in one sentence."""

    def __init_subclass__(cls) -> None:
        # `dataclass` writes a repr of all fields unless the class itself has one
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Record.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return f"<{self.kind}: {self.sentence}>"

    def to_frame(self) -> Any:
        """Return the record's table as a frame; without a table, one row of its fields."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        facts = self.to_dict().items()
        return pd.DataFrame({name: [fact] for name, fact in facts if not isinstance(fact, dict | list)})

    def to_dict(self) -> dict[str, Any]:
        """Return all fields but the arrays beneath a table, ready for JSON; NaN and infinity become None."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        values = {name: getattr(self, name) for name in names if name not in self._not_in_dict}
        return {"kind": self.kind, **to_jsonable(values)}

    def plot(self) -> Any:
        """Draw the record.

        Returns:
            A plotly figure.

        Raises:
            ArgumentError: records of this kind have no figure.
        """
        # the one registered import upwards: whoever draws has plotly, whoever does not never loads it
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415

        return figure(self)

    def _repr_html_(self) -> str:
        """Sentence and first rows of the table for a notebook; every text is escaped."""
        import narwhals as nw  # noqa: PLC0415 (heavy, and only a notebook asks)

        frame = nw.from_native(self.to_frame(), eager_only=True)
        shown = frame[:_MOST_ROWS, : min(_MOST_COLUMNS, frame.shape[1])]
        lines = "".join(_html_row(row, "td") for row in shown.iter_rows())
        omitted = [
            f"{count - most:,} more {what}"
            for count, most, what in zip(
                frame.shape, (_MOST_ROWS, _MOST_COLUMNS), ("rows", "columns"), strict=True
            )
            if count > most
        ]
        below = f"<p>and {' and '.join(omitted)}: <code>.to_frame()</code></p>" if omitted else ""
        return (
            f"<p>{escape(self.sentence)}</p>"
            f"<table><thead>{_html_row(shown.columns, 'th')}</thead><tbody>{lines}</tbody></table>{below}"
        )


def _html_row(values: Any, tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for text in _cells(values))}</tr>"


def _cells(values: Any) -> Iterator[str]:
    for value in values:
        if value is None or value != value:  # noqa: PLR0124 (NaN, NaT)
            yield ""
        else:
            yield number(value) if isinstance(value, float) else str(value)
