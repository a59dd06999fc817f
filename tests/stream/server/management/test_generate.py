"""The route that writes on from a stream."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def writing(new_server: Callable[..., Any], language_model: Any) -> Any:
    """A server of the language model."""
    return new_server(model=language_model)


def test_a_stream_writes_on_and_then_reads_what_it_wrote(writing: Any, language_model: Any) -> None:
    """It does not move, and the next text goes on behind what was sent."""
    writing.request("POST", "/streams/a/steps", {"n": 1, "x": "to be"})
    body = {"n": 7, "seed": 3, "temperature": 0.8, "top_k": 5, "top_p": 0.9}
    written = writing.request("POST", "/streams/a/generate", body).record
    settings = {"temperature": 0.8, "top_k": 5, "top_p": 0.9}
    assert written["text"] == language_model.generate("to be", 7, random_state=3, **settings)
    assert (written["stream"], written["last"]) == ("a", 5)
    assert writing.request("GET", "/streams/a").record["last"] == 5
    reply = writing.request("POST", "/streams/a/steps", {"n": 6, "x": written["x"]}).record
    best = language_model.predict_proba("to be" + written["text"])[-1].max()
    assert (reply["last"], reply["y"][-1][0][1]) == (12, best)


def test_a_new_stream_writes_from_the_beginning(writing: Any, language_model: Any) -> None:
    """And is not made by that."""
    written = writing.request("POST", "/streams/new/generate", {"n": 4, "seed": 0}).record
    assert written["text"] == language_model.generate("", 4, random_state=0)
    assert len(writing.request("POST", "/streams/new/generate").record["text"]) == 200
    assert writing.request("GET", "/streams/new").status == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"n": 0}, "n: "),
        ({"n": 1001}, "n: "),
        ({"temperature": 0}, "temperature: "),
        ({"top_p": 2}, "top_p: "),
        ({"top_k": 1.5}, "top_k: "),
        ({"seed": -1}, "seed: "),
        ({"more": 1}, "more: "),
        ([], "object"),
        (b"{", "JSON"),
        (b"\xff", ""),
    ],
)
def test_bad_settings_have_a_code(writing: Any, body: Any, words: str) -> None:
    """And name what is wrong."""
    response = writing.request("POST", "/streams/a/generate", body)
    assert (response.status, response.record["error"]) == (400, "bad_message")
    assert words in response.record["message"]


def test_other_models_write_nothing(served: Any) -> None:
    """The route is not there, in the document either."""
    assert served.request("POST", "/streams/a/generate", {"n": 1}).status == 404
    assert "/streams/{stream}/generate" not in served.request("GET", "/openapi.json").record["paths"]
