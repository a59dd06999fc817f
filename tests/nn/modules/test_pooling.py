"""Pooling against its definitions; padding; Standardize."""

import pytest
import torch

from unrolled.nn.modules.pooling import POOLINGS, Pooling, Standardize


def _states() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(4, 7, 6, dtype=torch.float64), torch.tensor([7, 1, 0, 4])


@pytest.mark.parametrize("way", POOLINGS)
def test_each_pooling_equals_its_definition(way: str) -> None:
    """Sequence by sequence, over its own steps."""
    states, lengths = _states()
    torch.manual_seed(1)
    pool = Pooling(way, 6).double()
    for row, (row_states, length) in enumerate(zip(states, lengths.tolist(), strict=True)):
        pooled, steps = pool(states, lengths)[row], row_states[:length]
        if not length:
            assert torch.equal(pooled, torch.zeros(6, dtype=torch.float64))
        elif way == "attention":
            shares = pool.attention_score(torch.tanh(pool.attention_hidden(steps))).softmax(0)
            torch.testing.assert_close(pooled, (shares * steps).sum(0))
        else:
            expected = {"last": steps[-1], "mean": steps.mean(0), "max": steps.amax(0)}[way]
            torch.testing.assert_close(pooled, expected)


@pytest.mark.parametrize("padding", [1e6, float("nan")])
@pytest.mark.parametrize("way", POOLINGS)
def test_padding_does_not_change_the_pooling(way: str, padding: float) -> None:
    """However large its states are, and if they are none."""
    states, lengths = _states()
    longer = torch.full((4, 9, 6), padding, dtype=torch.float64)
    for row, length in enumerate(lengths.tolist()):
        longer[row, :length] = states[row, :length]
    pool = Pooling(way, 6).double()
    torch.testing.assert_close(pool(longer, lengths), pool(states, lengths))


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("way", ["last", "mean", "max", "max+last", "last+mean+max"])
@pytest.mark.parametrize(("width", "bidirectional"), [(1, False), (16, False), (37, False), (18, True)])
def test_the_kernels_equal_torchs_operators(way: str, ragged: bool, width: int, bidirectional: bool) -> None:
    """Forward and the gradient of the states; equal maxima among them, and what lies beyond a length."""
    torch.manual_seed(3)
    states = torch.randint(-2, 3, (5, 11, width)).float()
    lengths = torch.tensor([11, 1, 7, 0, 10]) if ragged else torch.full((5,), 11)
    pool, leaf = Pooling(way, width, bidirectional=bidirectional), states.clone().requires_grad_()
    plain = pool(leaf, lengths)
    d_pooled = torch.randn(plain.shape)
    plain.backward(d_pooled)
    fused, backward = pool.vjp(states.transpose(0, 1).contiguous(), lengths if ragged else None)
    torch.testing.assert_close(fused, plain)
    torch.testing.assert_close(backward(d_pooled).transpose(0, 1), leaf.grad)


def test_what_the_kernels_cannot_pool_has_no_vjp() -> None:
    """Weights, a pooling that comes twice, whose second place they would leave unwritten, hooks."""
    assert Pooling("last+mean+max", 6, bidirectional=True).has_vjp
    assert not Pooling("last+attention", 6).has_vjp
    assert not Pooling("mean+last+mean", 6).has_vjp
    hooked = Pooling("mean", 6)
    hooked.register_forward_hook(lambda *_: None)
    assert not hooked.has_vjp


def test_joined_poolings_are_concatenated() -> None:
    """In the order in which they are named."""
    states, lengths = _states()
    parts = [Pooling(way, 6)(states, lengths) for way in ("max", "last")]
    assert torch.equal(Pooling("max+last", 6)(states, lengths), torch.cat(parts, 1))


def test_last_state_of_the_reverse_direction_is_at_step_0() -> None:
    """There the second direction has read everything."""
    states, lengths = _states()
    pooled = Pooling("last", 6, bidirectional=True)(states, lengths)
    assert torch.equal(pooled[3], torch.cat([states[3, 3, :3], states[3, 0, 3:]]))
    assert torch.equal(pooled[2], torch.zeros(6, dtype=torch.float64))


def test_nearly_constant_features_become_zero() -> None:
    """Dividing by next to nothing would blow rounding up to a feature."""
    scaled = Standardize(3)
    scaled.set_statistics(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 1e-4, 0.0]))
    assert scaled(torch.tensor([[11.0, 5.0, 5.0]])).tolist() == [[1.0, 0.0, 0.0]]
