"""Sections of the classification report on texts: how many there are, and a few of each class."""

from __future__ import annotations

from collections import Counter

from unrolled.formatting import as_sentence, quantity
from unrolled.report.html.markup import definition_list, paragraph, section, table
from unrolled.report.records import TextData

_MOST_CLASSES = 12  # of which texts are shown
_SHOWN = 3  # texts of each
_MOST_CHARACTERS = 160


def texts_extent(data: TextData) -> str:
    """Describe the amount of data.

    >>> import numpy as np
    >>> texts_extent(TextData("a.csv", ["so good", "bad"], np.array(["x", "y"])))
    '2 texts of 1 to 2 words, 2 classes'
    """
    words = _words(data)
    span = f"{min(words):,}" if min(words) == max(words) else f"{min(words):,} to {max(words):,}"
    return f"{quantity(len(data.texts), 'text')} of {span} words, {len(data.classes):,} classes"


def texts_section(data: TextData) -> str:
    """Section on the data: texts of each class, counted, and the first few of them."""
    counts = Counter(data.labels.tolist())
    words = sorted(_words(data))
    facts = (
        ("Texts", f"{len(data.texts):,}"),
        ("Words in each", f"{words[0]:,} to {words[-1]:,}, half of them up to {words[len(words) // 2]:,}"),
        ("Classes", f"{len(counts):,}"),
    )
    rows = []
    for name in data.classes[:_MOST_CLASSES]:
        examples = [text for text, label in zip(data.texts, data.labels, strict=True) if label == name]
        rows.append((name, f"{counts[name]:,}", " · ".join(map(_shortened, examples[:_SHOWN]))))
    shown = table("The first texts of each class", ("Class", "Texts", "Such as"), rows)
    many = len(data.classes) > _MOST_CLASSES
    lead = f"{_MOST_CLASSES} of {len(data.classes):,} classes are shown." if many else ""
    notes = [paragraph(f"On reading: {as_sentence(note)}", "aside") for note in data.notes]
    return section("What the data looks like", lead, [definition_list("facts", facts), *notes, shown])


def _words(data: TextData) -> list[int]:
    return [len(text.split()) for text in data.texts]


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MOST_CHARACTERS else f"{flat[: _MOST_CHARACTERS - 3]}..."
