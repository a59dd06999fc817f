"""Streams of a language model: the bits of the whole run, a state that is a value, and what is no token."""

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.language.stream import (
    LanguageStates,
    LanguageStream,
    TorchLanguageStates,
    generating_states,
    readout_operands,
)

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


def test_why_a_model_has_no_streams_is_said(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernels, and on another device."""
    assert model.why_not_streamable() == ""
    monkeypatch.setattr("unrolled.models.text.language.stream.compiled", None)
    with pytest.raises(ArgumentError, match="compiled kernels, which are missing"):
        model.stream()
    monkeypatch.undo()
    monkeypatch.setattr(model, "device", "cuda")
    assert "Load it with device='cpu'" in LanguageStates.why_not_streamable(model)


def test_the_projection_is_multiplied_into_the_readout(documents_model: LanguageModel) -> None:
    """One product of the outputs gives the logits of both."""
    network = documents_model.networks_[0]
    outputs = torch.randn(3, 24)
    _, _, weight, bias = readout_operands(network)
    tied, tied_bias = network.readout
    torch.testing.assert_close(
        outputs @ weight.t() + bias, network.projection(outputs) @ tied.t() + tied_bias
    )


@pytest.mark.parametrize("name", ["model", "documents_model"])
def test_torch_steps_what_the_kernels_cannot(
    name: str, unseen: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, completions and distributions are the same up to rounding, streams of unlike lengths too."""
    model: LanguageModel = request.getfixturevalue(name)

    def answers() -> list[object]:
        completions = model.complete("the ", n=3)
        return [
            model.predict_proba(unseen[:20]),
            model.generate("the", 30, top_k=1),
            model.generate("", 5, top_k=1),
            [each.text for each in completions],
            [each.probability for each in completions],
        ]

    expected = answers()
    monkeypatch.setattr("unrolled.models.text.language.stream.compiled", None)
    assert isinstance(generating_states(model, 2), TorchLanguageStates)
    got = answers()
    assert got[1:4] == expected[1:4]
    for k in (0, 4):
        assert np.asarray(got[k]) == pytest.approx(np.asarray(expected[k]), abs=1e-5)
    states = TorchLanguageStates(model, 3)
    positions = model.codec_.encode(unseen[:5]).positions[:, None].astype(np.float64)
    uneven = states.step(positions, np.array([2, 0]), np.array([3, 2]))
    assert uneven[:3] == pytest.approx(got[0][:3], abs=1e-5)
    assert states.arrays["steps"].tolist() == [3, 0, 4]
    assert states.next_tokens(2) == pytest.approx(uneven[2], abs=1e-5)
