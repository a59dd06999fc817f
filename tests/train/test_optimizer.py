"""AdamW with clipping is torch's two calls, in one."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from unrolled.train.optimizer import AdamW, ParameterGroup

SHAPES = [(7, 3), (7,), (1, 7), ()]


def _parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    chance = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, dtype=dtype, generator=chance)) for shape in SHAPES]


def _gradients(steps: int, scale: float) -> Iterator[list[torch.Tensor]]:
    chance = torch.Generator().manual_seed(1)
    for _ in range(steps):
        yield [scale * torch.randn(shape, dtype=torch.float64, generator=chance) for shape in SHAPES]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernels", "torch"])
@pytest.mark.parametrize("scale", [0.01, 100.0], ids=["short gradients", "long gradients"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_it_is_what_torch_does(scale: float, clip_norm: float | None, dtype: torch.dtype) -> None:
    """The same weights after 20 steps with a rate that changes, weight decay and clipping."""
    ours, theirs = _parameters(dtype), _parameters(dtype)
    optimizer = AdamW([ParameterGroup(ours)], learning_rate=0.1, weight_decay=0.02, clip_norm=clip_norm)
    rival = torch.optim.AdamW(theirs, lr=0.1, weight_decay=0.02)
    for step, gradients in enumerate(_gradients(20, scale)):
        optimizer.learning_rate = rival.param_groups[0]["lr"] = 0.1 / (1 + step)
        for one, other, gradient in zip(ours, theirs, gradients, strict=True):
            one.grad, other.grad = gradient.to(dtype), gradient.to(dtype)
        optimizer.step()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(theirs, clip_norm)
        rival.step()
    for one, other in zip(ours, theirs, strict=True):
        # torch adds 1e-6 to the norm that it divides by
        torch.testing.assert_close(one, other, rtol=2e-6, atol=2e-6)


def test_a_parameter_without_gradient_stays() -> None:
    """As with torch: neither moved nor decayed, and its count of steps stands still."""
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = AdamW([ParameterGroup([first, second])], learning_rate=0.1, weight_decay=0.5)
    first.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(second, torch.ones(2))
    second.grad = torch.ones(2)
    optimizer.zero_grad()
    assert second.grad is None
    second.grad = torch.ones(2)
    optimizer.step()
    # a first step of Adam is one rate long, decayed before: 1 - .1 * .5 - .1
    torch.testing.assert_close(second.detach(), torch.full((2,), 0.85))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernels", "torch"])
def test_a_group_that_starts_later_stays_until_then(dtype: torch.dtype) -> None:
    """Neither moved nor decayed before its share of the training is done, while others are."""
    first, second = nn.Parameter(torch.ones(2, dtype=dtype)), nn.Parameter(torch.ones(3, dtype=dtype))
    groups = [ParameterGroup([first]), ParameterGroup([second], start=0.5)]
    optimizer = AdamW(groups, learning_rate=0.1, weight_decay=0.5)
    for progress in (0.0, 0.25, 0.5):
        assert torch.equal(second, torch.ones_like(second))
        first.grad, second.grad = torch.ones_like(first), torch.ones_like(second)
        optimizer.progress = progress
        optimizer.step()
    assert (first < 0.7).all()
    torch.testing.assert_close(second.detach(), torch.full_like(second, 0.85))


def test_no_gradient_at_all_is_no_step() -> None:
    """Nothing moves and nothing fails."""
    weight = nn.Parameter(torch.ones(2))
    AdamW([ParameterGroup([weight])], learning_rate=0.1, clip_norm=1.0).step()
    assert torch.equal(weight, torch.ones(2))


def test_a_state_of_another_network_is_refused() -> None:
    """A moment that is missing is named."""
    one, two = _parameters()[:1], _parameters()
    saved = AdamW([ParameterGroup(one)], learning_rate=0.1).tensors()
    with pytest.raises(KeyError, match=r"optimizer\.1\.exp_avg"):
        AdamW([ParameterGroup(two)], learning_rate=0.1).load_tensors(saved)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernels", "torch"])
def test_parameters_share_memory_until_they_are_released(dtype: torch.dtype) -> None:
    """One flat tensor for all of them; afterwards each is where and as it was, with its new value."""
    parameters = [*_parameters(dtype), nn.Parameter(torch.ones(3, 2, dtype=dtype).t())]
    before = [(p.data_ptr(), p.stride()) for p in parameters]
    optimizer = AdamW([ParameterGroup(parameters)], learning_rate=0.1)
    assert len({parameter.untyped_storage().data_ptr() for parameter in parameters}) == 1
    sum(parameter.sum() for parameter in parameters).backward()
    optimizer.step()
    moved = [parameter.detach().clone() for parameter in parameters]
    optimizer.release()
    assert [(p.data_ptr(), p.stride()) for p in parameters] == before
    assert all(map(torch.equal, parameters, moved))
    assert all(parameter.grad is None for parameter in parameters)


def test_a_parameter_of_two_groups_is_released_to_where_it_was() -> None:
    """Through both flat tensors."""
    weight = nn.Parameter(torch.ones(2))
    address = weight.data_ptr()
    AdamW([ParameterGroup([weight]), ParameterGroup([weight])], learning_rate=0.1).release()
    assert weight.data_ptr() == address
    assert torch.equal(weight, torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernels", "torch"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_gradient_that_is_not_finite_is_never_a_finite_step(value: float, dtype: torch.dtype) -> None:
    """Clipped by its length, as with torch: all weights are lost, no training goes on with a few."""
    ours, theirs = _parameters(dtype), _parameters(dtype)
    for one, other in zip(ours, theirs, strict=True):
        one.grad, other.grad = torch.ones_like(one), torch.ones_like(one)
    ours[0].grad[0, 0] = theirs[0].grad[0, 0] = value
    AdamW([ParameterGroup(ours)], learning_rate=0.1, clip_norm=1.0).step()
    nn.utils.clip_grad_norm_(theirs, 1.0)
    torch.optim.AdamW(theirs, lr=0.1, weight_decay=0.0).step()
    assert [p.isnan().tolist() for p in ours] == [p.isnan().tolist() for p in theirs]
    assert ours[0].isnan().any()


def test_torchs_default_dtype_does_not_matter() -> None:
    """Counts of steps are float32, which torch's operator wants."""
    torch.set_default_dtype(torch.float64)
    try:
        weight = nn.Parameter(torch.ones(2))
        optimizer = AdamW([ParameterGroup([weight])], learning_rate=0.1)
        weight.grad = torch.ones(2)
        optimizer.step()
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(weight.detach(), torch.full((2,), 0.9, dtype=torch.float64))


