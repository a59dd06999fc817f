"""Head and losses of the kernels; tests/nn/modules hold stem and pooling against their modules."""

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from unrolled.nn.ops.sequence import (
    HeadOperands,
    Poolings,
    StemOperands,
    conv_stem,
    cross_entropy,
    linear_head,
    linear_head_backward,
    pool,
    runs_on_kernels,
    squared_error,
)


def _head(shape: tuple[int, ...], outputs: int, *, drops: bool) -> HeadOperands:
    """Operands of a head; features of several steps have time first in memory."""
    torch.manual_seed(0)
    D = shape[-1]
    features = torch.randn(shape)
    if features.ndim == 3:
        features = features.transpose(0, 1).contiguous().transpose(0, 1)
    keep = torch.empty_like(features).bernoulli_(0.7) if drops else None
    weight, bias = torch.randn(outputs, D), torch.randn(outputs)
    return HeadOperands(features, torch.randn(D), torch.rand(D) + 0.5, weight, bias, keep)


def _run_head(operands: HeadOperands, keep_scale: float, threads: int) -> tuple[torch.Tensor, ...]:
    """Outputs, and the gradients of features, weight and bias for some gradient of the outputs."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        outputs, inputs = linear_head(operands, keep_scale)
        d_outputs = torch.linspace(-1, 2, outputs.numel()).view_as(outputs)
        d_weight, d_bias = torch.full_like(operands.weight, 7), torch.full_like(operands.bias, 7)
        d_features = linear_head_backward(operands, keep_scale, inputs, d_outputs, d_weight, d_bias)
    finally:
        torch.set_num_threads(before)
    return outputs, d_features, d_weight, d_bias


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize(
    ("shape", "outputs"),
    [((1, 1), 1), ((2, 5), 3), ((9, 16), 8), ((5, 7, 33), 17), ((31, 9, 64), 40), ((300, 97), 65)],
)
def test_the_head_equals_its_formula(shape: tuple[int, ...], outputs: int, drops: bool) -> None:
    """Outputs and all gradients beside autograd's in float64; features of one step, and of several."""
    operands = _head(shape, outputs, drops=drops)
    scale = 1 / 0.7 if drops else 1.0
    features, weight, bias = (operands[k].double().requires_grad_() for k in (0, 3, 4))
    scaled = (features - operands.center.double()) * operands.factor.double()
    if operands.keep is not None:
        scaled = scaled * operands.keep.double() * scale
    expected = nn.functional.linear(scaled, weight, bias)
    expected.backward(torch.linspace(-1, 2, expected.numel()).view_as(expected).double())
    results = _run_head(operands, scale, 1)
    for result, exact in zip(
        results, (expected.detach(), features.grad, weight.grad, bias.grad), strict=True
    ):
        assert exact is not None
        assert result.shape == exact.shape
        bound = 1e-6 * float(1 + exact.abs().max())
        torch.testing.assert_close(result.double(), exact, rtol=1e-6, atol=bound)


def test_the_head_does_not_depend_on_the_number_of_threads() -> None:
    """To the bit, where the work is enough for two."""
    operands = _head((60, 50, 70), 12, drops=True)
    for one, two in zip(_run_head(operands, 1.5, 1), _run_head(operands, 1.5, 2), strict=True):
        assert torch.equal(one, two)


def test_the_gradient_of_features_lies_as_they_do() -> None:
    """Time first: what goes back into a recurrence is not copied."""
    operands = _head((4, 6, 5), 3, drops=False)
    assert _run_head(operands, 1.0, 1)[1].stride() == operands.features.stride()
    assert not operands.features.is_contiguous()


def test_a_feature_that_is_not_finite_reaches_the_outputs() -> None:
    """A training that broke must say so, whatever the place in a tile."""
    for row in (0, 8, 9):
        operands = _head((10, 19), 2, drops=False)
        operands.features[row, 18] = torch.nan
        outputs = linear_head(operands)[0]
        assert outputs.isnan().all(1).nonzero().flatten().tolist() == [row]


