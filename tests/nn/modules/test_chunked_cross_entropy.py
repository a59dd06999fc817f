"""Chunked cross-entropy: torch's own loss and gradients, in a bounded buffer."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import ArgumentError, TensorError
from unrolled.nn.modules import chunked_cross_entropy as module
from unrolled.nn.modules.chunked_cross_entropy import chunked_cross_entropy, token_losses


def _operands(M: int = 101, H: int = 7, V: int = 13, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    torch.manual_seed(0)
    weights = [torch.randn(shape, dtype=dtype).requires_grad_() for shape in ((M, H), (V, H), (V,))]
    targets = torch.randint(V, (M,))
    targets[::5] = -100
    return [*weights, targets]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 32 rows, so that a hundred rows take several and the last is short."""
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", 1)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("has_bias", [False, True])
def test_loss_and_gradients_equal_those_of_torch(reduction: str, smoothing: float, has_bias: bool) -> None:
    """In float64 to twelve digits, in float32 to six; rows without a target among them."""
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        states, weight, bias, targets = _operands(dtype=dtype)
        inputs = [states, weight, *([bias] if has_bias else [])]
        settings = {"label_smoothing": smoothing, "reduction": reduction}
        ours = chunked_cross_entropy(states, weight, bias if has_bias else None, targets, **settings)
        torch_loss = F.cross_entropy(F.linear(*inputs), targets, **settings)
        torch.testing.assert_close(ours, torch_loss, rtol=tolerance, atol=0)
        pairs = zip(
            torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * torch_loss, inputs), strict=True
        )
        for got, expected in pairs:
            torch.testing.assert_close(got, expected, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradcheck_passes(smoothing: float) -> None:
    """In float64, of states, weight and bias, over two chunks."""
    states, weight, bias, targets = _operands(M=34, H=2, V=3)

    def loss(*inputs: Tensor) -> Tensor:
        return chunked_cross_entropy(*inputs, targets, label_smoothing=smoothing)

    assert torch.autograd.gradcheck(loss, (states, weight, bias))


def test_frozen_operands_get_no_gradient() -> None:
    """A frozen readout passes the gradient on to the states alone."""
    states, weight, bias, targets = _operands()
    chunked_cross_entropy(states, weight.detach(), bias.detach(), targets).backward()
    assert states.grad is not None
    assert weight.grad is None


def test_no_rows_with_targets_are_as_in_torch() -> None:
    """The mean of nothing is NaN, the sum 0; no rows at all too."""
    states, weight, bias, targets = _operands()
    for rows in (slice(0, 0), slice(0, 1)):
        nothing = states[rows], weight, bias, targets[rows]
        assert chunked_cross_entropy(*nothing).isnan()
        assert chunked_cross_entropy(*nothing, reduction="sum") == 0


@pytest.mark.usefixtures("small_chunks")
def test_large_logits_do_not_overflow() -> None:
    """Logits of a thousand leave loss and gradient finite."""
    states, weight, bias, targets = _operands(dtype=torch.float32)
    loss = chunked_cross_entropy(1000 * states, weight, bias, targets)
    loss.backward()
    assert loss.isfinite()
    assert states.grad.isfinite().all()


@pytest.mark.usefixtures("small_chunks")
def test_views_that_are_not_contiguous_are_read() -> None:
    """States (T, B, H) flattened from their transpose, a weight that is a view."""
    torch.manual_seed(1)
    states, weight = torch.randn(5, 3, 8).transpose(0, 1).flatten(0, 1)[:, ::2], torch.randn(4, 9).t()
    targets = torch.randint(9, (15,))
    expected = F.cross_entropy(states @ weight.t(), targets)
    torch.testing.assert_close(chunked_cross_entropy(states, weight, None, targets), expected)


@pytest.mark.usefixtures("small_chunks")
def test_token_losses_equal_those_of_torch() -> None:
    """One a row, 0 where there is no target."""
    operands = _operands()
    expected = F.cross_entropy(F.linear(*operands[:3]), operands[3], reduction="none")
    torch.testing.assert_close(token_losses(*operands), expected.detach())


def test_logits_are_never_held_whole() -> None:
    """No tensor of the graph or the pass is larger than a chunk: 1,100 rows of 8,192 classes are 36 MB."""
    states, weight, bias, targets = _operands(M=1100, H=2, V=8192, dtype=torch.float32)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                sizes.append(result.numel())
            return result

    with Watch():
        chunked_cross_entropy(states, weight, bias, targets).backward()
    assert 8192 * 32 < max(sizes) <= 1 << 22


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"targets": torch.zeros(3, dtype=torch.int64)}, TensorError, r"got shapes \(101, 7\)"),
        ({"weight": torch.zeros(13, 6)}, TensorError, r"expected states \(M, H\)"),
        ({"targets": torch.zeros(101)}, TensorError, "targets of int64"),
        ({"weight": torch.zeros(13, 7, dtype=torch.float16)}, TensorError, "of one type"),
        (
            {"targets": torch.full((101,), 13)},
            ArgumentError,
            "or -100 for none, got 13",
        ),
        ({"label_smoothing": 1.5}, ArgumentError, "label_smoothing: expected"),
        ({"reduction": "none"}, ArgumentError, "reduction: expected"),
    ],
)
def test_operands_that_do_not_fit_are_refused(change: dict[str, object], error: type, sentence: str) -> None:
    """One sentence each, before anything is computed."""
    names = ("states", "weight", "bias", "targets")
    given = dict(zip(names, _operands(dtype=torch.float32), strict=True)) | change
    with pytest.raises(error, match=sentence):
        chunked_cross_entropy(**given)  # type: ignore[arg-type]
