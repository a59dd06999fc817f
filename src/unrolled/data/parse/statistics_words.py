"""Words for totals and means, which spreadsheets and statistics offices put below and beside their tables."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOTAL_WORDS = (
    # English, German, Dutch, Scandinavian languages, Finnish
    "total totals all sum subtotal overall summe gesamt insgesamt gesamtergebnis gesamtsumme alle totaal "
    "eindtotaal som summa totalt sammanlagt yhteensä "
    # French, Spanish, Portuguese, Italian
    "somme ensemble tous toutes suma todos todas soma totale totali somma tutti tutte "
    # Polish, Czech, Hungarian, Turkish, Russian
    "razem ogółem celkem összesen toplam всего итого сумма "
    # Chinese, Japanese, Korean
    "总计 合计 總計 合計 総計 합계 총계 총합계"
)
_MEAN_WORDS = (
    "average mean avg mittelwert durchschnitt moyenne promedio media média gemiddelde średnia medelvärde "
    "ortalama среднее 平均 평균"
)
_PHRASES = (
    "grand total", "sub total", "total général", "total general", "total geral", "totale complessivo",
    "suma końcowa", "genel toplam", "общий итог", "i alt",
)  # fmt: skip
_TOTALS = frozenset([*_TOTAL_WORDS.split(), *_PHRASES])
_STATISTICS = _TOTALS | frozenset(_MEAN_WORDS.split())
_YEAR = re.compile(r"\b\d{4}\b")
_LETTER = re.compile(r"[^\W\d_]")


def is_total(text: Any) -> bool:
    """Tell whether a name says that it is a total, and nothing else.

    >>> is_total("Grand Total"), is_total("Gesamtergebnis:"), is_total("Total imports")
    (True, True, False)
    """
    return _words(str(text)) in _TOTALS


def are_statistics(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of cells (T,) of a column of dates which are totals or means, of all rows or of a year.

    >>> are_statistics(np.array(["2020-12", "2020 Total", "Average", None], dtype=object)).tolist()
    [False, True, True, False]
    """
    texts = [cell for cell in cells.tolist() if isinstance(cell, str)]
    if _LETTER.search("".join(texts)) is None:  # one search for a column of numbers, not one a row
        return np.zeros(len(cells), dtype=bool)
    return np.array([isinstance(cell, str) and _is_statistic(cell) for cell in cells])


def _is_statistic(cell: str) -> bool:
    return _LETTER.search(cell) is not None and _words(_YEAR.sub("", cell)) in _STATISTICS


def _words(text: str) -> str:
    """Return a text in composed small letters, its words parted by single spaces; "" where it has digits.

    `Total 2` is one of several.
    """
    if re.search(r"\d", text):
        return ""
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", text).casefold()).strip()
