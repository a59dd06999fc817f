"""How far back a model looks, measured on models and tasks whose reach is known."""

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.nn import GRU, LSTM, RNN
from unrolled.nn.layers import base
from unrolled.probe.memory_probe import MemoryResult, memory


class Net(nn.Module):
    """A layer and a linear readout of its last state, or of all."""

    def __init__(self, layer: nn.Module, answers: int = 1, pooling: str = "last") -> None:
        super().__init__()
        self.layer, self.pooling = layer, pooling
        self.head = nn.Linear(layer.hidden_size * (1 + layer.bidirectional), answers)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        if self.pooling == "last":
            return self.head(states[:, -1])
        return self.head(states.mean(1) if self.pooling == "mean" else states.amax(1))


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
    found = memory(net, X)
    assert (found.peak, found.window) == (k, k)
    assert (found.occlusion_span.peak, found.occlusion_span.window) == (k, k)
    assert k < found.half_life < k + 1
    assert found.agree
    assert not found.pooled
    assert f"most on the step {k} back: 95 % of the influence lies within {k} step" in str(found)


@pytest.mark.parametrize("kind", [RNN, nn.RNN])
@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_a_leaky_sum_has_its_half_life(rho: float, kind: type) -> None:
    """It is ln 2 / -ln ρ, by both measures, in units of the inputs' deviation."""
    X = np.random.default_rng(0).uniform(1, 3, size=(400, 60, 1))
    found = memory(Leaky(rho, kind), X)
    assert found.half_life == pytest.approx(math.log(2) / -math.log(rho), rel=1e-5)
    assert found.gradient == pytest.approx(X.std() * rho ** np.arange(60), rel=1e-4)
    near = slice(0, 10)
    assert found.occlusion[near] == pytest.approx(found.gradient[near], rel=0.15)
    assert found.rank_correlation > 0.9  # far back, occlusion is below float32


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
    found = memory(net, [x.numpy() for x in X])
    assert found.sequences.tolist() == [5, 4, 3, 3, 3, 1, 1]
    assert found.gradient == pytest.approx(slow_influence(net, X), rel=1e-5, abs=1e-10)


def test_occlusion_is_that_of_a_slow_loop() -> None:
    """Of two sequences each takes the other's step; where one alone is so long, the mean of all."""
    net = Net(GRU(2, 4, batch_first=True)).double()
    a, b = torch.randn(3, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    found = memory(net, [a.numpy(), b.numpy()])
    mean, wanted = torch.cat([a, b]).mean(0), []
    for k in range(5):
        squares = []
        for own, other in ((a, b), (b, a)):
            if k < len(own):
                changed = own.clone()
                changed[-1 - k] = other[-1 - k] if k < len(other) else mean
                squares.append((net(changed[None]) - net(own[None])).item() ** 2)
        wanted.append(np.sqrt(np.mean(squares) / (2 if len(squares) == 2 else 1)))
    assert found.occlusion == pytest.approx(np.array(wanted))


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


def test_of_classes_the_log_odds_are_watched() -> None:
    """Of the class answered; of the right one where y is given. For two classes that is a difference."""
    net, X = Net(RNN(1, 4, batch_first=True), answers=3), torch.randn(30, 6, 1)
    values = X.clone().requires_grad_()
    logits = net(values)
    for y in (None, torch.randint(3, (30,))):
        chosen = logits.argmax(-1) if y is None else y
        odds = [row[c] - torch.cat([row[:c], row[c + 1 :]]).logsumexp(0) for row, c in zip(logits, chosen)]  # noqa: B905
        (gradient,) = torch.autograd.grad(sum(odds), values, retain_graph=True)
        wanted = (gradient[..., 0] * X.std(correction=0)).square().mean(0).sqrt().flip(0)
        assert memory(net, X, y).gradient == pytest.approx(wanted.numpy(), rel=1e-4)


def test_several_numbers_count_together() -> None:
    """Random signs find the Frobenius norm of the Jacobian, on average."""
    net, X = Net(GRU(1, 4, batch_first=True), answers=5), torch.randn(900, 4, 1)
    y = torch.randn(900, 5)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: net(x[None])[0]))(X)  # (900, 5, 4, 1)
    wanted = (jacobian * X.std()).square().sum((1, 3)).mean(0).sqrt().flip(0)
    assert memory(net, X, y.numpy()).gradient == pytest.approx(wanted.detach().numpy(), rel=0.1)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_readout_of_every_state_is_said(pooling: str) -> None:
    """No half-life of the answer is given, but one of the state; the window is wide."""
    torch.manual_seed(0)
    net, X = Net(GRU(1, 8, batch_first=True), pooling=pooling), torch.randn(100, 20, 1)
    found = memory(net, X)
    assert found.pooled
    assert found.half_life is None
    assert found.window > 15
    assert found.state_span.window < 6
    assert "The readout reads every state" in str(found)
    net.pooling = "last"
    last = memory(net, X)
    assert not last.pooled
    assert last.state == pytest.approx(found.state)
    assert last.window < 6


class Fading(Net):
    """Reads every state, the newer the more, and looks one step back at most."""

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        return self.head((states * 0.5 ** torch.arange(x.shape[1]).flip(0)[:, None]).sum(1))


