"""Modules that look up tokens: in any form, with gradients by the vectors."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled import ArgumentError, DataError, probe
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.tokens import TokenCall


class Words(nn.Module):
    """Looks tokens up, in the form that it is made for."""

    def __init__(self, form: str = "indices", *, time_first: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.form, self.time_first = form, time_first
        self.embed, self.rnn = nn.Embedding(20, 6), nn.GRU(6, 5, batch_first=not time_first)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "indices":
            assert x.ndim == 2
        if self.form != "floats":
            assert not x.is_floating_point()
        if self.form != "indices":
            x = x[..., 0].long()
        return self.answer(x)

    def answer(self, tokens: Tensor) -> Tensor:
        """(B, K) of tokens (B, T)."""
        states = self.rnn(self.embed(tokens.transpose(0, 1) if self.time_first else tokens))[0]
        return self.head(states[-1] if self.time_first else states[:, -1])


X = np.random.default_rng(0).integers(0, 20, size=(40, 8))
RAGGED = [row[: 3 + k % 5] for k, row in enumerate(X)]
Y = (X[:, -1] > 9).astype(int)


@pytest.mark.parametrize("form", ["indices", "columns", "floats"])
@pytest.mark.parametrize("time_first", [False, True])
def test_tokens_are_looked_up_as_the_module_reads_them(form: str, *, time_first: bool) -> None:
    """Outputs are the module's own, and the vectors stand beside the tokens."""
    module = Words(form, time_first=time_first)
    probed = as_probed_model(module, X, Y)
    assert isinstance(probed.call, TokenCall)
    assert probed.values.shape == (40, 8, 7)
    expected = module.answer(torch.tensor(X)).log_softmax(-1)
    assert torch.allclose(probed.outputs(), expected, atol=1e-6)


@pytest.mark.parametrize("token", [20, -1, 500])
@pytest.mark.parametrize("row", [0, 7])
def test_a_token_beyond_the_embedding_is_named(token: int, row: int) -> None:
    """In a row that the module is tried on, and in another."""
    strange = [each.copy() for each in RAGGED]
    strange[row][1] = token
    with pytest.raises(
        DataError, match=rf"tokens from 0 to 19, which the Words's embedding has; got {token}\."
    ):
        probe.memory(Words(), strange)


def test_every_probe_of_the_model_takes_tokens() -> None:
    """Of different lengths too; influence is that of the vectors, whose gradient is not blocked."""
    module = Words()
    result = probe.memory(module, RAGGED)
    assert result.gradient[0] > 0
    assert probe.gradients(module, X, Y).sentence
    assert probe.states(module, RAGGED).state.shape == (sum(map(len, RAGGED)), 5)
    assert probe.length(module, X, Y, lengths=[8, 16]).rows[1].length == 16
    assert probe.order(module, RAGGED, Y, repeats=19, retrain=False).sequences == 40
    with pytest.raises(ArgumentError, match="looks up tokens"):
        probe.feedforward(module, X, Y)


def test_a_gradient_by_a_vector_is_the_derivative() -> None:
    """Against a loop: the influence k steps back from gradients by the embedded vectors."""
    module, rows = Words(), torch.tensor(X)
    vectors = module.embed(rows).detach().requires_grad_()
    logits = module.head(module.rnn(vectors)[0][:, -1])
    odds = (logits[:, 1] - logits[:, 0]) * torch.where(logits[:, 1] > logits[:, 0], 1, -1)
    (gradient,) = torch.autograd.grad(odds.sum(), vectors)
    scale = vectors.detach().double().flatten(0, 1).std(0, correction=0)
    expected = (gradient.double() * scale).square().sum(-1).mean(0).sqrt().flip(0)
    np.testing.assert_allclose(probe.memory(module, X).gradient, expected.numpy(), rtol=1e-5)


def test_a_retrained_embedding_learns() -> None:
    """Order retrains on tokens: labels that only the embedding can tell are learned."""
    y = (X == 3).any(1).astype(int)
    result = probe.order(Words(), np.tile(X, (2, 1)), np.tile(y, 2), repeats=19, folds=3)
    assert result.retrained is not None
    assert result.retrained.accuracies[0] > 0.9


def test_numbers_are_no_tokens() -> None:
    """An embedding of something else, decimals, or negative numbers leave the input as it is."""

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place, self.rnn = nn.Embedding(9, 1), nn.RNN(1, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.rnn(x + self.place(torch.arange(x.shape[1])))[0][:, -1]

    for values in (X[:, :5], X[:, :5] + 0.5, X[:, :5] - 30):
        assert not isinstance(as_probed_model(Positions(), values).call, TokenCall)
