"""Running averages of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unrolled.train.config import AveragingConfig


class WeightAverage:
    """Average of the parameters after each step.

    With p the parameters after a step, n the steps averaged before it and d the decay:

        d_n = min(d, n / (n + 1)),  a <- d_n a + (1 - d_n) p

    d = 1 weighs all steps alike: stochastic weight averaging. A smaller d is an exponential moving average
    that starts as a plain mean, so that the first weights do not linger. Buffers are not averaged.

    Source: Polyak and Juditsky (1992); Izmailov et al., Averaging Weights Leads to Wider Optima and Better
    Generalization (2018).

    >>> network = nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage(network, AveragingConfig(decay=1.0))
    >>> for step, value in enumerate([1.0, 2.0, 6.0]):
    ...     _ = nn.init.constant_(network.weight, value)
    ...     average.update(step)
    >>> with average.applied():
    ...     network.weight.item()
    3.0
    >>> network.weight.item()
    6.0
    """

    def __init__(self, network: nn.Module, config: AveragingConfig) -> None:
        self._parameters = dict(network.named_parameters())
        self._config = config
        self._count = 0
        self._average = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the parameters as they are after `step`, counted from 0."""
        if step < self._config.start_step:
            return
        decay = min(self._config.decay, self._count / (self._count + 1))
        torch._foreach_lerp_(list(self._average.values()), list(self._parameters.values()), 1 - decay)
        self._count += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the averaged weights for a while, if any step was averaged yet."""
        if not self._count:
            yield
            return
        current = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._set(self._average)
        try:
            yield
        finally:
            self._set(current)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state as tensors, for a checkpoint."""
        state = {f"average.{name}": average for name, average in self._average.items()}
        return state | {"average_count": torch.tensor(self._count)}

    def load_tensors(self, saved: dict[str, Tensor]) -> None:
        """Restore what `tensors` returned; other names are left alone.

        Raises:
            KeyError: one is missing.
        """
        for name, average in self._average.items():
            average.copy_(saved[f"average.{name}"])
        self._count = int(saved["average_count"])

    @torch.no_grad()
    def _set(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