def test_a_fading_readout_is_no_memory() -> None:
    """Its influence has a half-life, which is not the recurrence's, and is not given."""
    found = memory(Fading(GRU(1, 8, batch_first=True)), torch.randn(50, 20, 1))
    assert found.gradient[10] < found.gradient[0] / 10
    assert found.pooled
    assert found.half_life is None


class BothEnds(Net):
    """Reads each direction where it ends."""

    def forward(self, x: Tensor) -> Tensor:
        states, H = self.layer(x)[0], self.layer.hidden_size
        return self.head(torch.cat([states[:, -1, :H], states[:, 0, H:]], 1))


def test_where_a_direction_ends_is_its_last_state() -> None:
    """The reverse one ends at step 0; read elsewhere, it is as good as pooled."""
    layer = GRU(1, 4, batch_first=True, bidirectional=True)
    X = torch.randn(9, 6, 1)
    assert not memory(BothEnds(layer), X).pooled
    assert memory(Net(layer), X).pooled


def test_two_directions_are_said() -> None:
    """What is far from one end is near to the other."""
    found = memory(Net(GRU(1, 8, batch_first=True, bidirectional=True)), torch.randn(50, 12, 1))
    assert found.bidirectional
    assert found.half_life is None
    assert str(found).startswith("The layer reads from the end too")


class Steep(nn.Module):
    """Answers with the sign of the step 3 back, by a curve that is flat wherever an input lies."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = GRU(1, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(50 * x[:, -4]) + 0.01 * x[:, -1] + 0 * self.layer(x)[0][:, -1, :1]


def test_a_disagreement_is_said() -> None:
    """Gradients see the newest step alone; replacing steps finds the one that counts."""
    found = memory(Steep(), torch.sign(torch.randn(80, 8, 1)))
    assert not found.agree
    assert (found.peak, found.occlusion_span.peak) == (0, 3)
    assert "Replacing steps disagrees" in str(found)
    assert "most of it 3 back" in str(found)


def test_an_answer_in_jumps_is_told_by_replacing_steps() -> None:
    """Its gradient is 0 everywhere, which does not say that it remembers nothing."""

    class Jumps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(1, 1, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sign(self.rnn(x)[0][:, -1] + x[:, -3])

    found = memory(Jumps(), np.random.default_rng(0).normal(size=(40, 8)))
    assert not found.gradient.any()
    assert found.occlusion_span.peak == 2
    assert found.sentence.startswith("No gradient flows from the output of the Jumps to its input.")
    assert found.sentence.endswith("most of it 2 back.")


def test_what_remembers_nothing_says_so() -> None:
    """A readout of zeros."""
    net = Net(GRU(1, 4, batch_first=True))
    nn.init.zeros_(net.head.weight)
    found = memory(net, torch.randn(9, 5, 1))
    assert (found.window, found.half_life) == (0, None)
    assert "remembers nothing" in str(found)


def test_long_sequences_are_occluded_at_some_steps() -> None:
    """All near ones, and ever fewer far ones up to the first; the frame has NaN between them."""
    found = memory(Net(GRU(1, 2, batch_first=True)), torch.randn(6, 300, 1))
    asked = np.flatnonzero(np.isfinite(found.occlusion))
    assert asked[:33].tolist() == list(range(33))
    assert asked[-1] == 299
    assert len(asked) <= 64
    assert np.isfinite(found.gradient).all()


def test_gradients_run_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference loop is never entered."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the slow loop was entered")

    monkeypatch.setattr(base, "unroll", refuse)
    memory(Net(LSTM(2, 3, batch_first=True, num_layers=2)), torch.randn(5, 6, 2))


def test_the_record_is_plain() -> None:
    """A row a step back; JSON without NaN; the sentence; twice the same."""
    net, X = Net(GRU(1, 2, batch_first=True)), torch.randn(6, 100, 1)
    found = memory(net, X)
    assert isinstance(found, MemoryResult)
    assert found.to_frame().columns.tolist() == ["steps_back", "gradient", "occlusion", "state", "sequences"]
    assert len(found.to_frame()) == 100
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["kind"] == "memory"
    assert told["gradient_span"]["window"] == found.window
    assert json.dumps(memory(net, X).to_dict()) == json.dumps(found.to_dict())
    assert memory(net, X, random_state=1).occlusion.tolist() != found.occlusion.tolist()


def test_the_network_is_left_as_it_was() -> None:
    """Its mode, its gradients, its weights and its hooks."""
    net = Net(GRU(1, 2, batch_first=True)).train()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    memory(net, torch.randn(6, 5, 1))
    assert net.training
    assert all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    assert not net.layer._forward_hooks


class Words(nn.Module):
    """Looks its steps up."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(5, 3), GRU(3, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.table(x[..., 0].long()))[0][:, -1, :1]


def test_what_cannot_be_asked_is_refused() -> None:
    """No recurrent layer; an input that has no gradient; a seed that is none."""
    X = torch.ones(4, 5, 1)
    with pytest.raises(ArgumentError, match="expected one with a recurrent layer"):
        memory(nn.Linear(1, 1), X)
    with pytest.raises(ArgumentError, match="expected a gradient from the answer to the input, the Words"):
        memory(Words(), X)
    with pytest.raises(ArgumentError, match="memory random_state: expected a whole number"):
        memory(Net(GRU(1, 2, batch_first=True)), X, random_state=0.5)
