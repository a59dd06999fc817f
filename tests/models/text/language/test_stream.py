"""Streams of a language model: the bits of the whole run, a state that is a value, and what is no token."""

import numpy as np
import pytest

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.language.stream import LanguageStream

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")


@pytest.mark.parametrize("name", ["model", "documents_model"])
def test_a_stream_equals_the_whole_run_to_the_bit(
    name: str, unseen: str, request: pytest.FixtureRequest
) -> None:
    """However the text is cut into calls; and peek is the last answer."""
    model: LanguageModel = request.getfixturevalue(name)
    whole = model.predict_proba(unseen[:60])
    stream = model.stream()
    parts = [stream.steps(unseen[:7]), stream.step(unseen[7])[None], stream.steps(unseen[8:60])]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(stream.peek(), whole[-1])
    assert stream.n_steps == 60
    assert repr(stream) == "LanguageModel stream after 60 steps"


def test_peek_leaves_the_state_where_it_is(model: LanguageModel) -> None:
    """Before the first token it is the distribution of the first; with a token that of the next."""
    stream = model.stream()
    begin = stream.peek()
    assert begin.sum() == pytest.approx(1)
    assert stream.n_steps == 0
    after = stream.peek("t")
    assert np.array_equal(stream.step("t"), after)
    assert not np.array_equal(after, begin)
    stream.reset()
    assert np.array_equal(stream.peek(), begin)


def test_the_state_is_a_value(model: LanguageModel, unseen: str) -> None:
    """Taken out, put back, in another stream too, and as bytes of this model alone."""
    stream = model.stream()
    stream.steps(unseen[:30])
    state, blob = stream.state, stream.snapshot()
    expected = stream.steps(unseen[30:50])
    stream.state = state
    assert np.array_equal(stream.steps(unseen[30:50]), expected)
    again = model.stream(blob)
    assert isinstance(again, LanguageStream)
    assert np.array_equal(again.steps(unseen[30:50]), expected)
    with pytest.raises(DataError, match="got one of another"):
        LanguageModel(hidden_size=4, max_epochs=1).fit(unseen[:200]).stream(blob)


def test_many_streams_of_positions_are_stepped_together(model: LanguageModel, unseen: str) -> None:
    """Each as alone, whether it has begun or not."""
    streams = ur.Streams(model, capacity=4)
    a, b = (model.codec_.encode(part).positions for part in (unseen[:20], unseen[20:31]))
    first = streams.steps({"a": a[:5]})
    both = streams.steps({"a": a[5:], "b": b})
    assert np.array_equal(np.concatenate([first["a"], both["a"]]), model.predict_proba(unseen[:20]))
    assert np.array_equal(both["b"], model.predict_proba(unseen[20:31]))


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ("the", "expected one token, got 'the', which is 3"),
        ("", "expected one token, got '', which is 0"),
        (1.5, "expected positions from 0 to"),
        (10_000, "expected positions from 0 to"),
        (-1, "expected positions from 0 to"),
        (None, "expected numbers"),
    ],
)
def test_what_is_no_token_is_refused(model: LanguageModel, x: object, sentence: str) -> None:
    """And the state has not moved."""
    stream = model.stream()
    with pytest.raises(DataError, match=sentence):
        stream.step(x)
    assert stream.n_steps == 0


def test_an_empty_text_moves_nothing(model: LanguageModel) -> None:
    """No step, no answer."""
    stream = model.stream()
    assert stream.steps("").shape == (0, len(model.tokens_))
    assert np.array_equal(stream.peek(), model.stream().peek())


def test_many_streams_take_texts(model: LanguageModel, unseen: str) -> None:
    """And the rows that they are converted to; a position that is none is refused."""
    streams = ur.Streams(model, capacity=2)
    rows = streams.rows(unseen[:9])
    answers = streams.steps({"a": unseen[:9], "b": rows})
    assert np.array_equal(answers["a"], answers["b"])
    with pytest.raises(DataError, match="expected positions from 0 to"):
        streams.rows([0, 10_000])


@pytest.mark.parametrize("name", ["model", "documents_model"])
def test_a_stream_writes_on_as_the_model_does(name: str, request: pytest.FixtureRequest) -> None:
    """From the same seed, without moving; stepping the positions reads what was written."""
    model: LanguageModel = request.getfixturevalue(name)
    stream, settings = model.stream(), {"temperature": 0.7, "top_k": 9, "top_p": 0.9, "random_state": 3}
    for prompt in ("", "the "):
        stream.steps(prompt)
        before = stream.snapshot()
        written = stream.generate(12, **settings)
        assert written.text == model.generate(prompt, 12, **settings)
        assert stream.snapshot() == before
    assert model.codec_.decode(written.positions) == written.text
    assert len(stream.steps(written.positions)) == len(written.positions)


@pytest.mark.parametrize(
    "settings", [{"n": 0}, {"temperature": 0}, {"top_k": 0}, {"top_p": 1.5}, {"random_state": "a"}]
)
def test_settings_of_what_is_written_are_checked(model: LanguageModel, settings: dict[str, object]) -> None:
    """As those of the model's."""
    with pytest.raises(ArgumentError, match=next(iter(settings))):
        model.stream().generate(**settings)
