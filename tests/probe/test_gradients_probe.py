"""Whether gradients survive, on networks where it is known."""

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.nn import GRU, LSTM, RNN
from unrolled.nn.layers import base
from unrolled.probe.gradients_probe import gradients
from unrolled.probe.model.adapter import as_probed_model


class Net(nn.Module):
    """A layer and a linear readout of its last state, or of their mean."""

    def __init__(self, layer: nn.Module, pooling: str = "last") -> None:
        super().__init__()
        self.layer, self.pooling = layer, pooling
        self.head = nn.Linear(layer.hidden_size * (1 + layer.bidirectional), 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        return self.head(states[:, -1] if self.pooling == "last" else states.mean(1))


def started(layer: nn.Module, gain: float) -> nn.Module:
    """With orthogonal recurrent weights times a gain."""
    nn.init.orthogonal_(layer.weight_hh_l0)
    layer.weight_hh_l0.data *= gain
    return layer


def data(N: int = 40, T: int = 25, F: int = 2) -> tuple[Tensor, Tensor]:
    """Sequences of noise, and a number each."""
    X = torch.randn(N, T, F)
    return X, X[:, 0, 0]


@pytest.mark.parametrize("T", [8, 25, 100])
@pytest.mark.parametrize("kind", [RNN, nn.RNN])
def test_a_relu_network_made_to_explode_is_called_so(kind: type, T: int) -> None:
    """Positive recurrent weights with a spectral radius of 1.6: nothing is off, everything grows."""
    layer = kind(2, 16, nonlinearity="relu", batch_first=True)
    layer.weight_hh_l0.data.fill_(1.6 / 16)
    layer.bias_ih_l0.data.fill_(1.0)
    found = gradients(Net(layer), *data(T=T))
    assert found.outcome == "exploding"
    assert found.growth == pytest.approx(1.6, rel=0.05)
    assert found.lyapunov == pytest.approx(math.log(1.6), abs=0.02)
    assert "they explode" in str(found)
    assert found.advice[0] == "clip the gradient's norm"
    assert "a bounded activation (tanh)" in found.advice


@pytest.mark.parametrize("T", [5, 25, 100])
@pytest.mark.parametrize("seed", range(3))
def test_a_sigmoid_network_vanishes(seed: int, T: int) -> None:
    """As it starts; the slope of a sigmoid is at most a quarter."""
    torch.manual_seed(seed)
    found = gradients(Net(RNN(2, 16, nonlinearity="sigmoid", batch_first=True)), *data(T=T))
    assert found.outcome == "vanishing"
    assert found.growth < 0.25
    assert found.reach < 5
    assert found.lyapunov < -1
    assert "they vanish" in str(found)
    assert found.advice[0] == "tanh or ReLU in place of sigmoid"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "layer",
    [
        lambda: started(RNN(2, 16, nonlinearity="relu", batch_first=True), 1.3),  # half are off
        lambda: started(RNN(2, 16, nonlinearity="identity", batch_first=True), 1.0),
        lambda: opened(LSTM(2, 16, batch_first=True), slice(16, 32)),
        lambda: opened(nn.LSTM(2, 16, batch_first=True), slice(16, 32)),
        lambda: opened(GRU(2, 16, batch_first=True), slice(16, 32)),
    ],
)
def test_healthy_networks_are_called_healthy(layer: object, seed: int) -> None:
    """Those that people start so that gradients live: scaled ReLU, orthogonal, gates open."""
    torch.manual_seed(seed)
    found = gradients(Net(layer()), *data(T=25))
    assert found.outcome == "healthy", str(found)
    assert 0.8 < found.growth < 1.2
    assert found.advice == ()
    assert "they are healthy" in str(found)


def opened(layer: nn.Module, gate: slice) -> nn.Module:
    """With a forget or an update gate that starts open."""
    layer.bias_hh_l0.data[gate] = 3.0
    return layer


@pytest.mark.parametrize("rho", [0.95, 1.0, 1.1])
def test_a_linear_network_is_read_exactly(rho: float) -> None:
    """Growth, Lyapunov exponent and spectra of ρ times an orthogonal matrix."""
    net = Net(started(RNN(2, 8, nonlinearity="identity", batch_first=True), rho)).double()
    X, y = data()
    found = gradients(net, X, y)
    layer = found.layers[0]
    assert layer.share == pytest.approx(rho ** np.arange(25))
    assert found.growth == pytest.approx(rho)
    assert found.lyapunov == pytest.approx(math.log(rho), abs=1e-6)
    for spectrum in (layer.jacobian, layer.recurrent["hidden"]):
        assert spectrum == pytest.approx((rho, rho))
    assert layer.saturated == {"hidden": 0}


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
        found = by_state(loss, every, len(path[0]))
        unit = torch.autograd.grad(loss, path[-1], retain_graph=True, allow_unused=True)
        unit = [torch.zeros_like(p) if g is None else g for g, p in zip(unit, path[-1], strict=True)]
        size = torch.cat(unit).norm()
        handed = by_state(
            sum((p * g / size).sum() for p, g in zip(path[-1], unit, strict=True)), every, len(unit)
        )
        for k in range(len(x)):
            norms[k].append(found[-1 - k])
            shares[k].append(handed[-1 - k])
    return np.array([np.mean(each) for each in norms]), np.array([np.mean(each) for each in shares])


