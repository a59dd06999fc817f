"""Text that a language model writes on from the state of a stream."""

from __future__ import annotations

from typing import Any

from unrolled.errors import StreamError, UnrolledError
from unrolled.models.text.language.stream import LanguageStream

MOST_TOKENS = 1000  # of one text


class Generator:
    """Write on from a snapshot of a stream, which does not move.

    Args:
        model: a fitted LanguageModel.
        digest: its hash.

    >>> import unrolled as ur
    >>> model = ur.LanguageModel(hidden_size=8, max_epochs=1).fit("to be or not to be " * 20)
    >>> written = Generator(model)(b"", 5, random_state=0)
    >>> len(written["text"]), len(written["x"])
    (5, 5)
    """

    def __init__(self, model: Any, digest: str | None = None) -> None:
        self._model, self._digest = model, digest

    def __call__(self, snapshot: bytes, n: int, **settings: Any) -> dict[str, Any]:
        """Write up to n tokens.

        Args:
            snapshot: state of the stream; empty for the one before the first token.
            n: tokens.
            settings: as of `LanguageStream.generate`.

        Returns:
            The text, and x, with which the stream is stepped to go on behind it.

        Raises:
            StreamError: a setting is out of range, or the snapshot is another model's.
        """
        stream = LanguageStream(self._model, self._model.stream_states(1), self._digest)
        try:
            if snapshot:
                stream.restore(snapshot)
        except UnrolledError as fault:
            raise StreamError(str(fault), "other_model") from fault
        try:
            written = stream.generate(n, **settings)
        except UnrolledError as fault:
            raise StreamError(str(fault)) from fault
        return {"text": written.text, "x": written.positions.tolist()}
