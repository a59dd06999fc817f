"""Traces of text: a token a step, with the answers of the stream."""

from typing import Any

import numpy as np
import pytest

from unrolled.errors import StreamError
from unrolled.stream.page.text_tracer import LanguageTracer, TextTracer
from unrolled.stream.serving import text


def test_a_trace_of_text_in_parts_equals_one(language_model: Any, text_classifier: Any) -> None:
    """From snapshot to snapshot; answers are those of the streams."""
    for tracer, parts in (
        (LanguageTracer(language_model, likeliest=3), ("to b", "e or")),
        (TextTracer(text_classifier), ("so funny", "a plot")),
    ):
        between = "" if isinstance(tracer, LanguageTracer) else " "
        whole, first = tracer(None, between.join(parts)), tracer(None, parts[0])
        second = tracer(first["snapshot"], parts[1])
        for key in ("y", "state", "input", "memory", "tokens"):
            assert first[key] + second[key] == whole[key]
        assert second["snapshot"] == whole["snapshot"]


def test_a_large_vocabulary_is_traced_in_parts(language_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same picture."""
    whole = LanguageTracer(language_model, likeliest=3)(None, "to be or")
    monkeypatch.setattr(text, "_MOST_NUMBERS", 3 * len(language_model.tokens_))
    assert LanguageTracer(language_model, likeliest=3)(None, "to be or") == whole


def test_answers_of_a_traced_language_model_are_its_likeliest_tokens(language_model: Any) -> None:
    """As a session encodes them."""
    traced = LanguageTracer(language_model, likeliest=3)(None, "to")
    assert traced["tokens"] == ["t", "o"]
    p = language_model.predict_proba("to")[1]
    assert [each for _, each in traced["y"][1]] == np.sort(p)[::-1][:3].tolist()


def test_facts_say_that_text_is_read(language_model: Any, text_classifier: Any) -> None:
    """And what is answered."""
    facts = LanguageTracer(language_model, likeliest=3).facts()
    assert (facts["reads"], facts["kind"], facts["networks"]) == ("text", "tokens", 1)
    facts = TextTracer(text_classifier).facts()
    assert (facts["kind"], facts["classes"], facts["networks"]) == ("classes", ["bad", "good"], 2)


@pytest.mark.parametrize("x", ["", "a " * 1001, [0.5]])
def test_a_text_that_cannot_be_traced_is_refused(text_classifier: Any, x: Any) -> None:
    """Empty, of more steps than the page shows, or none."""
    with pytest.raises(StreamError) as caught:
        TextTracer(text_classifier)(None, x)
    assert caught.value.code == "bad_input"