def by_state(value: Tensor, every: list[Tensor], width: int) -> list[float]:
    """Norms of the gradients by the states, all parts of one together."""
    found = torch.autograd.grad(value, every, retain_graph=True, allow_unused=True)
    found = [torch.zeros_like(p) if g is None else g for g, p in zip(found, every, strict=True)]
    return [torch.cat(found[k : k + width]).norm().item() for k in range(0, len(found), width)]


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("layer", [RNN, GRU, LSTM, nn.RNN, nn.GRU, nn.LSTM])
def test_norms_are_those_of_a_slow_loop(layer: type, pooling: str) -> None:
    """Ragged, float64: norms of the loss gradient, and what the recurrence hands back, whatever is pooled."""
    net = Net(layer(2, 5, batch_first=True), pooling).double()
    X = [torch.randn(T, 2, dtype=torch.float64) for T in (6, 2, 9, 6, 1)]
    y = np.array([0.3, -1.0, 2.0, 0.5, 1.0])
    found = gradients(net, [x.numpy() for x in X], y)
    norms, shares = slow_norms(net, X, y, 9)
    assert found.sequences.tolist() == [5, 4, 3, 3, 3, 3, 1, 1, 1]
    assert found.layers[0].norm == pytest.approx(norms)
    assert found.layers[0].share == pytest.approx(shares)


def test_every_layer_and_direction_is_read() -> None:
    """A reverse one from its own end, which is each row's first step: as forward on the mirror image."""
    layer = GRU(2, 5, batch_first=True, bidirectional=True).double()
    mirrored = GRU(2, 5, batch_first=True, bidirectional=True).double()
    mirrored.load_state_dict(
        {f"{k.removesuffix('_reverse')}{'' if k.endswith('_reverse') else '_reverse'}": v
         for k, v in layer.state_dict().items()}
    )  # fmt: skip
    net, other = Net(layer, "mean").double(), Net(mirrored, "mean").double()
    other.head.weight.data = net.head.weight.data.roll(5, 1)
    other.head.bias.data = net.head.bias.data
    X = [np.random.default_rng(T).normal(size=(T, 2)) for T in (4, 7, 7)]
    y = np.array([0.0, 1.0, 3.0])
    a, b = gradients(net, X, y), gradients(other, [x[::-1] for x in X], y)
    assert [each.name for each in a.layers] == ["forward", "in reverse"]
    for mine, theirs in zip(a.layers, b.layers[::-1], strict=True):
        assert mine.norm == pytest.approx(theirs.norm)
        assert mine.share == pytest.approx(theirs.share)
    deep = gradients(Net(nn.LSTM(2, 5, num_layers=2, bidirectional=True, batch_first=True)), *data(T=6))
    assert [(each.layer, each.is_reverse) for each in deep.layers] == [
        (1, False), (1, True), (2, False), (2, True),
    ]  # fmt: skip
    assert len(deep.to_frame()) == 4 * 6


def test_the_worst_layer_is_told() -> None:
    """One that explodes before one that vanishes, and by its name."""
    layer = RNN(2, 8, num_layers=2, nonlinearity="identity", batch_first=True)
    nn.init.eye_(layer.weight_hh_l0).data.mul_(0.3)
    nn.init.eye_(layer.weight_hh_l1).data.mul_(1.5)
    found = gradients(Net(layer), *data())
    assert found.worst_layer == 1
    assert [each.outcome for each in found.layers] == ["vanishing", "exploding"]
    assert "(layer 2 of 2, forward)" in str(found)


