"""LanguageNetwork: its formula, carried state, resets, and a loss that equals torch's with its penalties."""

import pytest
import torch
from torch.nn import functional as F

from unrolled.models.text.language.dataset import NO_TARGET, StreamBatch
from unrolled.models.text.language.network import LanguageNetwork, LanguageNetworkConfig

CELLS = ("lstm", "gru", "rnn")


def _network(**settings: object) -> LanguageNetwork:
    torch.manual_seed(0)
    options = {"n_tokens": 11, "embedding_size": 5, "hidden_size": 7, "num_layers": 2} | settings
    return LanguageNetwork(LanguageNetworkConfig(**options))  # type: ignore[arg-type]


def _batch(T: int = 9, B: int = 3) -> StreamBatch:
    torch.manual_seed(1)
    targets = torch.randint(11, (T, B))
    targets[-1, 0] = NO_TARGET
    return StreamBatch(torch.randint(11, (T, B)), targets, None)


@pytest.mark.parametrize("cell", CELLS)
def test_two_windows_equal_one_run(cell: str) -> None:
    """With the state handed from one to the next, to the bit."""
    network, tokens = _network(cell=cell).eval(), _batch().tokens
    whole, state = network(tokens)
    first, between = network(tokens[:4])
    second, last = network(tokens[4:], between)
    assert torch.equal(torch.cat([first, second]), whole)
    assert all(torch.equal(a, b) for a, b in zip(state, last, strict=True))
    assert [part.shape for part in state] == [part.shape for part in network.initial_state(3)]


@pytest.mark.parametrize("cell", CELLS)
def test_a_reset_begins_from_zeros(cell: str) -> None:
    """What follows it is as without what came before."""
    network, tokens = _network(cell=cell).eval(), _batch().tokens
    resets = torch.zeros(3, 9, dtype=torch.bool)
    resets[:, 5] = True
    torch.testing.assert_close(network(tokens, None, resets)[0][5:], network(tokens[5:])[0])


@pytest.mark.parametrize("tied", [False, True])
def test_loss_equals_its_formula(tied: bool) -> None:
    """Cross-entropy of the readout, and the penalties in the gradient alone."""
    network, batch = _network(tied_weights=tied, activation_penalty=2.0, slowness_penalty=3.0), _batch()
    loss = network.loss(batch, None)
    outputs, _ = network(batch.tokens)
    features = outputs if network.projection is None else network.projection(outputs)
    assert (network.projection is None) is not tied
    weight = network.embedding.weight if tied else network.readout_weight
    logits = features @ weight.t() + network.readout_bias
    value = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=NO_TARGET)
    torch.testing.assert_close(loss.value, value.detach())
    assert loss.n_targets == 26
    penalties = 2 * outputs.square().mean() + 3 * (outputs[1:] - outputs[:-1]).square().mean()
    parameters = list(network.parameters())
    expected = torch.autograd.grad(value + penalties, parameters)
    loss.backward()
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_tied_weights_of_one_size_need_no_projection() -> None:
    """The embedding is the readout."""
    network = _network(embedding_size=7)
    assert network.projection is None
    assert network.readout[0] is network.embedding.weight


@pytest.mark.parametrize("option", ["dropout", "embedding_dropout", "weight_dropout"])
def test_every_dropout_matters_in_training_alone(option: str) -> None:
    """Two calls differ in training, and are equal in evaluation."""
    network, tokens = _network(**{option: 0.5}), _batch().tokens
    assert not torch.equal(network(tokens)[0], network(tokens)[0])
    network.eval()
    assert torch.equal(network(tokens)[0], network(tokens)[0])


def test_a_batch_without_targets_has_a_loss_of_nothing() -> None:
    """As the last windows of a validation text may be."""
    batch = _batch()._replace(targets=torch.full((9, 3), NO_TARGET))
    loss = _network().loss(batch, None)
    assert (float(loss.value), loss.n_targets) == (0.0, 0)


def test_embeddings_begin_as_wide_as_what_reads_them_wants() -> None:
    """Normal where a layer reads them alone, small where they are the readout too."""
    untied = _network(n_tokens=200, embedding_size=50, tied_weights=False).embedding.weight.detach()
    assert float(untied.std()) == pytest.approx(1, abs=0.05)
    assert float(_network(n_tokens=200, embedding_size=50).embedding.weight.detach().abs().max()) <= 0.1
