"""Sections of reports on texts: how many there are, a few of each class, what their words count for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from unrolled.formatting import as_sentence, number, quantity, shortened
from unrolled.report.html.markup import definition_list, paragraph, section, table, tinted_words
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
    classes = f", {len(data.classes):,} classes" if len(data.labels) else ""
    return f"{quantity(len(data.texts), 'text')} of {span} words{classes}"


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
        such = " · ".join(shortened(text, _MOST_CHARACTERS) for text in examples[:_SHOWN])
        rows.append((name, f"{counts[name]:,}", such))
    shown = table("The first texts of each class", ("Class", "Texts", "Such as"), rows, ends_in_text=True)
    many = len(data.classes) > _MOST_CLASSES
    lead = f"{_MOST_CLASSES} of {len(data.classes):,} classes are shown." if many else ""
    notes = [paragraph(f"On reading: {as_sentence(note)}", "aside") for note in data.notes]
    return section("What the data looks like", lead, [definition_list("facts", facts), *notes, shown])


def tinted_texts(influence: Any) -> str:
    """Texts whose words are tinted by what each counts for in the answer, that answer above each.

    Args:
        influence: a record of kind "influence" with one answer a text.
    """
    strongest = max(float(abs(each).max()) for each in influence.influence) or 1.0
    parts = []
    for words, answers, values in zip(influence.words, influence.answers, influence.influence, strict=True):
        added = values[0].tolist()
        hints = [f"{'+' if value > 0 else ''}{number(value, 2)}" for value in added]
        parts += [
            paragraph(f"{answers[0]}:", "aside"),
            tinted_words(words, [value / strongest for value in added], hints),
        ]
    return "\n".join(parts)


def _words(data: TextData) -> list[int]:
    return [len(text.split()) for text in data.texts]
