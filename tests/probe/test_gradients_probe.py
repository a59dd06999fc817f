"""Outcomes and growth of gradients, on networks where they are known."""

import json
import math
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled.errors import ArgumentError
from unrolled.nn import GRU, LSTM, RNN
from unrolled.nn.layers import base
from unrolled.probe.gradients_probe import gradients
from unrolled.probe.model.adapter import as_probed_model

from .conftest import Net, draw_progress_at_once


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
def test_a_relu_network_with_a_large_gain_explodes(kind: type, T: int) -> None:
    """Positive recurrent weights with a spectral radius of 1.6: nothing is off, everything grows."""
    layer = kind(2, 16, nonlinearity="relu", batch_first=True)
    layer.weight_hh_l0.data.fill_(1.6 / 16)
    layer.bias_ih_l0.data.fill_(1.0)
    result = gradients(Net(layer), *data(T=T))
    assert result.outcome == "exploding"
    assert result.growth == pytest.approx(1.6, rel=0.05)
    assert result.lyapunov == pytest.approx(math.log(1.6), abs=0.02)
    assert "they explode" in str(result)
    assert result.advice[0] == "clip the gradient's norm"
    assert "a bounded activation (tanh)" in result.advice


@pytest.mark.parametrize("T", [5, 25, 100])
@pytest.mark.parametrize("seed", range(3))
def test_a_sigmoid_network_vanishes(seed: int, T: int) -> None:
    """As it starts; the slope of a sigmoid is at most a quarter."""
    torch.manual_seed(seed)
    result = gradients(Net(RNN(2, 16, nonlinearity="sigmoid", batch_first=True)), *data(T=T))
    assert result.outcome == "vanishing"
    assert result.growth < 0.25
    assert result.reach < 5
    assert result.lyapunov < -1
    assert "they vanish" in str(result)
    assert result.advice[0] == "tanh or ReLU in place of sigmoid"


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
    result = gradients(Net(layer()), *data(T=25))
    assert result.outcome == "healthy", str(result)
    assert 0.8 < result.growth < 1.2
    assert result.advice == ()
    assert "they are healthy" in str(result)


def opened(layer: nn.Module, gate: slice) -> nn.Module:
    """With a forget or an update gate that starts open."""
    layer.bias_hh_l0.data[gate] = 3.0
    return layer


@pytest.mark.parametrize("rho", [0.95, 1.0, 1.1])
def test_growth_of_a_linear_network_is_exact(rho: float) -> None:
    """Growth, Lyapunov exponent and spectra of ρ times an orthogonal matrix."""
    net = Net(started(RNN(2, 8, nonlinearity="identity", batch_first=True), rho)).double()
    X, y = data()
    result = gradients(net, X, y)
    layer = result.layers[0]
    assert layer.share == pytest.approx(rho ** np.arange(25))
    assert result.growth == pytest.approx(rho)
    assert result.lyapunov == pytest.approx(math.log(rho), abs=1e-6)
    for spectrum in (layer.jacobian, layer.recurrent["hidden"]):
        assert spectrum == pytest.approx((rho, rho))
    assert layer.saturated == {"hidden": 0}


def test_every_layer_and_direction_is_measured() -> None:
    """A reverse one from its own end, which is each row's first step: as forward on the mirror image."""
    layer = GRU(2, 5, batch_first=True, bidirectional=True).double()
    mirrored = GRU(2, 5, batch_first=True, bidirectional=True).double()
    mirrored.load_state_dict(
        {f"{k.removesuffix('_reverse')}{'' if k.endswith('_reverse') else '_reverse'}": v
         for k, v in layer.state_dict().items()}
    )  # fmt: skip
    net, other = Net(layer, pooling="mean").double(), Net(mirrored, pooling="mean").double()
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


def test_the_sentence_describes_the_worst_layer() -> None:
    """One that explodes before one that vanishes, and by its name."""
    layer = RNN(2, 8, num_layers=2, nonlinearity="identity", batch_first=True)
    nn.init.eye_(layer.weight_hh_l0).data.mul_(0.3)
    nn.init.eye_(layer.weight_hh_l1).data.mul_(1.5)
    result = gradients(Net(layer), *data())
    assert result.worst_layer == 1
    assert [each.outcome for each in result.layers] == ["vanishing", "exploding"]
    assert "(layer 2 of 2, forward)" in str(result)


def test_gradients_that_overflow_explode() -> None:
    """States that are not finite, a loss that is none: no error, and a word."""
    layer = RNN(2, 8, nonlinearity="relu", batch_first=True)
    layer.weight_hh_l0.data.fill_(1e6)
    layer.bias_ih_l0.data.fill_(1.0)
    result = gradients(Net(layer), *data())
    assert result.outcome == "exploding"
    assert "no longer finite" in str(result)
    assert 1e3 < result.growth < math.inf
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_dead_network_vanishes() -> None:
    """A ReLU that is off for every unit and step hands nothing back."""
    layer = RNN(2, 8, nonlinearity="relu", batch_first=True)
    layer.bias_ih_l0.data.fill_(-100.0)
    result = gradients(Net(layer), *data())
    assert (result.outcome, result.growth, result.lyapunov) == ("vanishing", 0.0, -math.inf)
    assert result.layers[0].saturated == {"hidden": 1.0}
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_pooling_readout_does_not_hide_vanishing_gradients() -> None:
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


