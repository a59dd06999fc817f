"""Spans of words and their tags in the IOB2 scheme: B-X begins a span X, I-X goes on, O is outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

Mask = NDArray[np.bool_]

OUTSIDE = "O"


class Span(NamedTuple):
    """Words `start` to `end`, the latter not counted, with a label."""

    start: int
    end: int
    label: str


class SpanScores(NamedTuple):
    """Shares of spans that are right: of those predicted, of those there are, and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def spans_of_tags(tags: Sequence[str]) -> list[Span]:
    """Read the spans of tags, which follow the scheme.

    >>> spans_of_tags(["B-PER", "I-PER", "O", "B-PER", "B-LOC"])
    [Span(start=0, end=2, label='PER'), Span(start=3, end=4, label='PER'), Span(start=4, end=5, label='LOC')]
    """
    spans: list[Span] = []
    for position, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if prefix == "B":
            spans.append(Span(position, position + 1, label))
        elif prefix == "I":
            spans[-1] = spans[-1]._replace(end=position + 1)
    return spans


def tags_of_spans(spans: Iterable[Span], n_words: int, place: str = "spans") -> list[str]:
    """Write spans as tags.

    Raises:
        DataError: a span is empty, reaches beyond the words or overlaps another.

    >>> tags_of_spans([Span(1, 3, "LOC")], 4)
    ['O', 'B-LOC', 'I-LOC', 'O']
    """
    tags = [OUTSIDE] * n_words
    for start, end, label in spans:
        if not 0 <= start < end <= n_words:
            raise DataError(
                f"{place}: expected spans within {n_words} words, each at least one long, got {start} to "
                f"{end}."
            )
        if any(tag != OUTSIDE for tag in tags[start:end]):
            raise DataError(
                f"{place}: expected spans that do not overlap, got one more at {start} to {end}. Keep one."
            )
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def check_tags(tags: Sequence[str], place: str) -> None:
    """Pass if the tags of a sentence follow the scheme.

    Raises:
        DataError: one does not; the message names its word.

    >>> check_tags(["O", "I-PER"], "sentence 4")
    Traceback (most recent call last):
    unrolled.errors.DataError: sentence 4, word 1: expected B-PER or I-PER before I-PER, got O. ...
    """
    before = OUTSIDE
    for position, tag in enumerate(tags):
        prefix, _, label = str(tag).partition("-")
        if tag != OUTSIDE and (prefix not in {"B", "I"} or not label):
            raise DataError(
                f"{place}, word {position}: expected a tag O, B-... or I-..., got {tag!r}. Give scheme=None "
                "for tags that mark no spans."
            )
        if prefix == "I" and before not in {f"B-{label}", f"I-{label}"}:
            got = before if position else "the start"
            raise DataError(
                f"{place}, word {position}: expected B-{label} or I-{label} before {tag}, got {got}. Begin "
                f"every span with B-{label}."
            )
        before = str(tag)


def allowed_transitions(tags: Sequence[str]) -> tuple[Mask, Mask]:
    """Tell which tags may come first (K,), and which may follow which (K, K), the earlier in rows.

    >>> first, follow = allowed_transitions(["B-X", "I-X", "O"])
    >>> first.tolist(), follow[:, 1].tolist()
    ([True, False, True], [True, True, False])
    """
    first = np.array([not tag.startswith("I-") for tag in tags], dtype=bool)
    follow = np.ones((len(tags), len(tags)), dtype=bool)
    for k, tag in enumerate(tags):
        if tag.startswith("I-"):
            follow[:, k] = [before in {tag, f"B-{tag[2:]}"} for before in tags]
    return first, follow


def span_scores(
    expected: Iterable[Iterable[tuple[int, int, str]]], predicted: Iterable[Iterable[tuple[int, int, str]]]
) -> SpanScores:
    """Score spans over all sentences: one counts where start, end and label are all right.

    F1 is 2 P R / (P + R), 0 where there is nothing right. Source: Tjong Kim Sang and De Meulder,
    Introduction to the CoNLL-2003 Shared Task (2003).

    >>> span_scores([[(0, 2, "PER"), (3, 4, "LOC")]], [[(0, 2, "PER"), (3, 4, "PER")]])
    SpanScores(precision=0.5, recall=0.5, f1=0.5)
    """
    n_right = n_expected = n_predicted = 0
    for true, found in zip(expected, predicted, strict=True):
        true_spans, found_spans = {tuple(span[:3]) for span in true}, {tuple(span[:3]) for span in found}
        n_right += len(true_spans & found_spans)
        n_expected += len(true_spans)
        n_predicted += len(found_spans)
    precision = n_right / n_predicted if n_predicted else 0.0
    recall = n_right / n_expected if n_expected else 0.0
    f1 = 2 * precision * recall / (precision + recall) if n_right else 0.0
    return SpanScores(precision, recall, f1)
