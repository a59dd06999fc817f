"""AdamW with clipped gradients, in one pass of the kernels over all parameters where they lie in one tensor.

For the small networks that ordered data often needs, `torch.optim`'s bookkeeping takes as long as forward and
backward. Where the kernels cannot run, this is the same operator under it, with its lists made once, and
clipping in the same pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.kernels.loading import compiled
from unrolled.train.threads import threads_for

_BETAS, _EPS = (0.9, 0.999), 1e-8  # the paper's
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class ParameterGroup(NamedTuple):
    """Parameters with a learning rate and a weight decay of their own.

    Args:
        parameters: at least one.
        rate_factor: what the learning rate of the whole training is multiplied by.
        weight_decay: None for that of the whole training.
        start: share of the training before which they do not move: gradual unfreezing.
    """

    parameters: Sequence[nn.Parameter]
    rate_factor: float = 1.0
    weight_decay: float | None = None
    start: float = 0.0


class AdamW:
    """AdamW, after the gradients of all parameters have been shortened together.

    With g the gradient, divided by max(1, ||g|| / clip_norm), and t counted from 1:

        p <- p - rate * weight_decay * p
        m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
        p <- p - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2; clipping by
    the global norm as in Pascanu et al. (2013). Equal to `clip_grad_norm_` followed by `torch.optim.AdamW`,
    up to rounding; beta1 is 0.9, beta2 0.999, eps 1e-8.

    Args:
        groups: the parameters; a step leaves those without gradient alone.
        learning_rate: the rate; `learning_rate` may be set between steps, and so may `progress`, the share of
            the training that is done, by which groups start.
        weight_decay: as in the formula.
        clip_norm: gradients that are longer together, over all groups, are shortened to this; None for any
            length.

    >>> weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = AdamW([ParameterGroup([weight])], learning_rate=0.1)
    >>> (weight ** 2).sum().backward()
    >>> optimizer.step()
    >>> weight.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        groups: Iterable[ParameterGroup],
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        self.learning_rate, self.weight_decay, self.clip_norm = learning_rate, weight_decay, clip_norm
        self.progress = 0.0
        self._blocks = [block for group in groups for block in _blocks_of(group)]
        self.parameters = [p for block in self._blocks for p in block.parameters]

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to 0 in the buffers that they are read from.

        Args:
            set_to_none: False for a backward that writes into `.grad`: no gradient is copied then. Every
                parameter counts as one with a gradient.
        """
        for block in self._blocks:
            block.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        blocks = [block for block in self._blocks if block.read_gradients()]
        if all(block.is_on_kernels for block in blocks):
            scale = 1.0
            if self.clip_norm is not None:
                norm = math.sqrt(sum(block.squared_norm() for block in blocks))
                scale = 1.0 if norm <= self.clip_norm else norm / self.clip_norm  # NaN where the norm is
            for block in blocks:
                block.move_on_kernels(*self._rates(block), scale)
            return
        self._move(blocks)

    @torch.no_grad()
    def _move(self, blocks: list[_Block]) -> None:
        """Move by torch's operators."""
        divisor = None
        if self.clip_norm is not None:
            norms = torch.stack([norm for block in blocks for norm in block.norms()])
            divisor = torch.linalg.vector_norm(norms).float().div_(self.clip_norm).clamp_(min=1.0)
        for block in blocks:
            block.move(*self._rates(block), divisor)

    def _rates(self, block: _Block) -> tuple[float, float]:
        """Return the learning rate and the weight decay of a block."""
        group = block.group
        decay = self.weight_decay if group.weight_decay is None else group.weight_decay
        factor = group.rate_factor if self.progress >= group.start else 0.0
        return self.learning_rate * factor, decay

    def release(self) -> None:
        """Give every parameter its memory of before back, with the values of now, and no gradient."""
        for block in reversed(self._blocks):  # a parameter in two blocks has come through both
            block.release()

    def tensors(self) -> dict[str, Tensor]:
        """Return its state, a tensor each, such as `optimizer.3.exp_avg`."""
        moments = [moments for block in self._blocks for moments in block.moments()]
        return {
            f"optimizer.{k}.{name}": moment
            for k, each in enumerate(moments)
            for name, moment in zip(_MOMENTS, each, strict=True)
        }

    def load_tensors(self, saved: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned; other names are left alone.

        Raises:
            KeyError: one is missing.
        """
        for name, moment in self.tensors().items():
            moment.copy_(saved[name])
        for block in self._blocks:
            block.read_steps()


class _Tensors(NamedTuple):
    """Parameters with all that an operator needs to move them."""

    values: list[Tensor]
    gradients: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]  # () each


class _Block:
    """Parameters of one group, dtype and device, whose gradients and moments are views of flat tensors.

    On a CPU so are the parameters, and the kernels go through the flat tensors, while all parameters have a
    gradient at every step. (On a GPU they stay where they are: recurrent operators have a layout of their own
    there.)
    """

    def __init__(self, parameters: list[nn.Parameter], group: ParameterGroup) -> None:
        self.parameters, self.group = parameters, group
        first, sizes = parameters[0], [p.numel() for p in parameters]
        self._memory = [parameter.data for parameter in parameters]  # that others may see, to be given back
        self._flat = [torch.zeros(sum(sizes), dtype=first.dtype, device=first.device) for _ in range(4)]
        values, gradients, means, squares = (
            [part.view(p.shape) for part, p in zip(torch.split(flat, sizes), parameters, strict=True)]
            for flat in self._flat
        )
        if first.is_cpu:
            for parameter, value in zip(parameters, values, strict=True):
                parameter.data = value.copy_(parameter.data)
        else:
            values = self._memory
        steps = [torch.zeros((), dtype=torch.float32, device=first.device) for _ in parameters]
        self._all = self._moved = _Tensors(values, gradients, means, squares, steps)
        self._n_steps = 0  # of every parameter, while all are on the kernels
        self.is_on_kernels = compiled is not None and first.is_cpu and first.dtype is torch.float32

    def zero_grad(self, *, set_to_none: bool) -> None:
        """Forget all gradients; or set them to 0, in the flat tensor."""
        gradients = [None] * len(self.parameters) if set_to_none else self._all.gradients
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if parameter.grad is not gradient:
                parameter.grad = gradient
        if not set_to_none:
            with threads_for(self._flat[1].numel()):
                self._flat[1].zero_()

    def read_gradients(self) -> bool:
        """Copy the gradients into the flat tensor; tell whether any parameter has one."""
        self._moved = self._all
        if all([p.grad is g for p, g in zip(self.parameters, self._all.gradients, strict=True)]):  # noqa: C419 (a list is quicker)
            return True
        gradients = {k: p.grad for k, p in enumerate(self.parameters) if p.grad is not None}
        new = {k: gradient for k, gradient in gradients.items() if gradient is not self._all.gradients[k]}
        if new:
            torch._foreach_copy_([self._all.gradients[k] for k in new], list(new.values()))
        is_partial = len(gradients) < len(self.parameters)
        if gradients and is_partial and self.is_on_kernels:
            self._write_steps()
            self.is_on_kernels = False  # from here on some have taken fewer steps than others
        if is_partial:
            self._moved = _Tensors(*([tensors[k] for k in gradients] for tensors in self._all))
        return bool(gradients)

    def squared_norm(self) -> float:
        """Compute the squared length of all gradients together, on the kernels."""
        return float(compiled.squared_norm(self._flat[1]))

    def move_on_kernels(self, rate: float, decay: float, scale: float) -> None:
        """Move all parameters by their gradients, divided by `scale`."""
        self._n_steps += 1
        values, gradients, means, squares = self._flat
        is_done = compiled.adamw_step(
            values, gradients, means, squares, rate, decay, *_BETAS, _EPS, scale, self._n_steps,
            torch.get_num_threads(),
        )  # fmt: skip
        assert is_done, "the kernels refused a flat tensor"

    def norms(self) -> list[Tensor]:
        """Compute the length of the gradient of each parameter that has one."""
        return list(torch._foreach_norm(self._moved.gradients))  # noqa: SLF001 (no public name for it)

    def move(self, rate: float, decay: float, divisor: Tensor | None) -> None:
        """Move the parameters that have a gradient by torch's operator, the twin of the kernel."""
        if self.is_on_kernels:
            self._write_steps()
            self.is_on_kernels = False
        values, gradients, means, squares, steps = self._moved
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(  # private; torch.optim.AdamW(fused=True) ends in it
            values, gradients, means, squares, (), steps, lr=rate, beta1=_BETAS[0], beta2=_BETAS[1],
            eps=_EPS, weight_decay=decay, amsgrad=False, maximize=False, grad_scale=divisor,
        )  # fmt: skip

    def moments(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield both moments and the number of steps of each parameter."""
        if self.is_on_kernels:
            self._write_steps()
        yield from zip(self._all.means, self._all.squares, self._all.steps, strict=True)

    def read_steps(self) -> None:
        """Take over the numbers of steps that were written to `moments`."""
        numbers = {int(step) for step in self._all.steps}
        self._n_steps = max(numbers)
        self.is_on_kernels = self.is_on_kernels and len(numbers) == 1

    def release(self) -> None:
        """Give every parameter its memory of before back, with the values of now, and no gradient."""
        for parameter, memory in zip(self.parameters, self._memory, strict=True):
            if parameter.data.data_ptr() != memory.data_ptr():
                parameter.data = memory.copy_(parameter.data)
            parameter.grad = None

    def _write_steps(self) -> None:
        for step in self._all.steps:
            step.fill_(self._n_steps)


def _blocks_of(group: ParameterGroup) -> list[_Block]:
    """Divide the parameters of a group by dtype and device."""
    kinds: dict[tuple[torch.dtype, torch.device], list[nn.Parameter]] = {}
    for parameter in group.parameters:
        kinds.setdefault((parameter.dtype, parameter.device), []).append(parameter)
    return [_Block(parameters, group) for parameters in kinds.values()]
