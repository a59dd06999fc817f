"""Forward pass of RNN, GRU and LSTM without autograd, with the function for the way back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.nn.layers.parameters import RecurrentParameters
from unrolled.nn.ops import fused, launch, torch_internals
from unrolled.nn.ops.dropout import draw_mask
from unrolled.nn.ops.gradients import gradient_buffer, trains_plainly

# From the gradient of a layer's outputs, and whether that of its inputs is needed, to the latter.
Backward = Callable[[Tensor, bool], Tensor | None]


class _Layer(NamedTuple):
    """One layer on its way back: each direction's function, and what its inputs were multiplied by."""

    directions: list[Backward]
    keep: Tensor | None

    def backward(self, d_output: Tensor, needs_d_inputs: bool) -> Tensor | None:
        parts = d_output.chunk(len(self.directions), -1) if len(self.directions) > 1 else (d_output,)
        total: Tensor | None = None
        for run, part in zip(self.directions, parts, strict=True):
            d_inputs = run(part, needs_d_inputs)
            total = d_inputs if total is None or d_inputs is None else total.add_(d_inputs)
        return total if total is None or self.keep is None else total.mul_(self.keep)


class RecurrentVjp(RecurrentParameters):
    """Base class of the recurrent layers: `vjp`, beside the `forward` that autograd records."""

    @property
    def has_vjp(self) -> bool:
        """Tell whether `vjp` can run this layer: on the kernels, without zoneout and recurrent dropout.

        Its weights train, and there are no hooks, which `vjp` would not call.
        """
        names = [name for layer in self._slots for slots in layer for name in slots if name is not None]
        return (
            self.zoneout == 0
            and self.recurrent_dropout == 0
            and trains_plainly(self, names)
            and torch_internals.runs_eagerly()
            and not self._reasons_against_kernels(self._first_weight)
        )

    def vjp(
        self, inputs: Tensor, lengths: Tensor | None, starts: Tensor | None = None, *, last_only: bool = False
    ) -> tuple[Tensor, Backward]:
        """Run forward from zeros, and return the function that computes the gradients.

        For training loops of small networks, where autograd's own work takes longer than the kernels. Nothing
        is checked; `has_vjp` says whether it may be called.

        Args:
            inputs: (T, B, F), time first whatever `batch_first`, of the dtype of the weights.
            lengths: (B,) int64; None where every row has T steps.
            starts: (B,) int64 from 0 to T - 1, without lengths, of one layer in one direction: before these
                steps all rows have the same inputs. One row is run for all, and the outputs of the others are
                not defined there.
            last_only: return the last states of the top layer in the place of its outputs: the gradient of
                one step is fewer numbers to write and to read than that of all.

        Returns:
            The outputs (T, B, D * H), or the last states (B, D * H), h_n of each direction; and a function of
            their gradient, and of whether that of the inputs is needed. It writes the `.grad` of every weight
            and returns the inputs' gradient (T, B, F) or None.
        """
        layers: list[_Layer] = []
        for k, slots in enumerate(self._slots):
            keep = None
            if k > 0 and self.training and self.dropout > 0:
                keep = draw_mask(inputs.shape, 1 - self.dropout, inputs).mul_(1 / (1 - self.dropout))
                inputs = inputs * keep
            is_last_only = last_only and k == len(self._slots) - 1
            results = [
                self._run_direction(names, inputs, (lengths, starts), reverse=d == 1, last_only=is_last_only)
                for d, names in enumerate(slots)
            ]
            inputs = results[0][0] if len(results) == 1 else torch.cat([output for output, _ in results], -1)
            layers.append(_Layer([backward for _, backward in results], keep))

        def backward(d_output: Tensor, needs_d_inputs: bool) -> Tensor | None:
            grad: Tensor | None = d_output
            for k in range(len(layers) - 1, -1, -1):
                assert grad is not None
                grad = layers[k].backward(grad, needs_d_inputs or k > 0)
            return grad

        return inputs, backward

    def _run_direction(
        self,
        names: list[str | None],
        inputs: Tensor,
        steps: tuple[Tensor | None, Tensor | None],
        *,
        reverse: bool,
        last_only: bool,
    ) -> tuple[Tensor, Backward]:
        weights: list[Any] = [self._parameters[name] for name in names if name is not None]
        spec = fused.default_spec(
            self._cell, self._weights_type, self._present,
            has_lengths=steps[0] is not None, has_starts=steps[1] is not None, reverse=reverse,
        )  # fmt: skip
        constants = [each for each in steps if each is not None]
        operands = (inputs, *weights, *constants)
        output, h_n, _, saved = launch.forward(spec, -1, operands, saves=True)
        n_states = len(self._state_sizes)

        def backward(d_output: Tensor, needs_d_inputs: bool) -> Tensor | None:
            d_states = [None] * n_states
            grads = (None, d_output, *d_states[1:]) if last_only else (d_output, *d_states)
            needs = (needs_d_inputs, *[True] * (len(operands) - 1))
            targets: list[Tensor | None] = [gradient_buffer(weight) for weight in weights]
            targets += [None] * len(constants)
            return launch.backward(spec, -1, operands, (output, saved), grads, needs, targets)[0]

        return h_n if last_only else output, backward

    def _reasons_against_kernels(self, x: Tensor) -> list[str]:
        raise NotImplementedError
