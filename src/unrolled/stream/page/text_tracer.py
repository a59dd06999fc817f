"""Traces of streams of text for the page: a token a step, and of a language model the likeliest next ones."""

from __future__ import annotations

from typing import Any

from unrolled.models.streaming.streams import Streams
from unrolled.stream.page.tracer import Tracer
from unrolled.stream.serving.text import NextTokens, rows_at_once, text_reader


class _TokenTracer(Tracer):
    """Trace a text, a token a step, whose rows the streams of a model read."""

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self._read = text_reader(Streams(model, 1, digest=self._digest, **self._options))

    def facts(self) -> dict[str, Any]:
        """Describe the model, which reads text."""
        return super().facts() | {"reads": "text"}

    def _inputs(self) -> list[str]:
        return []

    def _rows(self, x: Any) -> Any:
        return self._read(x)


class TextTracer(_TokenTracer):
    """Trace a text through a TextClassifier or TextTagger; see `Tracer`.

    >>> import unrolled as ur
    >>> model = ur.TextClassifier(hidden_size=8, n_members=1, bidirectional=False, max_epochs=1)
    >>> tracer = TextTracer(model.fit(["so funny", "so dull"] * 4, ["good", "bad"] * 4))
    >>> traced = tracer(None, "a funny film")
    >>> traced["tokens"], len(traced["state"][0])
    (['a', 'funny', 'film'], 8)
    """

    def __call__(
        self, snapshot: str | None, x: Any, network: int = 0, start: str | None = None
    ) -> dict[str, Any]:
        """Trace a text; the record has its `tokens` too, which as x are the same steps."""
        traced = super().__call__(snapshot, x, network, start)
        tokens = [token.text for token in self._model.tokenizer_.split(x)] if isinstance(x, str) else list(x)
        return traced | {"tokens": tokens, "x": tokens}


class LanguageTracer(_TokenTracer):
    """Trace a text through a LanguageModel; answers are the likeliest next tokens.

    Args:
        model: a fitted LanguageModel.
        likeliest: tokens of an answer.
        options: as of `Tracer`.
    """

    def __init__(self, model: Any, *, likeliest: int, **options: Any) -> None:
        super().__init__(model, **options)
        self._likeliest = likeliest
        self._rows_at_once = rows_at_once(len(model.tokens_))

    def _columns(self, rows: Any) -> dict[str, Any]:
        positions = rows[:, 0].astype(int).tolist()
        return {"tokens": [self._model.codec_.piece(position) for position in positions], "x": positions}

    def _listed(self, answers: Any) -> Any:
        return NextTokens.of(answers, self._likeliest, self._model.tokens_).tolist()

    def _answers_of_model(self) -> tuple[str, list[str]]:
        return "tokens", []
