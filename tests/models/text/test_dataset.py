"""Datasets of texts: batches padded and looked up, the shortest first where order does not matter."""

import torch

from unrolled.data.text.documents import as_documents
from unrolled.data.text.tokenizer import Tokenizer
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.models.text.dataset import TextDataset
from unrolled.models.text.encoder import TokenEncoder

DATA = as_documents(["a b c a", "b", "c a"], Tokenizer("word")).sequences
ENCODER = TokenEncoder(Vocabulary(("a", "b")), n_buckets=20)


def test_a_batch_is_padded_with_a_token_that_has_nothing() -> None:
    """Beyond a text's end there is neither word nor n-gram."""
    tokens, sequences = TextDataset.from_sequences(DATA, ENCODER, torch.tensor([7, 8, 9])).batch(
        torch.tensor([1, 2])
    )
    assert sequences.lengths.tolist() == [1, 2]
    assert sequences.targets.tolist() == [8, 9]
    assert tokens.words[tokens.places].tolist() == [[2, 0], [0, 1]]
    bags = tokens.ngram_offsets.diff()[tokens.places].tolist()
    assert bags == [[2, 0], [2, 2]]  # "<b>" and its shape


def test_targets_a_token_are_padded_with_minus_one() -> None:
    """Which is no class: the loss leaves it out."""
    dataset = TextDataset.from_sequences(DATA, ENCODER, torch.arange(7), per_step=True)
    assert dataset.batch(torch.tensor([2, 1])).sequences.targets.tolist() == [[5, 6], [4, -1]]


def test_the_shortest_text_comes_first() -> None:
    """A validation in order is padded little."""
    dataset = TextDataset.from_sequences(DATA, ENCODER).by_length()
    assert dataset.sequences.lengths.tolist() == [1, 2, 4]
    assert [rows.tolist() for rows in dataset.length_batches()] == [[0, 1, 2]]


def test_a_fingerprint_depends_on_tokens_and_on_what_they_look_up() -> None:
    """A checkpoint of another vocabulary is not resumed."""
    one = TextDataset.from_sequences(DATA, ENCODER)
    other = TextDataset.from_sequences(DATA, TokenEncoder(Vocabulary(("b", "a")), n_buckets=20))
    digests = {one.fingerprint("s"), one.fingerprint("t"), other.fingerprint("s")}
    assert len(digests) == 3
    assert one.fingerprint("s") == TextDataset.from_sequences(DATA, ENCODER).fingerprint("s")
