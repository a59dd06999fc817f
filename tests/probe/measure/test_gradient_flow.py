"""Gradient norms and shares equal a slow loop with torch's own cells."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.nn import GRU, LSTM, RNN
from unrolled.probe.gradients_probe import gradients

from ..conftest import Net  # noqa: TID252 (the tests are no package)


def slow_norms(net: nn.Module, X: list[Tensor], y: list[float], K: int) -> tuple[np.ndarray, np.ndarray]:
    """Norms of the loss gradient and shares, with torch's own cells, one sequence after the other."""
    layer = net.layer
    kind = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}[type(layer).__name__]
    cell = kind(layer.input_size, layer.hidden_size).double()
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    norms, shares = [[] for _ in range(K)], [[] for _ in range(K)]
    for x, target in zip(X, y, strict=True):
        state = torch.zeros(1, layer.hidden_size, dtype=torch.float64)
        state = (state, state.clone()) if kind is nn.LSTMCell else state
        path, hidden = [], []
        for step in x:
            state = cell(step[None], state)
            if isinstance(state, tuple):  # clones, so that h_t is no function of the c_t that is carried on
                state = tuple(part.clone() for part in state)
            path.append(state if isinstance(state, tuple) else (state,))
            hidden.append(path[-1][0])
        read = hidden[-1] if net.pooling == "last" else torch.stack(hidden).mean(0)
        loss = ((net.head(read) - target) ** 2).sum()
        every = [part for parts in path for part in parts]
        result = by_state(loss, every, len(path[0]))
        unit = torch.autograd.grad(loss, path[-1], retain_graph=True, allow_unused=True)
        unit = [torch.zeros_like(p) if g is None else g for g, p in zip(unit, path[-1], strict=True)]
        size = torch.cat(unit).norm()
        handed = by_state(
            sum((p * g / size).sum() for p, g in zip(path[-1], unit, strict=True)), every, len(unit)
        )
        for k in range(len(x)):
            norms[k].append(result[-1 - k])
            shares[k].append(handed[-1 - k])
    return np.array([np.mean(each) for each in norms]), np.array([np.mean(each) for each in shares])


def by_state(value: Tensor, every: list[Tensor], width: int) -> list[float]:
    """Norms of the gradients by the states, all parts of one together."""
    result = torch.autograd.grad(value, every, retain_graph=True, allow_unused=True)
    result = [torch.zeros_like(p) if g is None else g for g, p in zip(result, every, strict=True)]
    return [torch.cat(result[k : k + width]).norm().item() for k in range(0, len(result), width)]


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("layer", [RNN, GRU, LSTM, nn.RNN, nn.GRU, nn.LSTM])
def test_norms_are_those_of_a_slow_loop(layer: type, pooling: str) -> None:
    """Ragged, float64: norms of the loss gradient, and what the recurrence hands back, whatever is pooled."""
    net = Net(layer(2, 5, batch_first=True), pooling=pooling).double()
    X = [torch.randn(T, 2, dtype=torch.float64) for T in (6, 2, 9, 6, 1)]
    y = np.array([0.3, -1.0, 2.0, 0.5, 1.0])
    result = gradients(net, [x.numpy() for x in X], y)
    norms, shares = slow_norms(net, X, y, 9)
    assert result.sequences.tolist() == [5, 4, 3, 3, 3, 3, 1, 1, 1]
    assert result.layers[0].norm == pytest.approx(norms)
    assert result.layers[0].share == pytest.approx(shares)
