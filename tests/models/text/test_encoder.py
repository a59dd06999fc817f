"""Tokens are looked up once a batch: word, n-grams, the user's vector."""

import json

import torch

from unrolled.data.text.ngrams import ngram_buckets, shape_bucket
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.models.text.encoder import TokenEncoder

ENCODER = TokenEncoder(Vocabulary(("cat", "the"), lowercase=True), n_buckets=50, vector_words=("né", "cat"))
TOKENS = ("The", "Cat", "né", "dog")


def _bag(token: str) -> list[int]:
    return [*ngram_buckets(token, 50), shape_bucket(token, 50)]


def test_a_table_holds_words_ngrams_and_vectors_of_each_token() -> None:
    """Case is folded, but for shapes; the last row, padding, has nothing."""
    table = ENCODER.table(TOKENS)
    assert table.words.tolist() == [2, 1, 0, 0, 0]
    assert table.vectors.tolist() == [0, 2, 1, 0, 0]
    bags = [table.ngrams[a:b].tolist() for a, b in table.ngram_offsets.unfold(0, 2, 1).tolist()]
    assert bags == [*map(_bag, TOKENS), []]


def test_a_batch_looks_each_distinct_token_up_once() -> None:
    """And says where each stands."""
    table = ENCODER.table(TOKENS)
    batch = table.batch(torch.tensor([[3, 1, 3], [1, 4, 4]]))
    assert batch.words.tolist() == [1, 0, 0]
    assert batch.places.tolist() == [[1, 0, 1], [0, 2, 2]]
    bags = [batch.ngrams[a:b].tolist() for a, b in batch.ngram_offsets.unfold(0, 2, 1).tolist()]
    assert bags == [_bag("Cat"), _bag("dog"), []]


def test_a_word_is_known_behind_a_space_too() -> None:
    """As words of a language model are, which hold the space before them."""
    encoder = TokenEncoder(Vocabulary((" film", "film", " so")))
    assert encoder.table(["film", " film", "so", "dog"]).words.tolist() == [2, 1, 3, 0, 0]


def test_json_holds_all_of_an_encoder() -> None:
    """Saved models hold no code."""
    assert TokenEncoder.from_dict(json.loads(json.dumps(ENCODER.to_dict()))) == ENCODER
