"""A regression on TF-IDF adds to the outputs by the formula, whatever pads a text."""

import torch

from unrolled.nn.modules.tfidf import TfidfOutputs

WORDS, LENGTHS = torch.tensor([[3, 1, 0, 2], [1, 4, 4, 4], [2, 2, 4, 1]]), torch.tensor([4, 1, 3])
NGRAMS, OFFSETS = torch.tensor([0, 5, 5, 2, 9]), torch.tensor([0, 2, 3, 3, 4, 5])  # of words 0 to 4
OUTPUTS = torch.tensor([[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]], dtype=torch.float64)


def _tfidf() -> TfidfOutputs:
    torch.manual_seed(0)
    tfidf = TfidfOutputs(5, 40, 10, 2)
    for buffer in tfidf.buffers():
        buffer.copy_(torch.rand_like(buffer))
    return tfidf


def _expected(tfidf: TfidfOutputs, outputs: torch.Tensor, words: list[int]) -> torch.Tensor:
    """Add up what each feature of a text says, one by one."""
    sums = [torch.zeros(3, dtype=torch.float64) for _ in range(2)]
    for before, word in zip([5, *words], words, strict=False):
        for row in (word, 5 + (before * 1_000_003 + word * 7_919) % 40):
            sums[0] += tfidf.weight[row].double()
        for ngram in NGRAMS[OFFSETS[word] : OFFSETS[word + 1]]:
            sums[1] += tfidf.ngram_weight[ngram].double()
    longest = tfidf.longest.double().flatten()
    says = sum(
        each[:2] / max(each[2].clamp(min=1e-9) ** 0.5, each[2] / most**0.5)
        for each, most in zip(sums, longest, strict=True)
    )
    return tfidf.scale.double() * (outputs + tfidf.bias.double() + says)


def test_the_outputs_follow_the_formula() -> None:
    """Each block of features has a norm of its own; what stands beyond a length counts for nothing."""
    tfidf = _tfidf()
    spelling = tfidf.spelling(NGRAMS, OFFSETS)[WORDS]
    outputs = tfidf(OUTPUTS, WORDS, spelling, LENGTHS)
    assert outputs.dtype == torch.float64
    for row, (words, length) in enumerate(zip(WORDS.tolist(), LENGTHS.tolist(), strict=True)):
        torch.testing.assert_close(outputs[row], _expected(tfidf, OUTPUTS[row], words[:length]))


def test_steps_of_a_stream_sum_to_those_of_the_text() -> None:
    """To the bit."""
    tfidf = _tfidf()
    spelling = tfidf.spelling(NGRAMS, OFFSETS)[WORDS].double()
    sums = torch.zeros(2, 3, dtype=torch.float64)
    for step in range(4):
        before = torch.tensor(5) if step == 0 else WORDS[0, step - 1]
        sums += tfidf.steps(before, WORDS[0, step], spelling[0, step])
    expected = tfidf(OUTPUTS[:1], WORDS[:1], spelling[:1], LENGTHS[:1])[0]
    assert torch.equal(tfidf.add(OUTPUTS[0], sums), expected)


def test_a_text_longer_than_any_fitted_on_counts_by_its_mean() -> None:
    """Its log odds do not grow with its length."""
    tfidf = _tfidf()
    tfidf.longest.fill_(tfidf.weight[:, -1].max())
    words = torch.full((1, 400), 2)
    spelling = torch.zeros(1, 400, 3)
    few, many = (tfidf(OUTPUTS[:1], words, spelling, torch.tensor([length])) for length in (200, 400))
    torch.testing.assert_close(few, many, rtol=0.01, atol=0.01)


def test_a_text_without_a_known_feature_has_the_bias_alone() -> None:
    """No division by zero."""
    tfidf = _tfidf()
    tfidf.weight.zero_()
    tfidf.ngram_weight.zero_()
    outputs = tfidf(OUTPUTS, WORDS, torch.zeros(3, 4, 3), LENGTHS)
    torch.testing.assert_close(outputs, tfidf.scale.double() * (OUTPUTS + tfidf.bias))