def test_what_overflows_explodes() -> None:
    """States that are not finite, a loss that is none: no error, and a word."""
    layer = RNN(2, 8, nonlinearity="relu", batch_first=True)
    layer.weight_hh_l0.data.fill_(1e6)
    layer.bias_ih_l0.data.fill_(1.0)
    found = gradients(Net(layer), *data())
    assert found.outcome == "exploding"
    assert "no longer finite" in str(found)
    assert 1e3 < found.growth < math.inf
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_dead_network_vanishes() -> None:
    """A ReLU that is off for every unit and step hands nothing back."""
    layer = RNN(2, 8, nonlinearity="relu", batch_first=True)
    layer.bias_ih_l0.data.fill_(-100.0)
    found = gradients(Net(layer), *data())
    assert (found.outcome, found.growth, found.lyapunov) == ("vanishing", 0.0, -math.inf)
    assert found.layers[0].saturated == {"hidden": 1.0}
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_pooled_readout_does_not_hide_what_vanishes() -> None:
    """Every state gets a gradient of its own, but what is handed back is the same."""
    torch.manual_seed(0)
    net = Net(RNN(2, 16, nonlinearity="sigmoid", batch_first=True))
    X, y = data()
    last = gradients(net, X, y)
    net.pooling = "mean"
    pooled = gradients(net, X, y)
    assert pooled.layers[0].norm[-1] > 0.1 * pooled.layers[0].norm[0]
    assert last.layers[0].norm[-1] < 1e-9 * last.layers[0].norm[0]
    assert pooled.outcome == last.outcome == "vanishing"
    assert "steps farther back hardly train it" in str(last)
    assert "a readout that pools every state" in last.advice
    assert "steps farther back train it only on other paths: its readout" in str(pooled)
    assert "a readout that pools every state" not in pooled.advice


def test_a_network_of_no_numbers_is_said_to_explode() -> None:
    """Its steps have no spectrum, and the sentence none."""
    net = Net(RNN(2, 4, batch_first=True))
    net.layer.weight_hh_l0.data.fill_(float("nan"))
    found = gradients(net, *data())
    assert found.outcome == "exploding"
    assert "are no longer finite: they explode (Lyapunov exponent +nan)" in str(found)


@pytest.mark.parametrize("tells", [True, False])
def test_padding_changes_nothing(tells: bool, padded_reader: type[nn.Module]) -> None:
    """Ragged rows in one batch give what they give in batches of one length."""
    padded = padded_reader(LSTM(2, 4, batch_first=True), tells=tells).double()
    plain = Net(LSTM(2, 4, batch_first=True)).double()
    plain.load_state_dict(padded.state_dict())
    X = [np.random.default_rng(T).normal(size=(T, 2)) for T in (5, 2, 7, 5, 1)]
    y = np.arange(5.0)
    a, b = gradients(padded, X, y).layers[0], gradients(plain, X, y).layers[0]
    assert a.norm == pytest.approx(b.norm)
    assert a.share == pytest.approx(b.share)


def test_sequences_of_one_step_have_no_way_back() -> None:
    """Nothing grows, and it is said."""
    found = gradients(Net(GRU(2, 4, batch_first=True)), *data(T=1))
    assert (found.growth, found.outcome) == (None, "healthy")
    assert "one step" in str(found)


def test_gradients_run_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the layer nor its pieces enter the slow loop."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the slow loop was entered")

    monkeypatch.setattr(base, "unroll", refuse)
    monkeypatch.setattr("unrolled.probe.model.stepwise.unroll", refuse)
    gradients(Net(LSTM(2, 3, batch_first=True, num_layers=2)), *data(5, 6))


def test_classes_and_an_answer_a_step_are_taken() -> None:
    """A log loss; the loss at every step."""

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = GRU(2, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            return self.head(self.layer(x, lengths=lengths)[0])

    X = [np.random.default_rng(T).normal(size=(T, 2)) for T in (4, 7, 5)]
    y = [np.arange(len(x)) % 3 for x in X]
    found = gradients(Tagger(), X, y)
    assert as_probed_model(Tagger(), X, y).per_step
    assert (found.layers[0].norm > 0).all()


def test_the_record_is_plain() -> None:
    """A row a step back; JSON; twice the same."""
    net = Net(GRU(2, 4, batch_first=True))
    X, y = data(T=6)
    found = gradients(net, X, y)
    wanted = ["layer", "direction", "steps_back", "norm", "share", "sequences"]
    assert found.to_frame().columns.tolist() == wanted
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["kind"] == "gradients"
    assert set(told["layers"][0]["recurrent"]) == {"reset", "update", "new"}
    assert set(told["layers"][0]["saturated"]) == {"reset", "update", "new"}
    assert json.dumps(gradients(net, X, y).to_dict()) == json.dumps(found.to_dict())


def test_what_cannot_be_asked_is_refused() -> None:
    """No y; no recurrent layer."""
    X, y = data(4, 3)
    with pytest.raises(ArgumentError, match="gradients y: expected the labels or numbers of X"):
        gradients(Net(GRU(2, 4, batch_first=True)), X, None)
    with pytest.raises(ArgumentError, match="expected one with a recurrent layer"):
        gradients(nn.Sequential(nn.Flatten(), nn.Linear(6, 1)), X, y)
