"""Equal to the bit on the kernels: a row alone and in any batch, pieces and whole, any number of threads."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import fused

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

LAYERS: dict[str, Callable[..., Any]] = {"rnn": un.RNN, "gru": un.GRU, "lstm": un.LSTM}
OPTIONS: dict[str, dict[str, Any]] = {  # draws of zoneout are left out: they depend on the row and the step
    "plain": {},
    "dropped": {"drops": True},
    "mean": {"rates": (0.3, 0.4)},
    "norm": {"layer_norm": True},
    "all": {"layer_norm": True, "drops": True, "rates": (0.3, 0.4)},
}
SIZES = [(1, 1), (3, 5), (8, 16), (17, 33), (9, 65), (40, 130)]  # F, H
every_layer = pytest.mark.parametrize("name", LAYERS)
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)
both_ways = pytest.mark.parametrize("reverse", [False, True])


class Batch(NamedTuple):
    """A cell with its weights, and rows of which each has everything."""

    layer: Any
    rates: tuple[float, ...]
    x: Tensor  # (T, B, F)
    state: tuple[Tensor, ...]
    lengths: Tensor
    resets: Tensor
    mask: Tensor | None

    def run(self, reverse: bool = False, rows: Any = slice(None), steps: Any = slice(None)) -> list[Tensor]:
        """Outputs and final state of these rows, over these steps."""
        taken = range(len(self.x))[steps]
        output, state = fused.fused_unroll(
            self.layer._cell, self.x[steps, rows], self.layer._weights()[0][0],
            self.layer._state_type(*(part[rows] for part in self.state)),
            lengths=(self.lengths[rows] - taken.start).clamp(0, len(taken)), resets=self.resets[rows, steps],
            dropped=None if self.mask is None else self.mask[rows], reverse=reverse,
            zoneout=Zoneout(self.rates) if self.rates else None,
        )  # fmt: skip
        return [output, *state]


def batch(
    name: str,
    T: int,
    B: int,
    F: int,
    H: int,
    drops: bool = False,
    rates: tuple[float, ...] = (),
    **settings: Any,
) -> Batch:
    """Numbers of its own for every row, in float32."""
    torch.manual_seed(B)
    layer = LAYERS[name](F, H, **settings)
    sizes = (H, H) if name == "lstm" else (H,)
    lengths = torch.randint(T + 1, (B,))
    lengths[:2] = torch.tensor([T, 0])[:B]
    mask = (torch.rand(B, H) < 0.6) / 0.6 if drops else None
    state = tuple(torch.randn(B, H) for _ in sizes)
    resets = torch.rand(B, T) < 0.2
    return Batch(layer, rates[: len(sizes)], torch.randn(T, B, F), state, lengths, resets, mask)


def are_equal(actual: list[Tensor], expected: list[Tensor]) -> bool:
    """The same bits everywhere."""
    return all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))


@torch.no_grad()
@every_layer
@every_option
@every_size
@both_ways
def test_a_row_alone_is_the_row_in_any_batch(
    name: str, options: dict[str, Any], sizes: tuple[int, int], reverse: bool
) -> None:
    """Of 37 rows: each of some alone, and among others in another order."""
    whole = batch(name, 6, 37, *sizes, **options)
    output, *state = whole.run(reverse)
    for rows in ([0], [1], [17], [36], [36, 0, 5], list(range(36, 16, -1))):
        expected = [output[:, rows], *(part[rows] for part in state)]
        assert are_equal(whole.run(reverse, rows), expected), rows


@torch.no_grad()
@every_layer
@every_option
@every_size
def test_pieces_equal_the_whole(name: str, options: dict[str, Any], sizes: tuple[int, int]) -> None:
    """Each piece starts from the state in which the one before ended, whatever its length."""
    whole = batch(name, 11, 7, *sizes, **options)
    output, *state = whole.run()
    part, outputs = whole, []
    for steps in (slice(0, 1), slice(1, 4), slice(4, 4), slice(4, 11)):
        piece, *ended = part.run(steps=steps)
        outputs.append(piece)
        part = part._replace(state=tuple(ended))
    assert are_equal([torch.cat(outputs), *part.state], [output, *state])


SHARED = {  # T, B, F, H so large that every cell's work is shared out: see rnn.cpp
    "by-rows": (121, 17, 16, 33),
    "by-units-for-few-rows": (9, 3, 5, 400),
    "by-units-for-large-weights": (3, 9, 5, 520),
}


def gradients(whole: Batch, actual: list[Tensor]) -> list[Tensor]:
    """Of every weight, for a goal that all of the answer matters to."""
    goal = torch.stack([part.square().sum() for part in actual]).sum()
    return list(torch.autograd.grad(goal, list(whole.layer.parameters())))


@pytest.mark.usefixtures("threads")
@every_layer
@pytest.mark.parametrize("shape", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("options", [{}, {"drops": True, "rates": (0.2, 0.3)}], ids=["plain", "options"])
@both_ways
def test_threads_change_no_bit(
    name: str, shape: tuple[int, ...], options: dict[str, Any], reverse: bool
) -> None:
    """Of the answer; gradients, summed over rows in another order, keep theirs for a number of threads."""
    whole = batch(name, *shape, **options)
    whole = whole._replace(lengths=whole.lengths.clamp(min=3 * shape[0] // 4))
    torch.set_num_threads(1)
    alone = whole.run(reverse)
    expected = gradients(whole, alone)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        actual, again = whole.run(reverse), whole.run(reverse)
        assert are_equal(actual, alone)
        once = gradients(whole, actual)
        assert are_equal(gradients(whole, again), once)
        for a, b in zip(once, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-4 * float(b.abs().max()))
