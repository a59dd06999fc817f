"""States, gates, and what input and memory gave, against loops written from the formulas."""

import json
import math
import re

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.nn import GRU, LSTM, RNN, CellLayer, Direction
from unrolled.nn.cells.core import GRUWeights
from unrolled.nn.cells.variants import ResetFirstGRUCell
from unrolled.probe.states_probe import StatesResult, states

from .conftest import draw_progress_at_once

LENGTHS = (4, 7, 1, 7)


class Net(nn.Module):
    """A layer and a linear readout of its last state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0][:, -1, :1]


def sequences(F: int = 3) -> list[np.ndarray]:
    """Ragged noise."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(T, F)) for T in LENGTHS]


def sigmoid(a: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-a)."""
    return 1 / (1 + np.exp(-a))


def sums(layer: nn.Module, x: np.ndarray, h: np.ndarray, gates: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """W x + b of the input and of the state, gate by gate."""
    w = {name: weight.detach().numpy() for name, weight in layer.named_parameters()}
    a = np.split(w["weight_ih_l0"] @ x + w["bias_ih_l0"], gates)
    u = np.split(w["weight_hh_l0"] @ h + w["bias_hh_l0"], gates)
    return list(zip(a, u, strict=True))


def rnn_step(layer: nn.Module, x: np.ndarray, state: dict) -> dict:
    """RNN: h = tanh(W x + W h + b)."""
    h, w = state["state"], {name: weight.detach().numpy() for name, weight in layer.named_parameters()}
    ((a, u),) = sums(layer, x, h, 1)
    return {"state": np.tanh(a + u), "input": w["weight_ih_l0"] @ x, "memory": w["weight_hh_l0"] @ h}


def gru_step(layer: nn.Module, x: np.ndarray, state: dict) -> dict:
    """GRU: h = (1 - z) n + z h."""
    h = state["state"]
    (a_r, u_r), (a_z, u_z), (a_n, u_n) = sums(layer, x, h, 3)
    r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
    n = np.tanh(a_n + r * u_n)
    new, retained = (1 - z) * n, z * h
    return {"state": new + retained, "reset": r, "update": z, "new": n, "input": new, "memory": retained}


def lstm_step(layer: nn.Module, x: np.ndarray, state: dict) -> dict:
    """LSTM: c = f c + i g, h = o tanh(c)."""
    h, c = state["state"], state.get("cell_state", state["state"])
    i, f, g, o = (a + u for a, u in sums(layer, x, h, 4))
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    new = f * c + i * g
    gates = {"input_gate": i, "forget": f, "cell": g, "output": o, "cell_state": new}
    return {"state": o * np.tanh(new), **gates, "input": i * g, "memory": f * c}


@pytest.mark.parametrize(
    ("kinds", "step"), [((RNN, nn.RNN), rnn_step), ((GRU, nn.GRU), gru_step), ((LSTM, nn.LSTM), lstm_step)]
)
@pytest.mark.parametrize("whose", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_and_gates_are_those_of_a_hand_loop(
    kinds: tuple, step: object, whose: int, dtype: torch.dtype
) -> None:
    """And the norms of the input part and of the memory part, at every step of ragged sequences."""
    layer = kinds[whose](3, 5, batch_first=True).to(dtype)
    X = sequences()
    result = states(Net(layer), X)
    close = {"rel": 1e-4, "abs": 1e-6} if dtype is torch.float32 else {"rel": 1e-9, "abs": 1e-12}
    row = 0
    for i, x in enumerate(X):
        state = {"state": np.zeros(5)}
        for t, values in enumerate(x):
            state = step(layer, values, state)
            assert (result.sequence[row], result.step[row]) == (i, t)
            assert result.state[row] == pytest.approx(state["state"], **close)
            for name, gate in result.gates.items():
                expected = state["input_gate" if name == "input" else name]
                assert gate[row] == pytest.approx(expected, **close)
            assert result.input[row] == pytest.approx(np.linalg.norm(state["input"]), **close)
            assert result.memory[row] == pytest.approx(np.linalg.norm(state["memory"]), **close)
            row += 1
    assert row == len(result.state)
    assert len(result.gates) == {"RNN": 0, "GRU": 3, "LSTM": 5}[result.cell]


def test_the_parts_of_the_new_state_add_up() -> None:
    """With zoneout's mean, which retains a part of the state, and with layer norm in the gates."""
    for kind, name in ((GRU, "state"), (LSTM, "cell_state")):
        layer = kind(
            3, 1, batch_first=True, zoneout=0.3, layer_norm=kind is GRU
        )  # of one unit, norms are |·|
        result = states(Net(layer.eval()), [np.random.default_rng(0).normal(size=(9, 3))])
        values = result.state if name == "state" else result.gates[name]
        sums_and_differences = np.stack([result.input + result.memory, np.abs(result.input - result.memory)])
        assert np.abs(sums_and_differences - np.abs(values[:, 0])).min(0) == pytest.approx(0, abs=1e-6)
        assert result.memory_share[0] == 0  # at the first step there is nothing to keep
        assert result.memory_share[1:].min() > 0


