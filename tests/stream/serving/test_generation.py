"""Text written on from a snapshot: that of the library's stream."""

from typing import Any

import pytest

from unrolled.errors import StreamError
from unrolled.stream.serving.generation import Generator


def test_a_text_goes_on_from_a_snapshot(language_model: Any) -> None:
    """As the model writes after that prompt; without a snapshot from the beginning."""
    stream, generator = language_model.stream(), Generator(language_model)
    stream.steps("to be")
    written = generator(stream.snapshot(), 12, temperature=0.5, random_state=4)
    assert written["text"] == language_model.generate("to be", 12, temperature=0.5, random_state=4)
    assert language_model.codec_.decode(written["x"]) == written["text"]
    first = generator(b"", 3, random_state=1)["text"]
    assert first == language_model.generate("", 3, random_state=1)


@pytest.mark.parametrize(
    ("snapshot", "settings", "code"),
    [
        (b"none", {}, "other_model"),
        (b"", {"temperature": -1.0}, "bad_input"),
        (b"", {"top_k": 0}, "bad_input"),
    ],
)
def test_what_cannot_be_written_has_a_code(
    language_model: Any, snapshot: bytes, settings: dict[str, Any], code: str
) -> None:
    """And a sentence."""
    with pytest.raises(StreamError) as caught:
        Generator(language_model)(snapshot, 3, **settings)
    assert caught.value.code == code