def test_gradients_written_into_the_buffers_are_those_of_backward() -> None:
    """What `zero_grad(set_to_none=False)` leaves is 0, and is moved by without a copy."""
    direct, plain = _parameters(torch.float32), _parameters(torch.float32)
    one, other = (AdamW([ParameterGroup(each)], learning_rate=0.1, clip_norm=1.0) for each in (direct, plain))
    for gradients in _gradients(3, 1.0):
        one.zero_grad(set_to_none=False)
        other.zero_grad()
        for written, read, gradient in zip(direct, plain, gradients, strict=True):
            assert not written.grad.any()
            written.grad += gradient
            read.grad = gradient.float()
        one.step()
        other.step()
    assert all(map(torch.equal, direct, plain))


def test_a_parameter_that_is_left_out_once_ends_the_flat_steps() -> None:
    """As torch does with float32: the counts of steps differ from then on, also after a resume."""
    ours, theirs = _parameters(torch.float32), _parameters(torch.float32)
    optimizer, rival = AdamW([ParameterGroup(ours)], learning_rate=0.1), torch.optim.AdamW(theirs, lr=0.1)
    rival.param_groups[0]["weight_decay"] = 0.0
    for step, gradients in enumerate(_gradients(4, 1.0)):
        optimizer.zero_grad()
        rival.zero_grad()
        for k, gradient in enumerate(gradients):
            if (step, k) != (1, 2):
                ours[k].grad, theirs[k].grad = gradient.float(), gradient.float()
        optimizer.step()
        rival.step()
        saved = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
        optimizer.release()
        optimizer = AdamW([ParameterGroup(ours)], learning_rate=0.1)
        optimizer.load_tensors(saved)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-6, atol=2e-6)
    assert [int(saved[f"optimizer.{k}.step"]) for k in range(4)] == [4, 4, 3, 4]
