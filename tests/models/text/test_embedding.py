"""A token is its word's vector, plus those of its n-grams, beside the user's."""

from dataclasses import replace

import pytest
import torch

from unrolled.data.text.vocabulary import Vocabulary
from unrolled.models.text.embedding import EmbeddingConfig, TokenEmbedding
from unrolled.models.text.encoder import TokenEncoder

ENCODER = TokenEncoder(Vocabulary(("cat", "the")), n_buckets=50, vector_words=("dog",))
TABLE = ENCODER.table(("the", "cat", "dog"))
CONFIG = EmbeddingConfig(n_words=3, n_buckets=50, embedding_size=4, n_vectors=2, vector_size=3)


def _embedding(config: EmbeddingConfig = CONFIG) -> TokenEmbedding:
    torch.manual_seed(0)
    embedding = TokenEmbedding(config)
    if config.n_vectors:
        embedding.vectors[1] = torch.tensor([1.0, 2.0, 3.0])
    return embedding.eval()


@pytest.mark.parametrize("mode", ["mean", "sum"])
def test_the_vector_of_a_token_is_the_formula(mode: str) -> None:
    """Written out for each token; padding is zero."""
    embedding = _embedding(replace(CONFIG, ngram_mode=mode))
    looked_up = embedding(TABLE.batch(torch.tensor([[0, 2, 3]])))[0]
    for vector, token, word in zip(looked_up, (0, 2), (2, 0), strict=False):
        bag = TABLE.ngrams[TABLE.ngram_offsets[token] : TABLE.ngram_offsets[token + 1]]
        expected = embedding.words.weight[word] + getattr(embedding.ngrams.weight[bag], mode)(0)
        torch.testing.assert_close(vector[:4], expected)
    assert looked_up[:, 4:].tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0]]
    assert looked_up[2].tolist() == [0] * 7


def test_the_unknown_word_and_the_users_vectors_are_not_trained() -> None:
    """A word outside the vocabulary is its n-grams alone, whatever was learned."""
    embedding = _embedding()
    embedding(TABLE.batch(torch.tensor([[1, 2]]))).square().sum().backward()
    gradient = embedding.words.weight.grad
    assert gradient is not None
    assert gradient[0].tolist() == [0] * 4
    assert gradient[1].abs().sum() > 0
    assert "vectors" not in dict(embedding.named_parameters())


def test_word_dropout_hides_whole_words_in_training_alone() -> None:
    """About the share that was asked for; the others keep their size."""
    embedding = _embedding(EmbeddingConfig(n_words=3, n_buckets=50, embedding_size=4, word_dropout=0.3))
    tokens = TABLE.batch(torch.randint(0, 3, (50, 40)))
    whole = embedding(tokens)
    embedding.train()
    trained = embedding(tokens)
    is_hidden = (trained == 0).all(-1)
    assert 0.25 < is_hidden.float().mean() < 0.35
    assert torch.equal(trained[~is_hidden], whole[~is_hidden])


def test_some_words_are_read_by_their_ngrams_alone_in_training() -> None:
    """So that n-grams learn to stand for words never seen."""
    config = EmbeddingConfig(n_words=3, n_buckets=50, embedding_size=4, unknown_dropout=0.3)
    embedding = _embedding(config)
    tokens = TABLE.batch(torch.zeros(50, 40, dtype=torch.int64))
    whole = embedding(tokens)[0, 0]
    spelling = whole - embedding.words.weight[2]
    embedding.train()
    trained = embedding(tokens)
    is_alone = torch.isclose(trained, spelling, atol=1e-6).all(-1)
    assert 0.25 < is_alone.float().mean() < 0.35
    torch.testing.assert_close(trained[~is_alone], whole.expand_as(trained[~is_alone]))


@pytest.mark.parametrize("mode", ["mean", "sum"])
@pytest.mark.parametrize(
    "rates", [{}, {"unknown_dropout": 0.4, "word_dropout": 0.2, "embedding_dropout": 0.3}]
)
@pytest.mark.parametrize("options", [{}, {"n_vectors": 0, "vector_size": 0, "n_buckets": 0}])
def test_the_way_back_adds_the_gradients_of_autograd(
    mode: str, rates: dict[str, float], options: dict[str, int]
) -> None:
    """With the same draws; to what `.grad` held, and to no row that was not looked up."""
    embedding = _embedding(replace(CONFIG, ngram_mode=mode, **rates, **options)).train()
    for parameter in embedding.parameters():
        torch.nn.init.normal_(parameter)
    tokens = TABLE.batch(torch.randint(0, 4, (5, 7)))
    torch.manual_seed(1)
    expected = embedding(tokens)
    d_vectors = torch.randn_like(expected)
    expected.backward(d_vectors)
    gradients = [parameter.grad for parameter in embedding.parameters()]
    torch.manual_seed(1)
    embedding.zero_grad()
    assert embedding.has_vjp
    vectors, backward = embedding.vjp(tokens)
    assert torch.equal(vectors, expected)
    backward(d_vectors)
    backward(d_vectors)
    for parameter, gradient in zip(embedding.parameters(), gradients, strict=True):
        assert gradient is not None
        torch.testing.assert_close(parameter.grad, 2 * gradient)
