"""QuantileHead: order of the quantiles, formula and gradients; pinball loss."""

import pytest
import torch
from torch.nn import functional as F

from unrolled.nn.modules.quantile_head import QuantileHead, pinball_loss


def _readout(anchors: int = 2, levels: int = 5) -> QuantileHead:
    torch.manual_seed(0)
    return QuantileHead(6, 8, horizon=3, levels=levels, anchors=anchors).double()


def _wild(head: QuantileHead) -> None:
    """Weights far from where they begin."""
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(0, 3)


@pytest.mark.parametrize("anchors", [0, 2])
@pytest.mark.parametrize("levels", [1, 3, 7])
def test_quantiles_do_not_cross(anchors: int, levels: int) -> None:
    """Whatever the weights and the state: rising along the last axis."""
    head = _readout(anchors, levels).eval()
    _wild(head)
    answer = head(50 * torch.randn(40, 6).double(), torch.randn(40, 3, anchors).double())
    assert answer.shape == (40, 3, levels)
    assert (answer.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rounding_does_not_make_quantiles_cross(scale: float) -> None:
    """In float32, where most steps are lost beside the median or all have the size of its rounding."""
    torch.manual_seed(0)
    head = QuantileHead(6, 8, horizon=18, levels=7, anchors=2).eval()
    _wild(head)
    answer = head(torch.randn(500, 6), scale * torch.randn(500, 18, 2))
    assert (answer.diff(dim=-1) >= 0).all()


def test_infinite_outer_quantile_leaves_inner_ones_finite() -> None:
    """The outermost is infinite, the others are what they are."""
    head = _readout(anchors=0).eval()
    state = torch.randn(4, 6).double()
    before = head(state, torch.empty(4, 3, 0).double())
    with torch.no_grad():
        head.raw_quantiles.bias[4::5] = torch.inf
    after = head(state, torch.empty(4, 3, 0).double())
    assert torch.equal(after[..., :4], before[..., :4])
    assert (after[..., 4] == torch.inf).all()


@pytest.mark.parametrize("is_training", [False, True])
def test_quantile_head_equals_its_formula(is_training: bool) -> None:
    """A slow loop from the docstring."""
    head = _readout().train(is_training)
    _wild(head)
    state, anchors = torch.randn(4, 6).double(), torch.randn(4, 3, 2).double()
    answer = head(state, anchors)
    for b in range(4):
        u = F.gelu(head.hidden.weight @ state[b] + head.hidden.bias)
        raw = (head.raw_quantiles.weight @ u + head.raw_quantiles.bias).reshape(3, 5)
        weights = (head.anchor_weights.weight @ u + head.anchor_weights.bias).reshape(3, 2)
        for k in range(3):
            median = raw[k, 2] + sum(weights[k, a] * anchors[b, k, a] for a in range(2))
            step = F.softplus(raw[k])
            expected = [median - step[1] - step[0], median - step[1], median, median + step[3]]
            expected.append(expected[-1] + step[4])
            torch.testing.assert_close(answer[b, k], torch.stack(expected))


@pytest.mark.parametrize("is_training", [False, True])
def test_gradcheck_passes(is_training: bool) -> None:
    """In float64, of state and anchors."""
    head = _readout().train(is_training)
    inputs = (torch.randn(2, 6).double().requires_grad_(), torch.randn(2, 3, 2).double().requires_grad_())
    assert torch.autograd.gradcheck(head, inputs)


def test_initial_forecast_is_near_naive() -> None:
    """Untrained, the median is a fraction of a usual move, or leans on the seasons' mean."""
    assert _readout(0)(torch.randn(20, 6).double(), torch.empty(20, 3, 0).double())[..., 2].abs().max() < 0.3
    seasonal = _readout(2)(torch.zeros(1, 6).double(), torch.full((1, 3, 2), 10.0).double())[..., 2]
    torch.testing.assert_close(seasonal, torch.full((1, 3), 6.0).double(), atol=0.3, rtol=0)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
def test_pinball_loss_is_least_at_the_quantile(tau: float) -> None:
    """Over a thousand numbers and a fine grid of answers, the best answer is their quantile."""
    targets = torch.randn(1000, generator=torch.Generator().manual_seed(0)).double()
    grid = torch.linspace(-2, 2, 401).double()
    losses = [pinball_loss(x.expand(1000, 1), targets, torch.tensor([tau]).double()).mean() for x in grid]
    assert grid[torch.stack(losses).argmin()] == pytest.approx(float(targets.quantile(tau)), abs=0.02)


def test_pinball_loss_equals_its_formula() -> None:
    """max(τ e, (τ − 1) e), an answer above and one below."""
    lost = pinball_loss(torch.tensor([[1.0, 5.0]]), torch.tensor([3.0]), torch.tensor([0.2, 0.9]))
    torch.testing.assert_close(lost, torch.tensor([[0.4, 0.2]]))


def test_pinball_loss_gradient_equals_its_formula() -> None:
    """-τ below the target and on it, 1 - τ above."""
    answer = torch.tensor([[1.0, 3.0, 5.0]], dtype=torch.float64, requires_grad=True)
    levels = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    (slope,) = torch.autograd.grad(pinball_loss(answer, torch.tensor([3.0]).double(), levels).sum(), answer)
    torch.testing.assert_close(slope, torch.tensor([[-0.2, -0.5, 0.1]]).double())
    others = torch.tensor([[1.0, 2.0, 5.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pinball_loss, (others, torch.tensor([3.0]).double(), levels))
