"""What our layers cost beside torch's: a training step each, with the same weights.

unrolled.nn.RNN, GRU and LSTM hand what torch's own operators do exactly to those operators; the ratio says
what the way there costs. Outputs and gradients are compared first.

    python -m benchmarks.layers [--toy]
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import unrolled.nn
from benchmarks.record import Facts, main, say, table
from benchmarks.timing import interleaved

SHAPES = [(64, 12, 1, 64), (64, 48, 8, 64), (32, 100, 8, 128)]  # B, T, F, H
TOLERANCE = 1e-6


def run(toy: bool) -> Facts:
    rows = []
    for name in ("RNN", "GRU", "LSTM"):
        for shape in SHAPES[:1] if toy else SHAPES:
            ours, rival = _steps(name, *shape)
            difference = max(float((a - b).abs().max()) for a, b in zip(ours(), rival(), strict=True))
            if difference > TOLERANCE:
                raise SystemExit(f"{name} {shape}: outputs or gradients differ by {difference:.1e}.")
            timed = interleaved(ours, rival, repeats=2 if toy else 101)
            sizes = ", ".join(map(str, shape))
            rows.append({"layer": name, "B, T, F, H": sizes, "largest_difference": difference, **timed})
    say(table(rows))
    return {"rival": "torch.nn", "step": "forward and backward, all gradients", "rows": rows}


def _steps(
    name: str, B: int, T: int, F: int, H: int
) -> tuple[Callable[[], list[Tensor]], Callable[[], list[Tensor]]]:
    """A training step of ours and of torch's, on the same input; each gives its output and gradients."""
    torch.manual_seed(0)
    x = torch.randn(B, T, F)
    ours, rival = (getattr(room, name)(F, H, batch_first=True) for room in (unrolled.nn, nn))
    ours.load_state_dict(rival.state_dict())

    def step(layer: nn.Module) -> list[Tensor]:
        output = layer(x)[0]
        weights = list(layer.parameters())
        return [output.detach(), *torch.autograd.grad(output.square().mean(), weights)]

    return lambda: step(ours), lambda: step(rival)


if __name__ == "__main__":
    main(run)