@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (2, 2), (5, 17), (300, 16), (64, 1000), (0, 3)])
def test_cross_entropy_equals_torchs(rows: int, classes: int) -> None:
    """Value and gradient, huge logits among them, the rows with a negative target left out."""
    torch.manual_seed(0)
    logits = torch.randn(rows, classes).mul_(torch.tensor([0.1, 1.0, 50.0])[torch.randint(3, (rows, 1))])
    targets, weights = torch.randint(-1, classes, (rows,)), torch.rand(classes) + 0.1
    leaf = logits.double().requires_grad_()
    expected = nn.functional.cross_entropy(
        leaf, targets, weights.double(), ignore_index=-1, reduction="sum"
    ) / max(rows, 1)  # fmt: skip
    expected.backward()
    value, gradient = cross_entropy(logits, targets, weights, max(rows, 1))
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=2e-6, atol=1e-8)


def test_rows_have_weights_by_the_sequence() -> None:
    """Six rows of two sequences; a weight of 2 counts twice."""
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 3), torch.randint(0, 3, (6,))
    weights, row_weights = torch.rand(3) + 0.1, torch.tensor([2.0, 0.5])
    leaf = logits.double().requires_grad_()
    losses = nn.functional.cross_entropy(leaf, targets, weights.double(), reduction="none")
    expected = (losses.view(2, 3).sum(1) @ row_weights.double()) / 4
    expected.backward()
    value, gradient = cross_entropy(logits, targets, weights, 4, row_weights)
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 33])
def test_the_squared_error_equals_its_formula(rows: int, is_weighted: bool) -> None:
    """Loss and gradient beside autograd's in float64."""
    torch.manual_seed(0)
    outputs, targets = torch.randn(rows, 1), torch.randn(rows)
    row_weights = torch.rand(rows) + 0.1 if is_weighted else None
    leaf = outputs.double().requires_grad_()
    errors = (leaf[:, 0] - targets.double()).square()
    expected = (errors if row_weights is None else errors * row_weights.double()).mean()
    expected.backward()
    value, gradient = squared_error(outputs, targets, row_weights)
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_logit_that_is_not_finite_is_passed_on(value: float, place: int) -> None:
    """As torch does, whichever class it is of: the loss must say that a training broke."""
    logits, targets = torch.zeros(1, 3), torch.tensor([1])
    logits[0, place] = value
    expected = nn.functional.cross_entropy(logits, targets)
    loss, _ = cross_entropy(logits, targets, torch.ones(3), 1.0)
    torch.testing.assert_close(loss, expected, equal_nan=True)


def test_a_target_that_is_no_class_is_refused() -> None:
    """It would be read beyond the row."""
    with pytest.raises(ValueError, match=r"targets: each must be below K=3; got 3"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]), torch.ones(3), 2.0)


def test_a_length_beyond_the_steps_is_refused() -> None:
    """By stem and pooling, before anything is read."""
    stem = StemOperands(
        torch.zeros(2, 5, 1), torch.ones(1), torch.zeros(4, 2, 9), torch.zeros(4), torch.tensor([5, 6])
    )
    with pytest.raises(ValueError, match=r"lengths: each must be from 0 to T=5; got 6 in row 1"):
        conv_stem(stem, 1, 1)
    with pytest.raises(ValueError, match=r"lengths: each must be from 0 to T=5; got -1 in row 0"):
        pool(torch.zeros(5, 2, 3), torch.tensor([-1, 5]), Poolings(0, -1, -1, 3))


def test_other_dtypes_are_not_for_the_kernels() -> None:
    """They compute stem and pooling in float32."""
    assert runs_on_kernels(torch.zeros(1), torch.zeros(2))
    assert not runs_on_kernels(torch.zeros(1), torch.zeros(1, dtype=torch.float64))


def test_where_operators_are_cast_or_watched_the_kernels_do_not_run() -> None:
    """They would be passed over; so would the class of a tensor that computes in another way."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not runs_on_kernels(torch.zeros(1))
    with FakeTensorMode():
        fake = torch.zeros(1)
    assert not runs_on_kernels(fake)
