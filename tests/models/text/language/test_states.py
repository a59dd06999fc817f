"""States of a language model's streams: on the kernels, by torch elsewhere, and why there are none."""

import numpy as np
import pytest
import torch

from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.language.states import (
    LanguageStates,
    TorchLanguageStates,
    generating_states,
    readout_operands,
)

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")


def test_why_a_model_has_no_streams_is_said(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernels, and on another device."""
    assert model.why_not_streamable() == ""
    monkeypatch.setattr("unrolled.models.text.language.states.compiled", None)
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
    monkeypatch.setattr("unrolled.models.text.language.states.compiled", None)
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