@pytest.mark.parametrize("kind", [GRU, nn.LSTM])
def test_any_layer_and_direction_can_be_looked_into(kind: type) -> None:
    """They are the layer's own outputs, at the step of the input that they belong to."""
    layer = kind(3, 5, num_layers=2, bidirectional=True, batch_first=True).double()
    X = sequences()
    for direction, half in (("forward", slice(0, 5)), ("reverse", slice(5, 10))):
        result = states(Net(layer), X, direction=direction)
        assert (result.layer, result.layers, result.direction) == (2, 2, direction)
        for i, x in enumerate(X):
            output, _ = layer(torch.from_numpy(x)[None])
            assert result.of(i) == pytest.approx(output[0, :, half].detach().numpy())
    first = states(Net(layer), X, layer=1)
    alone = kind(3, 5, batch_first=True).double()
    alone.load_state_dict({name: value for name, value in layer.state_dict().items() if name.endswith("l0")})
    assert first.state == pytest.approx(states(Net(alone), X).state)
    assert "(layer 1 of 2)" in str(first)
    assert "(layer 2 of 2, in reverse)" in str(states(Net(layer), X, direction="reverse"))


def test_the_path_is_that_of_principal_components() -> None:
    """scikit-learn's, up to a sign, which here makes the largest weight positive."""
    result = states(Net(GRU(3, 5, batch_first=True)), sequences())
    other = PCA(3).fit(result.state)
    assert result.explained == pytest.approx(other.explained_variance_ratio_)
    assert np.abs(result.path) == pytest.approx(np.abs(other.transform(result.state)))
    assert result.explained.sum() <= 1
    weights = np.linalg.lstsq(result.path, result.state - result.state.mean(0), rcond=None)[0]
    assert (np.take_along_axis(weights, np.abs(weights).argmax(1)[:, None], 1) > 0).all()


def test_one_step_has_no_path() -> None:
    """Nothing varies, and nothing is explained."""
    result = states(Net(GRU(3, 5, batch_first=True)), [np.ones((1, 3))])
    assert result.path.tolist() == [[0.0]]
    assert result.explained.tolist() == [0.0]
    assert json.dumps(result.to_dict(), allow_nan=False)


def test_a_cell_of_ones_own_shows_its_states() -> None:
    """Without gates, since nobody knows their formulas, and without shares."""
    weights = GRUWeights(torch.randn(15, 3), torch.randn(15, 5))
    layer = CellLayer(3, [[Direction(ResetFirstGRUCell(), weights)]], batch_first=True)
    X = [np.random.default_rng(0).normal(size=(6, 3))]
    result = states(Net(layer), X)
    output, _ = layer(torch.from_numpy(X[0]).float()[None])
    assert result.of(0) == pytest.approx(output[0].detach().numpy())
    assert result.gates == {}
    assert np.isnan(result.memory_share).all()
    assert "memory" not in str(result)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["input"] == [None] * 6


def test_frames_are_wide_or_long() -> None:
    """One row a step, or one a step and unit; the values are the same."""
    result = states(Net(LSTM(3, 5, batch_first=True)), sequences())
    wide, long = result.to_frame(), result.to_frame(wide=False)
    assert len(wide) == sum(LENGTHS)
    assert len(long) == 5 * len(wide)
    gates = ["input", "forget", "cell", "output", "cell_state"]
    assert long.columns.tolist() == ["sequence", "step", "unit", "state", *gates]
    one = long[(long["sequence"] == 1) & (long["step"] == 3) & (long["unit"] == 2)].iloc[0]
    row = wide[(wide["sequence"] == 1) & (wide["step"] == 3)].iloc[0]
    assert (one["state"], one["forget"]) == (row["state_2"], row["forget_2"])
    assert wide.columns[-6:].tolist() == ["input", "memory", "memory_share", "pc1", "pc2", "pc3"]


def test_the_record_converts_to_frame_and_json() -> None:
    """A sentence; JSON; a sequence's heat map by its number."""
    result = states(Net(RNN(3, 5, batch_first=True)), sequences())
    assert isinstance(result, StatesResult)
    assert str(result).startswith("The state of the Net has 5 units: over 19 steps of 4 sequences")
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["kind"] == "states"
    assert result.of(1).shape == (7, 5)
    assert not math.isnan(result.memory_share.min())
    with pytest.raises(ArgumentError, match="expected a sequence from 0 to 3, got 9"):
        result.of(9)


def test_a_missing_layer_or_direction_is_refused() -> None:
    """A third layer of two; a direction that the layer has not; a word that is none; no recurrent layer."""
    net, X = Net(GRU(3, 5, num_layers=2, batch_first=True)), sequences()
    with pytest.raises(ArgumentError, match="states layer: expected a whole number from 1 to 2, got 3"):
        states(net, X, layer=3)
    with pytest.raises(ArgumentError, match="this layer runs forward only"):
        states(net, X, direction="reverse")
    with pytest.raises(ArgumentError, match="Did you mean 'reverse'"):
        states(net, X, direction="reversed")
    with pytest.raises(ArgumentError, match="expected one with a recurrent layer"):
        states(nn.Linear(3, 1), X)


def test_long_work_shows_how_long_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal, while the work goes on."""
    draw_progress_at_once(monkeypatch)
    states(Net(GRU(3, 4, num_layers=2, batch_first=True)), sequences())
    shown = capsys.readouterr().err
    assert re.search(r"states 0/3 batches, \d+:\d\d left", shown), shown
