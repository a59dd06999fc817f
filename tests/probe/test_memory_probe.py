"""Reach of the influence, on models and tasks where it is known."""

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.nn import GRU, LSTM, RNN
from unrolled.nn.layers import base
from unrolled.probe.memory_probe import MemoryResult, memory

from .conftest import Net


class Leaky(nn.Module):
    """h_t = ρ h_{t-1} + x_t, and h_T is the answer."""

    def __init__(self, rho: float, kind: type) -> None:
        super().__init__()
        self.layer = kind(1, 1, bias=False, batch_first=True, nonlinearity="relu")
        for weight, value in zip(self.layer.parameters(), (1.0, rho), strict=True):
            nn.init.constant_(weight, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[1][0]


def recall(k: int, steps: int) -> tuple[nn.Module, Tensor]:
    """A small GRU trained to answer what came k steps before the newest; its gates start open."""
    torch.manual_seed(0)
    net, X = Net(GRU(1, 32, batch_first=True)), 2 * torch.rand(1000, k + 4, 1) - 1
    net.layer.bias_hh_l0.data[32:64] += 1.0
    optimizer = torch.optim.Adam(net.parameters())
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(1000, (32,))
        optimizer.zero_grad()
        nn.functional.mse_loss(net(X[rows])[:, 0], X[rows, -1 - k, 0]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        cycle.step()
    return net, X


@pytest.mark.parametrize(("k", "steps"), [(1, 150), (5, 350), (20, 500)])
def test_the_span_of_a_recall_task_is_measured(k: int, steps: int) -> None:
    """Peak and window are k by gradients and by occlusion, and half of it is gone before the next step."""
    net, X = recall(k, steps)
    result = memory(net, X)
    assert (result.peak, result.window) == (k, k)
    assert (result.occlusion_span.peak, result.occlusion_span.window) == (k, k)
    assert k < result.half_life < k + 1
    assert result.agree
    assert not result.pooled
    assert f"most on the step {k} back: 95 % of the influence lies within {k} step" in str(result)


@pytest.mark.parametrize("kind", [RNN, nn.RNN])
@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_a_leaky_sum_has_its_half_life(rho: float, kind: type) -> None:
    """It is ln 2 / -ln ρ, by both measures, in units of the inputs' deviation."""
    X = np.random.default_rng(0).uniform(1, 3, size=(400, 60, 1))
    result = memory(Leaky(rho, kind), X)
    assert result.half_life == pytest.approx(math.log(2) / -math.log(rho), rel=1e-5)
    assert result.gradient == pytest.approx(X.std() * rho ** np.arange(60), rel=1e-4)
    near = slice(0, 10)
    assert result.occlusion[near] == pytest.approx(result.gradient[near], rel=0.15)
    assert result.rank_correlation > 0.9  # far back, occlusion is below float32


@pytest.mark.parametrize("tells", [True, False])
def test_padding_changes_nothing(tells: bool, padded_reader: type[nn.Module]) -> None:
    """Ragged rows in one batch give what they give in batches of one length, by both measures."""
    padded = padded_reader(GRU(2, 4, batch_first=True), tells=tells).double()
    plain = Net(GRU(2, 4, batch_first=True)).double()
    plain.load_state_dict(padded.state_dict())
    X = [np.random.default_rng(T).normal(size=(T, 2)) for T in (5, 2, 7, 5, 1)]
    a, b = memory(padded, X), memory(plain, X)
    for name in ("gradient", "occlusion", "sequences"):
        assert getattr(a, name) == pytest.approx(getattr(b, name)), name
    assert not a.pooled


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_pooling_readout_is_named_in_the_sentence(pooling: str) -> None:
    """No half-life of the answer is given, but one of the state; the window is wide."""
    torch.manual_seed(0)
    net, X = Net(GRU(1, 8, batch_first=True), pooling=pooling), torch.randn(100, 20, 1)
    result = memory(net, X)
    assert result.pooled
    assert result.half_life is None
    assert result.window > 15
    assert result.state_span.window < 6
    assert "The readout reads every state" in str(result)
    net.pooling = "last"
    last = memory(net, X)
    assert not last.pooled
    assert last.state == pytest.approx(result.state)
    assert last.window < 6


def test_a_bidirectional_layer_is_named_in_the_sentence() -> None:
    """A step far from one end is near to the other."""
    result = memory(Net(GRU(1, 8, batch_first=True, bidirectional=True)), torch.randn(50, 12, 1))
    assert result.bidirectional
    assert result.half_life is None
    assert str(result).startswith("The layer reads from the end too")


class Steep(nn.Module):
    """Answers with the sign of the step 3 back, by a curve that is flat wherever an input lies."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = GRU(1, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(50 * x[:, -4]) + 0.01 * x[:, -1] + 0 * self.layer(x)[0][:, -1, :1]


def test_disagreement_of_gradient_and_occlusion_is_reported() -> None:
    """Gradients see the newest step alone; replacing steps finds the one that counts."""
    result = memory(Steep(), torch.sign(torch.randn(80, 8, 1)))
    assert not result.agree
    assert (result.peak, result.occlusion_span.peak) == (0, 3)
    assert "Replacing steps disagrees" in str(result)
    assert "most of it 3 back" in str(result)


def test_occlusion_measures_a_piecewise_constant_output() -> None:
    """Its gradient is 0 everywhere, which does not say that it remembers nothing."""

    class Jumps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(1, 1, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sign(self.rnn(x)[0][:, -1] + x[:, -3])

    result = memory(Jumps(), np.random.default_rng(0).normal(size=(40, 8)))
    assert not result.gradient.any()
    assert result.occlusion_span.peak == 2
    assert result.sentence.startswith("No gradient flows from the output of the Jumps to its input.")
    assert result.sentence.endswith("most of it 2 back.")


def test_a_constant_output_has_no_memory() -> None:
    """A readout of zeros."""
    net = Net(GRU(1, 4, batch_first=True))
    nn.init.zeros_(net.head.weight)
    result = memory(net, torch.randn(9, 5, 1))
    assert (result.window, result.half_life) == (0, None)
    assert "remembers nothing" in str(result)


def test_gradients_run_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference loop is never entered."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the slow loop was entered")

    monkeypatch.setattr(base, "unroll", refuse)
    memory(Net(LSTM(2, 3, batch_first=True, num_layers=2)), torch.randn(5, 6, 2))


def test_the_record_converts_to_frame_and_json() -> None:
    """A row a step back; JSON without NaN; the sentence; twice the same."""
    net, X = Net(GRU(1, 2, batch_first=True)), torch.randn(6, 100, 1)
    result = memory(net, X)
    assert isinstance(result, MemoryResult)
    assert result.to_frame().columns.tolist() == ["steps_back", "gradient", "occlusion", "state", "sequences"]
    assert len(result.to_frame()) == 100
    as_json = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert as_json["kind"] == "memory"
    assert as_json["gradient_span"]["window"] == result.window
    assert json.dumps(memory(net, X).to_dict()) == json.dumps(result.to_dict())
    assert memory(net, X, random_state=1).occlusion.tolist() != result.occlusion.tolist()


def test_the_network_is_left_as_it_was() -> None:
    """Its mode, its gradients, its weights and its hooks."""
    net = Net(GRU(1, 2, batch_first=True)).train()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    memory(net, torch.randn(6, 5, 1))
    assert net.training
    assert all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    assert not net.layer._forward_hooks


class Rounds(nn.Module):
    """Reads whole numbers, which have no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = GRU(1, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.detach().round())[0][:, -1, :1]


def test_models_that_cannot_be_probed_are_refused() -> None:
    """No recurrent layer; an input that has no gradient; a seed that is none."""
    X = torch.ones(4, 5, 1)
    with pytest.raises(ArgumentError, match="expected one with a recurrent layer"):
        memory(nn.Linear(1, 1), X)
    with pytest.raises(ArgumentError, match="expected a gradient from the output to the input, the Rounds"):
        memory(Rounds(), X)
    with pytest.raises(ArgumentError, match="memory random_state: expected a whole number"):
        memory(Net(GRU(1, 2, batch_first=True)), X, random_state=0.5)


def test_memory_of_recordings_is_in_seconds_too() -> None:
    """Where a step has a duration; elsewhere no second is named."""
    rng = np.random.default_rng(0)
    waves = [rng.normal(size=1600) for _ in range(8)]
    model = AudioClassifier(rate=8000, hidden_size=4, num_layers=1, max_epochs=1).fit(waves, [0, 1] * 4)
    result = memory(model, waves)
    assert result.step_s == 0.01
    assert " A step is 10 ms: that is the last 0." in result.sentence
    assert json.loads(json.dumps(result.to_dict()))["step_s"] == 0.01
    assert memory(Leaky(0.5, RNN), torch.rand(30, 9, 1)).step_s is None
