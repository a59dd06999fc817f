"""The network is causal, ignores padding and is the sum of its parts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import torch

from unrolled.models.sequence.dataset import SequenceBatch
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig

CONFIG = SequenceNetworkConfig(
    input_size=3, output_size=2, hidden_size=6, pooling="last+mean+max",
    stem_channels=8, stem_scales=2, memory_steps=9,
)  # fmt: skip
RECURRENT = ("rnn", "gru", "lstm")


def _network(**changes: object) -> SequenceNetwork:
    torch.manual_seed(0)
    return SequenceNetwork(replace(CONFIG, **changes)).eval()


def _sequences() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(4, 11, 3), torch.tensor([11, 2, 5, 9])


@pytest.mark.parametrize(("per_step", "stride"), [(False, 1), (False, 3), (True, 1)])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", [*RECURRENT, "feedforward"])
def test_padding_never_changes_an_output(cell: str, per_step: bool, bidirectional: bool, stride: int) -> None:
    """Neither how much there is nor what stands in it."""
    network = _network(
        cell=cell, per_step=per_step, bidirectional=bidirectional, stem_stride=stride, flat_steps=11
    )
    values, lengths = _sequences()
    longer = torch.full((4, 14, 3), torch.nan)
    for row, length in enumerate(lengths.tolist()):
        longer[row, :length] = values[row, :length]
    outputs, padded = network(values, lengths), network(longer, lengths)
    torch.testing.assert_close(padded[:, :11] if per_step else padded, outputs)
    if per_step:
        assert not outputs[1, 2:].any()


def _criterion(outputs: torch.Tensor, batch: SequenceBatch) -> tuple[torch.Tensor, torch.Tensor]:
    weights = torch.linspace(-1, 1, outputs.numel()).view_as(outputs)
    return (weights * outputs.square()).sum() / 2, weights * outputs


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(
    ("per_step", "stride", "channels"), [(False, 1, 8), (False, 3, 8), (True, 1, 8), (False, 1, 0)]
)
@pytest.mark.parametrize("deeper", [{}, {"num_layers": 2}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize("cell", RECURRENT)
def test_the_way_back_of_the_kernels_is_that_of_autograd(
    cell: str, deeper: dict[str, Any], per_step: bool, stride: int, channels: int, ragged: bool
) -> None:
    """Loss and the gradient of every weight; dropout draws the same mask in both."""
    network = _network(
        cell=cell, per_step=per_step, stem_stride=stride, stem_channels=channels, dropout=0.3, **deeper
    ).train()
    network.standardize.set_statistics(torch.zeros(network.standardize.center.shape), torch.tensor(0.5))
    values, lengths = _sequences()
    batch = SequenceBatch(values, lengths if ragged else torch.full((4,), 11), torch.zeros(4))
    assert network.has_vjp(values)
    results = []
    for fused in (True, False):
        network.zero_grad()
        torch.manual_seed(5)
        with patch.object(SequenceNetwork, "trains_without_autograd", lambda *_, fused=fused: fused):
            loss = network.loss(batch, _criterion)
        loss.backward()
        results.append((loss.value, {name: p.grad for name, p in network.named_parameters()}))
    (value, gradients), (plain, expected) = results
    torch.testing.assert_close(value, plain)
    for name, gradient in expected.items():
        torch.testing.assert_close(
            gradients[name], gradient, atol=1e-6 * float(1 + gradient.abs().max()), rtol=1e-5
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "last+attention"},
        {"cell": "feedforward", "flat_steps": 11},
    ],
)
def test_what_the_kernels_cannot_do_is_left_to_autograd(changes: dict[str, object]) -> None:
    """Attention, no recurrence; and weights that are frozen."""
    values, lengths = _sequences()
    batch = SequenceBatch(values, lengths, torch.zeros(4))
    network = _network(**changes).train()
    assert not network.has_vjp(values)
    network.loss(batch, _criterion).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    frozen = _network()
    frozen.core.weight_hh_l0.requires_grad_(False)
    assert not frozen.has_vjp(values)
    frozen.loss(batch, _criterion).backward()
    assert frozen.core.weight_hh_l0.grad is None


def _freeze_head(network: SequenceNetwork) -> None:
    network.head.weight.requires_grad_(False)


def _parametrize_head(network: SequenceNetwork) -> None:
    torch.nn.utils.parametrizations.weight_norm(network.head)


def _parametrize_stem(network: SequenceNetwork) -> None:
    torch.nn.utils.parametrizations.weight_norm(network.stem)


def _hook_gradient(network: SequenceNetwork) -> None:
    network.core.weight_hh_l0.register_hook(lambda gradient: 2 * gradient)


@pytest.mark.parametrize("change", [_freeze_head, _parametrize_head, _parametrize_stem, _hook_gradient])
def test_gradients_of_a_changed_network_are_autograds(change: Callable[[SequenceNetwork], None]) -> None:
    """A part that is frozen, computed from other weights or hooked; the loss is that of `forward`."""
    values, lengths = _sequences()
    batch = SequenceBatch(values, lengths, torch.zeros(4))
    network = _network()
    assert network.trains_without_autograd(values)
    change(network)
    assert not network.trains_without_autograd(values)
    network.loss(batch, _criterion).backward()
    written = {name: p.grad for name, p in network.named_parameters()}
    network.zero_grad()
    (_criterion(network(values, lengths), batch)[0]).backward()
    for name, parameter in network.named_parameters():
        assert (written[name] is None) == (not parameter.requires_grad)
        if parameter.requires_grad:
            torch.testing.assert_close(written[name], parameter.grad)


@pytest.mark.parametrize("part", ["", "stem", "core", "pool", "standardize", "dropout", "head"])
def test_hooks_of_every_part_are_called(part: str) -> None:
    """In training and, but for the network itself, for features alone."""
    values, lengths = _sequences()
    network, calls = _network(), []
    network.get_submodule(part).register_forward_hook(lambda *_: calls.append(part))
    network.loss(SequenceBatch(values, lengths, torch.zeros(4)), _criterion).backward()
    with torch.no_grad():
        network(values, lengths)
    assert calls == [part, part]


def test_autocast_is_autograds() -> None:
    """The kernels compute in float32, whatever the caller's context says."""
    values, lengths = _sequences()
    network = _network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not network.has_vjp(values)
        network.loss(SequenceBatch(values, lengths, torch.zeros(4)), _criterion).backward()
        with torch.no_grad():
            outputs = network(values, lengths)
    assert outputs.dtype is torch.bfloat16
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*is deprecated", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("stride", [1, 2])
def test_a_graph_of_the_network_reads_its_inputs(stride: int) -> None:
    """Traced or exported without gradients: the kernels would leave constants, or refuse its tensors."""
    values, lengths = _sequences()
    network = _network(stem_stride=stride)
    with torch.no_grad():
        traced = torch.jit.trace(network, (values, lengths), check_trace=False)
        exported = torch.export.export(network, (values, lengths)).module()
        for graph in (traced, exported):
            torch.testing.assert_close(graph(values + 1, lengths), network(values + 1, lengths))


