"""Alignment: from which source tokens each token of a translation was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.record import Record

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment(Record):
    """Weights of attention between a text and its translation.

    Attention says what a step read, which is often, but not always, the word that it translates.

    Args:
        source: S tokens of the text.
        target: T tokens of the translation.
        weights: (T, S) each row sums to 1.
        translation: as text.

    >>> alignment = Alignment(("ein", "Hund"), ("a", "dog"), np.array([[0.9, 0.1], [0.2, 0.8]]), "a dog")
    >>> alignment.links
    (('a', 'ein'), ('dog', 'Hund'))
    """

    kind: ClassVar[str] = "alignment"

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: Floats
    translation: str

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Each token of the translation with the source token of the largest weight."""
        best = self.weights.argmax(1).tolist()
        return tuple((token, self.source[k]) for token, k in zip(self.target, best, strict=True))

    @property
    def sentence(self) -> str:
        """The translation, with the source token behind each of its tokens."""
        return ", ".join(f"{token} < {origin}" for token, origin in self.links) + "."

    def to_frame(self) -> Any:
        """Return a row for each token of the translation, a column for each source token."""
        import pandas as pd  # noqa: PLC0415 (a frame is the only thing here that needs it)

        columns: dict[str, Any] = {"target": list(self.target)}
        for k, token in enumerate(self.source):
            columns[token if token not in columns else f"{token} ({k + 1})"] = self.weights[:, k]
        return pd.DataFrame(columns)
