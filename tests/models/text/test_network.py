"""The network of texts: an embedding in front of a sequence network."""

import numpy as np
import pytest
import torch

from unrolled.data.text.documents import as_documents
from unrolled.data.text.tokenizer import Tokenizer
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.models.sequence.labels import weighted_cross_entropy
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.models.text.dataset import TextDataset
from unrolled.models.text.encoder import TokenEncoder
from unrolled.models.text.network import TextNetwork, TextNetworkConfig

DATA = as_documents(["a b c a", "b", "c a"], Tokenizer("word")).sequences
REVERSED = as_documents(["a c b a"], Tokenizer("word")).sequences
ENCODER = TokenEncoder(Vocabulary(("a", "b")), n_buckets=20)


def _network(**settings: object) -> TextNetwork:
    torch.manual_seed(0)
    options: dict[str, object] = {
        "embedding_size": 6,
        "hidden_size": 5,
        "bidirectional": True,
        "pooling": "last+mean+max",
    }
    options |= {"n_words": 3, "n_buckets": 20, "n_bigram_buckets": 30}
    network = TextNetwork(TextNetworkConfig(output_size=2, **options | settings))
    assert network.bigrams is not None
    torch.nn.init.normal_(network.bigrams.weight)
    return network


@pytest.mark.parametrize("per_step", [False, True])
def test_padding_changes_no_output(per_step: bool) -> None:
    """A text alone has the outputs that it has among longer ones."""
    network = _network(per_step=per_step).eval()
    dataset = TextDataset.from_sequences(DATA, ENCODER, per_step=per_step)
    whole = dataset.batch(torch.arange(3))
    together = network(whole.tokens, whole.sequences.lengths)
    for row, length in enumerate((4, 1, 2)):
        alone = dataset.batch(torch.tensor([row, row]))
        outputs = network(alone.tokens, alone.sequences.lengths)[0]
        expected = together[row, :length] if per_step else together[row]
        torch.testing.assert_close(outputs, expected)
    if per_step:
        assert together[1, 1:].abs().sum() == 0


def test_vectors_in_place_of_tokens_give_the_same_outputs() -> None:
    """The probes change them."""
    network = _network().eval()
    batch = TextDataset.from_sequences(DATA, ENCODER).batch(torch.arange(3))
    vectors = network.token_vectors(batch.tokens)
    lengths = batch.sequences.lengths
    assert torch.equal(network(vectors, lengths), network(batch.tokens, lengths))


def test_exchanged_vectors_are_other_pairs_of_words() -> None:
    """What pairs say follows the order that a probe makes."""
    network = _network().eval()
    torch.nn.init.zeros_(network.body.head.weight)
    batch = TextDataset.from_sequences(DATA, ENCODER).batch(torch.arange(1))
    lengths, reverse = batch.sequences.lengths, TextDataset.from_sequences(REVERSED, ENCODER)
    expected = network(reverse.batch(torch.arange(1)).tokens, lengths)
    outputs = network(network.token_vectors(batch.tokens).flip(1), lengths)
    torch.testing.assert_close(outputs, expected)
    assert not torch.isclose(outputs, network(batch.tokens, lengths)).all()


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("on_kernels", [False, True])
def test_the_gradient_of_the_loss_is_autograds(
    per_step: bool, on_kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through readout, recurrence and embedding, label smoothing included; on the kernels and without."""
    network = _network(word_dropout=0.0, per_step=per_step)
    assert network.body.trains_without_autograd(torch.zeros(3, 4, 6))
    if not on_kernels:
        monkeypatch.setattr(SequenceNetwork, "trains_without_autograd", lambda *_: False)
    targets = torch.tensor([1, 0, 1, 0, 1, 0, 1] if per_step else [1, 0, 1])
    batch = TextDataset.from_sequences(DATA, ENCODER, targets, per_step=per_step).batch(torch.arange(3))
    criterion = weighted_cross_entropy(np.ones(2), len(targets) / 3, "cpu", smoothing=0.1)
    loss = network.loss(batch, criterion)
    assert loss.backward is not None
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    network.zero_grad()
    outputs = network(batch.tokens, batch.sequences.lengths)
    targets = batch.sequences.targets.flatten()
    expected = torch.nn.functional.cross_entropy(
        outputs.flatten(0, -2), targets, ignore_index=-1, label_smoothing=0.1
    )
    torch.testing.assert_close(loss.value, expected.detach())
    expected.backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, msg=name)


def test_a_frozen_embedding_takes_no_gradient() -> None:
    """What reads it still learns."""
    network = _network()
    network.embedding.requires_grad_(requires_grad=False)
    batch = TextDataset.from_sequences(DATA, ENCODER, torch.tensor([1, 0, 1])).batch(torch.arange(3))
    loss = network.loss(batch, weighted_cross_entropy(np.ones(2), 1.0, "cpu", smoothing=0.0))
    assert loss.backward is not None
    loss.backward()
    assert all(parameter.grad is None for parameter in network.embedding.parameters())
    assert all(parameter.grad is not None for parameter in network.body.parameters())