def test_nan_states_explode() -> None:
    """Its steps have no spectrum, and the sentence none."""
    net = Net(RNN(2, 4, batch_first=True))
    net.layer.weight_hh_l0.data.fill_(float("nan"))
    result = gradients(net, *data())
    assert result.outcome == "exploding"
    assert "are no longer finite: they explode (Lyapunov exponent +nan)" in str(result)


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


def test_sequences_of_one_step_have_no_growth() -> None:
    """Nothing grows, and it is said."""
    result = gradients(Net(GRU(2, 4, batch_first=True)), *data(T=1))
    assert (result.growth, result.outcome) == (None, "healthy")
    assert "one step" in str(result)


def test_gradients_run_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the layer nor its pieces enter the slow loop."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the slow loop was entered")

    monkeypatch.setattr(base, "unroll", refuse)
    monkeypatch.setattr("unrolled.probe.model.stepwise.unroll", refuse)
    gradients(Net(LSTM(2, 3, batch_first=True, num_layers=2)), *data(5, 6))


def test_classes_and_an_output_a_step_are_supported() -> None:
    """A log loss; the loss at every step."""

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = GRU(2, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            return self.head(self.layer(x, lengths=lengths)[0])

    X = [np.random.default_rng(T).normal(size=(T, 2)) for T in (4, 7, 5)]
    y = [np.arange(len(x)) % 3 for x in X]
    result = gradients(Tagger(), X, y)
    assert as_probed_model(Tagger(), X, y).per_step
    assert (result.layers[0].norm > 0).all()


def test_the_record_converts_to_frame_and_json() -> None:
    """A row a step back; JSON; twice the same."""
    net = Net(GRU(2, 4, batch_first=True))
    X, y = data(T=6)
    result = gradients(net, X, y)
    expected = ["layer", "direction", "steps_back", "norm", "share", "sequences"]
    assert result.to_frame().columns.tolist() == expected
    as_json = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert as_json["kind"] == "gradients"
    assert set(as_json["layers"][0]["recurrent"]) == {"reset", "update", "new"}
    assert set(as_json["layers"][0]["saturated"]) == {"reset", "update", "new"}
    assert json.dumps(gradients(net, X, y).to_dict()) == json.dumps(result.to_dict())


def test_models_that_cannot_be_probed_are_refused() -> None:
    """No y; no recurrent layer."""
    X, y = data(4, 3)
    with pytest.raises(ArgumentError, match="gradients y: expected the labels or numbers of X"):
        gradients(Net(GRU(2, 4, batch_first=True)), X, None)
    with pytest.raises(ArgumentError, match="expected one with a recurrent layer"):
        gradients(nn.Sequential(nn.Flatten(), nn.Linear(6, 1)), X, y)


def test_growth_behind_a_stem_is_counted_in_steps_of_the_input() -> None:
    """As `memory` counts: a layer that moves every 3rd step falls by the cube root of its own factor."""

    class Strided(nn.Module):
        def __init__(self, stride: int) -> None:
            super().__init__()
            self.stride = stride
            self.rnn = started(nn.RNN(1, 4, nonlinearity="relu", bias=False, batch_first=True), 0.5)

        def forward(self, x: Tensor) -> Tensor:
            return self.rnn(x[:, self.stride - 1 :: self.stride])[0][:, -1, :1]

    X = torch.rand(20, 24, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    torch.manual_seed(0)
    once, third = Strided(1), Strided(3)
    third.load_state_dict(once.state_dict())
    result = gradients(third, X, X[:, 0, 0])
    alone = gradients(once, X[:, 2::3], X[:, 0, 0])
    assert (result.stride, result.n_steps, len(result.sequences)) == (3, 24, 8)
    assert result.growth == pytest.approx(alone.growth ** (1 / 3))
    assert result.lyapunov == pytest.approx(alone.lyapunov / 3)
    assert result.outcome == alone.outcome
    assert result.to_frame()["steps_back"].tolist() == list(range(0, 24, 3))
    assert result.plot().data[0].x.tolist() == list(range(0, 24, 3))
    assert "of 24 steps" in result.sentence or result.reach >= 24
    assert "its state moves once in 3 steps" in result.sentence


def test_a_stem_of_an_estimator_counts_too() -> None:
    """Its strides come with long sequences."""
    X = np.random.default_rng(0).normal(size=(12, 820, 1))
    model = ur.SequenceClassifier(hidden_size=4, max_epochs=1, n_members=1).fit(X, np.arange(12) % 2)
    assert model.network_config_.stem_stride == 4
    result, states = gradients(model, X, np.arange(12) % 2), ur.probe.states(model, X[:2])
    assert (result.stride, result.n_steps) == (4, 820)
    assert states.step[:3].tolist() == [3, 7, 11]
    assert states.step.max() == 819
    assert "410 states of 2 sequences, one every 4 steps" in states.sentence


def test_long_work_shows_how_long_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal, while the work goes on."""
    draw_progress_at_once(monkeypatch)
    gradients(Net(RNN(2, 4, batch_first=True)), *data())
    shown = capsys.readouterr().err
    assert re.search(r"gradients [01]/1 batches, \d+:\d\d left", shown), shown
