"""Spans and their tags in the IOB2 scheme, and scores of whole spans."""

import random

import numpy as np
import pytest

from unrolled.data.text.spans import (
    Span,
    allowed_transitions,
    check_tags,
    span_scores,
    spans_of_tags,
    tags_of_spans,
)
from unrolled.errors import DataError


def _random_spans(n_words: int, draw: random.Random) -> list[Span]:
    spans, start = [], 0
    while start < n_words:
        end = min(n_words, start + draw.randint(1, 3))
        if draw.random() < 0.5:
            spans.append(Span(start, end, draw.choice("XY")))
        start = end + draw.randint(0, 1)
    return spans


def test_spans_and_tags_are_two_forms_of_one_thing() -> None:
    """There and back, neighbours of one label included."""
    draw = random.Random(0)
    for n_words in range(12):
        for _ in range(20):
            spans = _random_spans(n_words, draw)
            tags = tags_of_spans(spans, n_words)
            check_tags(tags, "spans")
            assert spans_of_tags(tags) == spans


@pytest.mark.parametrize(
    ("spans", "sentence"),
    [
        ([Span(1, 1, "X")], "y: expected spans within 4 words, each at least one long, got 1 to 1"),
        ([Span(2, 5, "X")], "y: expected spans within 4 words"),
        ([Span(0, 2, "X"), Span(1, 3, "Y")], "y: expected spans that do not overlap, got one more at 1 to 3"),
    ],
)
def test_spans_that_do_not_fit_are_refused(spans: list[Span], sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(DataError, match=sentence):
        tags_of_spans(spans, 4, "y")


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        (["I-X"], "y, word 0: expected B-X or I-X before I-X, got the start"),
        (["B-X", "I-Y"], "y, word 1: expected B-Y or I-Y before I-Y, got B-X"),
        (["O", "noun"], "y, word 1: expected a tag O, B-... or I-..., got 'noun'"),
        (["B-"], "y, word 0: expected a tag O, B-... or I-..., got 'B-'"),
    ],
)
def test_tags_that_break_the_scheme_are_named_by_their_word(tags: list[str], sentence: str) -> None:
    """With the way out."""
    with pytest.raises(DataError) as fault:
        check_tags(tags, "y")
    assert str(fault.value).startswith(sentence)


def test_transitions_allow_exactly_what_the_check_allows() -> None:
    """Every pair of tags, and every tag at the start."""
    tags = ["B-X", "B-Y", "I-X", "I-Y", "O"]
    first, follow = allowed_transitions(tags)

    def passes(*sentence: str) -> bool:
        try:
            check_tags(sentence, "y")
        except DataError:
            return False
        return True

    assert first.tolist() == [passes(tag) for tag in tags]
    for k, before in enumerate(tags):
        start = [f"B-{before[2:]}"] if before.startswith("I-") else []
        assert follow[k].tolist() == [passes(*start, before, tag) for tag in tags]


def test_scores_are_those_of_nervaluate() -> None:
    """Its strict measure: start, end and label."""
    nervaluate = pytest.importorskip("nervaluate")
    draw = random.Random(1)
    true, found = ([_random_spans(10, draw) for _ in range(30)] for _ in range(2))
    found[:15] = [[*spans[:-1]] for spans in true[:15]]
    results = nervaluate.Evaluator(
        [tags_of_spans(spans, 10) for spans in true],
        [tags_of_spans(spans, 10) for spans in found],
        tags=["X", "Y"],
        loader="list",
    ).evaluate()
    strict = results["overall"]["strict"]
    expected = (strict.precision, strict.recall, strict.f1)
    np.testing.assert_allclose(span_scores(true, found), expected)


def test_nothing_right_scores_zero() -> None:
    """And so does nothing found."""
    assert span_scores([[(0, 1, "X")]], [[]]) == (0, 0, 0)
    assert span_scores([[]], [[(0, 1, "X")]]) == (0, 0, 0)