@pytest.mark.parametrize("stride", [1, 2])
def test_lengths_may_be_of_any_whole_numbers(stride: int) -> None:
    """int32, and every second number of others."""
    values, lengths = _sequences()
    network = _network(stem_stride=stride)
    with torch.no_grad():
        expected = network(values, lengths)
        assert torch.equal(network(values, lengths.int()), expected)
        assert torch.equal(network(values, lengths.repeat_interleave(2)[::2]), expected)


@pytest.mark.parametrize("cell", RECURRENT)
def test_an_output_depends_on_no_later_step(cell: str) -> None:
    """With the stem in front."""
    network, (values, lengths) = _network(cell=cell, per_step=True), _sequences()
    altered = values.clone()
    altered[:, 7:] += 1
    one, other = network(values, lengths), network(altered, lengths)
    assert torch.equal(one[:, :7], other[:, :7])
    assert not torch.equal(one[0, 7:], other[0, 7:])


@pytest.mark.parametrize("cell", RECURRENT)
def test_stem_core_and_readout_compose_the_network(cell: str) -> None:
    """Stem, core, then the readout of the states."""
    network, (values, lengths) = _network(cell=cell, stem_stride=2), _sequences()
    inputs, steps = network.core_inputs(values, lengths)
    states, _ = network.core(inputs, lengths=steps)
    assert torch.equal(network.readout(states, steps), network(values, lengths))
    assert str(network.core.explain(inputs, lengths=steps)).startswith("fused")


@pytest.mark.parametrize(("cell", "gate", "sign"), [("gru", 1, 1.0), ("lstm", 1, 1.0), ("lstm", 0, -1.0)])
def test_initial_gate_biases_remember_one_to_memory_steps(cell: str, gate: int, sign: float) -> None:
    """1 / (1 - sigmoid(bias)) steps, log-uniformly; a span of 0 leaves torch's own start."""
    network = _network(cell=cell, hidden_size=400, memory_steps=50)
    bias = sign * network.core.bias_ih_l0[400 * gate : 400 * (gate + 1)]
    steps = (1 / (1 - torch.sigmoid(bias))).log()
    assert 1 <= steps.exp().min() < 1.2
    assert 45 < steps.exp().max() <= 50
    assert steps.mean().exp().item() == pytest.approx(50**0.5, rel=0.1)
    bound = 400**-0.5
    assert _network(cell=cell, hidden_size=400, memory_steps=0).core.bias_ih_l0.abs().max() <= bound


def test_initial_recurrent_weights_are_orthogonal() -> None:
    """Gate by gate, so that no product of them grows or dies."""
    weight = _network().core.weight_hh_l0
    for gate in weight.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)


def test_dropout_acts_in_training_alone() -> None:
    """In front of the head."""
    network, (values, lengths) = _network(dropout=0.5), _sequences()
    assert torch.equal(network(values, lengths), network(values, lengths))
    network.train()
    assert not torch.equal(network(values, lengths), network(values, lengths))
