"""AdamW with clipped gradients, in as few operators of torch as it takes.

For the small networks that ordered data often needs, `torch.optim`'s bookkeeping takes as long as forward and
backward. This is the same operator under it, with its lists made once, and clipping in the same pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

_BETAS, _EPS = (0.9, 0.999), 1e-8  # the paper's
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class ParameterGroup(NamedTuple):
    """Parameters with a learning rate and a weight decay of their own.

    Args:
        parameters: at least one.
        rate_factor: what the learning rate of the whole training is multiplied by.
        weight_decay: None for that of the whole training.
    """

    parameters: Sequence[nn.Parameter]
    rate_factor: float = 1.0
    weight_decay: float | None = None


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
        learning_rate: the rate; `learning_rate` may be set between steps.
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
        self._groups = list(groups)
        self.parameters = [p for group in self._groups for p in group.parameters]
        self._moments = {
            p: (torch.zeros_like(p), torch.zeros_like(p), torch.zeros((), device=p.device))
            for p in self.parameters
        }

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if not gradients:
            return
        scale = self._gradient_scale(gradients)
        for group in self._groups:
            moved = [(p, p.grad, *self._moments[p]) for p in group.parameters if p.grad is not None]
            if not moved:
                continue
            parameters, grads, means, squares, steps = zip(*moved, strict=True)
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(  # private; torch.optim.AdamW(fused=True) ends in it
                parameters, grads, means, squares, (), steps,
                lr=self.learning_rate * group.rate_factor, beta1=_BETAS[0], beta2=_BETAS[1], eps=_EPS,
                weight_decay=self.weight_decay if group.weight_decay is None else group.weight_decay,
                amsgrad=False, maximize=False, grad_scale=scale,
            )  # fmt: skip

    def _gradient_scale(self, gradients: list[Tensor]) -> Tensor | None:
        """Return what the operator divides gradients by: 1, or more where they are too long together."""
        if self.clip_norm is None:
            return None
        norms = torch.stack(torch._foreach_norm(gradients))  # noqa: SLF001 (as above)
        norm: Tensor = torch.linalg.vector_norm(norms).float()
        return norm.div_(self.clip_norm).clamp_(min=1.0)

    def tensors(self) -> dict[str, Tensor]:
        """Return its state, a tensor each, such as `optimizer.3.exp_avg`."""
        return {
            f"optimizer.{k}.{name}": moment
            for k, moments in enumerate(self._moments.values())
            for name, moment in zip(_MOMENTS, moments, strict=True)
        }

    def load_tensors(self, saved: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned; other names are left alone.

        Raises:
            KeyError: one is missing.
        """
        for name, moment in self.tensors().items():
            moment.copy_(saved[name])
