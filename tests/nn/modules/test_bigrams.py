"""Pairs of words add to the outputs by the formula, whatever pads them."""

import pytest
import torch

from unrolled.nn.modules.bigrams import SCALE, STEP_SCALE, BigramOutputs

WORDS, LENGTHS = torch.tensor([[3, 1, 0, 2], [1, 4, 4, 4], [2, 2, 4, 1]]), torch.tensor([4, 1, 3])


def _bigrams(dropout: float = 0.0, **of_words: bool) -> BigramOutputs:
    torch.manual_seed(0)
    bigrams = BigramOutputs(5, 40, 2, dropout=dropout, **of_words)
    torch.nn.init.normal_(bigrams.weight)
    return bigrams


def _pair_steps(bigrams: BigramOutputs, words: list[int]) -> torch.Tensor:
    """Look up what each pair of a text says, one by one."""
    return torch.stack(
        [bigrams.steps(*map(torch.tensor, pair)) for pair in zip([5, *words], words, strict=False)]
    )


def test_the_outputs_are_the_mean_of_the_pairs_scaled() -> None:
    """The first word makes a pair with the beginning; what stands beyond a length counts for nothing."""
    bigrams = _bigrams()
    outputs = bigrams(WORDS, LENGTHS)
    for output, words, length in zip(outputs, WORDS.tolist(), LENGTHS.tolist(), strict=True):
        torch.testing.assert_close(output, SCALE * _pair_steps(bigrams, words[:length]).mean(0))
    torch.testing.assert_close(bigrams.precise(WORDS, LENGTHS).float(), outputs)


@pytest.mark.parametrize("both_sides", [False, True])
def test_the_outputs_of_a_word_are_its_pairs_scaled(both_sides: bool) -> None:
    """That with the word before, and where asked for that with the next; the last word has none."""
    bigrams = _bigrams(per_step=True, both_sides=both_sides)
    outputs = bigrams(WORDS, LENGTHS)
    assert outputs.shape == (3, 4, 2)
    for output, words, length in zip(outputs, WORDS.tolist(), LENGTHS.tolist(), strict=True):
        steps = _pair_steps(bigrams, words[:length])
        expected = steps[:, :2]
        if both_sides:
            expected = torch.cat([steps[:-1, :2] + steps[1:, 2:], steps[-1:, :2]])
        torch.testing.assert_close(output[:length], STEP_SCALE * expected)
        assert not output[length:].any()
    torch.testing.assert_close(bigrams.precise(WORDS, LENGTHS).float(), outputs)


def test_the_order_of_two_words_counts() -> None:
    """And whether a word is the first."""
    weights = _bigrams().steps(torch.tensor([1, 2, 5]), torch.tensor([2, 1, 1]))
    assert len(weights.unique(dim=0)) == 3


@pytest.mark.parametrize("of_words", [{}, {"per_step": True}, {"per_step": True, "both_sides": True}])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_way_back_adds_the_gradient_of_autograd(dropout: float, of_words: dict[str, bool]) -> None:
    """To what `.grad` held, with the same draws."""
    bigrams = _bigrams(dropout, **of_words).train()
    torch.manual_seed(1)
    outputs = bigrams(WORDS, LENGTHS)
    d_outputs = torch.randn_like(outputs)
    outputs.backward(d_outputs)
    gradient = bigrams.weight.grad
    assert gradient is not None
    bigrams.weight.grad = None
    assert bigrams.has_vjp
    torch.manual_seed(1)
    value, backward = bigrams.vjp(WORDS, LENGTHS)
    assert torch.equal(value, outputs)
    backward(d_outputs)
    backward(d_outputs)
    torch.testing.assert_close(bigrams.weight.grad, 2 * gradient)


def test_dropout_hides_pairs_in_training_alone() -> None:
    """About the share that was asked for; the others keep their size."""
    bigrams, words, lengths = _bigrams(0.3), torch.full((40, 50), 2), torch.full((40,), 50)
    torch.nn.init.ones_(bigrams.weight)
    share = bigrams.train()(words, lengths).mean() / SCALE
    assert 0.65 < share < 0.75
    assert (bigrams.eval()(words, lengths) == SCALE).all()


def test_a_frozen_weight_takes_the_way_of_autograd() -> None:
    """Its gradient is none."""
    bigrams = _bigrams()
    bigrams.weight.requires_grad_(requires_grad=False)
    assert not bigrams.has_vjp
