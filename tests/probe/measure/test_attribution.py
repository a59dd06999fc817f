"""Attributions equal slow loops over steps, by gradients and by occlusion."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.nn import GRU, LSTM, RNN
from unrolled.probe.memory_probe import memory

from ..conftest import Net  # noqa: TID252 (the tests are no package)


def slow_influence(net: nn.Module, X: list[Tensor]) -> np.ndarray:
    """(K,) root mean square of the answer's derivative, by differences, sequence after sequence."""
    scale, each = torch.cat(X).std(0, correction=0), [[] for _ in range(max(map(len, X)))]
    for x in X:
        for k in range(len(x)):
            square = 0.0
            for f in range(x.shape[1]):
                up, down = x.clone(), x.clone()
                up[-1 - k, f] += 1e-4
                down[-1 - k, f] -= 1e-4
                slope = (net(up[None]) - net(down[None])).item() / 2e-4
                square += (slope * scale[f].item()) ** 2
            each[k].append(square)
    return np.sqrt([np.mean(squares) for squares in each])


@pytest.mark.parametrize(
    "layer",
    [
        RNN(3, 4, batch_first=True, nonlinearity="sigmoid"),
        GRU(3, 4, batch_first=True, num_layers=2),
        LSTM(3, 4, batch_first=True, bidirectional=True),
        nn.LSTM(3, 4, batch_first=True, num_layers=2),
    ],
)
def test_gradients_are_those_of_a_slow_loop(layer: nn.Module) -> None:
    """Ragged, with three features of different scales, k counted from each row's own end."""
    net = Net(layer).double()
    X = [torch.randn(T, 3, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1]) for T in (5, 2, 7, 5, 1)]
    result = memory(net, [x.numpy() for x in X])
    assert result.sequences.tolist() == [5, 4, 3, 3, 3, 1, 1]
    assert result.gradient == pytest.approx(slow_influence(net, X), rel=1e-5, abs=1e-10)


def test_occlusion_is_that_of_a_slow_loop() -> None:
    """Of two sequences each takes the other's step; where one alone is so long, the mean of all."""
    net = Net(GRU(2, 4, batch_first=True)).double()
    a, b = torch.randn(3, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    result = memory(net, [a.numpy(), b.numpy()])
    mean, expected = torch.cat([a, b]).mean(0), []
    for k in range(5):
        squares = []
        for sequence, other in ((a, b), (b, a)):
            if k < len(sequence):
                changed = sequence.clone()
                changed[-1 - k] = other[-1 - k] if k < len(other) else mean
                squares.append((net(changed[None]) - net(sequence[None])).item() ** 2)
        expected.append(np.sqrt(np.mean(squares) / (2 if len(squares) == 2 else 1)))
    assert result.occlusion == pytest.approx(np.array(expected))


def test_influence_on_a_class_is_that_on_its_log_odds() -> None:
    """Of the class answered; of the right one where y is given. For two classes that is a difference."""
    net, X = Net(RNN(1, 4, batch_first=True), answers=3), torch.randn(30, 6, 1)
    values = X.clone().requires_grad_()
    logits = net(values)
    for y in (None, torch.randint(3, (30,))):
        chosen = logits.argmax(-1) if y is None else y
        odds = [row[c] - torch.cat([row[:c], row[c + 1 :]]).logsumexp(0) for row, c in zip(logits, chosen)]  # noqa: B905
        (gradient,) = torch.autograd.grad(sum(odds), values, retain_graph=True)
        expected = (gradient[..., 0] * X.std(correction=0)).square().mean(0).sqrt().flip(0)
        assert memory(net, X, y).gradient == pytest.approx(expected.numpy(), rel=1e-4)


def test_influences_on_several_numbers_add_up() -> None:
    """Random signs find the Frobenius norm of the Jacobian, on average."""
    net, X = Net(GRU(1, 4, batch_first=True), answers=5), torch.randn(900, 4, 1)
    y = torch.randn(900, 5)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: net(x[None])[0]))(X)  # (900, 5, 4, 1)
    expected = (jacobian * X.std()).square().sum((1, 3)).mean(0).sqrt().flip(0)
    assert memory(net, X, y.numpy()).gradient == pytest.approx(expected.detach().numpy(), rel=0.1)


class Fading(Net):
    """Reads every state, the newer the more, and looks one step back at most."""

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        return self.head((states * 0.5 ** torch.arange(x.shape[1]).flip(0)[:, None]).sum(1))


def test_a_fading_readout_is_not_memory() -> None:
    """Its influence has a half-life, which is not the recurrence's, and is not given."""
    result = memory(Fading(GRU(1, 8, batch_first=True)), torch.randn(50, 20, 1))
    assert result.gradient[10] < result.gradient[0] / 10
    assert result.pooled
    assert result.half_life is None


class BothEnds(Net):
    """Reads each direction where it ends."""

    def forward(self, x: Tensor) -> Tensor:
        states, H = self.layer(x)[0], self.layer.hidden_size
        return self.head(torch.cat([states[:, -1, :H], states[:, 0, H:]], 1))


def test_the_last_state_is_where_each_direction_ends() -> None:
    """The reverse one ends at step 0; read elsewhere, it is as good as pooled."""
    layer = GRU(1, 4, batch_first=True, bidirectional=True)
    X = torch.randn(9, 6, 1)
    assert not memory(BothEnds(layer), X).pooled
    assert memory(Net(layer), X).pooled


def test_long_sequences_are_occluded_at_some_steps() -> None:
    """All near ones, and ever fewer far ones up to the first; the frame has NaN between them."""
    result = memory(Net(GRU(1, 2, batch_first=True)), torch.randn(6, 300, 1))
    requested = np.flatnonzero(np.isfinite(result.occlusion))
    assert requested[:33].tolist() == list(range(33))
    assert requested[-1] == 299
    assert len(requested) <= 64
    assert np.isfinite(result.gradient).all()
