"""Network of the sequence estimators: a stem, a recurrent core, a pooled readout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.formatting import quantity
from unrolled.models.recurrent_core import CoreConfig, initialize_memory, recurrent_core
from unrolled.models.sequence.dataset import SequenceBatch
from unrolled.models.sequence.missing import GAP_GAIN, inputs_of
from unrolled.nn.modules.conv_stem import ConvStem, max_scales
from unrolled.nn.modules.dropout import Dropout
from unrolled.nn.modules.frame_stem import FrameStem
from unrolled.nn.modules.inference import direct_features, outputs_of, pool_states, states_of
from unrolled.nn.modules.input_decay import InputDecay
from unrolled.nn.modules.pooling import Pooling, Standardize, sequence_mask
from unrolled.nn.ops import torch_internals
from unrolled.nn.ops.dropout import draw_mask
from unrolled.nn.ops.gradients import PlainTrainingCheck, gradient_buffer, trains_plainly
from unrolled.nn.ops.sequence import HeadOperands, linear_head, linear_head_backward, runs_on_kernels
from unrolled.train.loop import BatchLoss
from unrolled.train.threads import threads_for

Ints = NDArray[np.int64]
# From the outputs of a batch to its loss, a mean over the batch, and the gradient of the outputs.
Criterion = Callable[[Tensor, SequenceBatch], tuple[Tensor, Tensor]]

_STEPS_READ = 200  # from twice as many on, the stem leaves the core fewer steps
_MAX_MEMORY_STEPS = 100  # that the slowest units remember at the start
_FRAME_FEATURES = 64  # of a frame


@dataclass(frozen=True)
class SequenceNetworkConfig(CoreConfig):
    """Settings of a SequenceNetwork, beside those of its core.

    Args:
        input_size: F, features a step.
        output_size: K, one for each class, or 1 for a number.
        bidirectional: whether a second run reads from the end.
        pooling: how the states of all steps become one vector; see `Pooling`.
        per_step: whether every step gets an output, and not the sequence.
        flat_steps: T that "feedforward" reads; 0 for the others.
        stem_channels: channels of the stem; 0 for none, the core reading the features as they are.
        stem_scales: lengths of the stem's patterns.
        stem_stride: steps from one output of the stem to the next.
        direct_inputs: whether the readout reads the inputs too, those of each step, or of the last one and
            the mean of all: random units that remember blur what is there now.
        memory_steps: steps over which the slowest units remember at the start; 0 for torch's initial weights.
        missing: how missing values were filled, which says what the F inputs are; see `fill_missing`.
        frame_shape: (C, H, W) of a step that is a frame, F being its pixels; () of others.
    """

    input_size: int
    output_size: int
    bidirectional: bool = False
    pooling: str = "last"
    per_step: bool = False
    flat_steps: int = 0
    stem_channels: int = 0
    stem_scales: int = 1
    stem_stride: int = 1
    memory_steps: int = 0
    direct_inputs: bool = False
    missing: str | None = None
    frame_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_shape", tuple(self.frame_shape))  # JSON has lists

    @property
    def step_size(self) -> int:
        """Numbers of a step that the stem reads: its features, or those of a frame."""
        return _FRAME_FEATURES if self.frame_shape else self.input_size

    def fitted_to(self, lengths: Ints, *, stem_channels: int) -> SequenceNetworkConfig:
        """Set the stem and the memory of the units by the lengths (N,) of the sequences to learn from.

        >>> config = SequenceNetworkConfig(2, 2).fitted_to(np.array([900, 1000, 1100]), stem_channels=16)
        >>> config.stem_stride, config.memory_steps
        (5, 100)
        """
        if self.cell == "feedforward":
            return replace(self, flat_steps=int(lengths.max()))
        median_length = int(np.median(lengths))
        if not stem_channels:
            return replace(self, memory_steps=min(median_length, _MAX_MEMORY_STEPS))
        stride = 1 if self.per_step else max(1, median_length // _STEPS_READ)
        return replace(
            self,
            stem_channels=stem_channels,
            stem_scales=max_scales(median_length),
            stem_stride=stride,
            memory_steps=min(median_length // stride, _MAX_MEMORY_STEPS),
        )

    @property
    def stem_words(self) -> str:
        """Describe what the core reads of the features.

        >>> SequenceNetworkConfig(2, 2).stem_words
        'as they are'
        >>> SequenceNetworkConfig(1, 2, stem_channels=16, stem_scales=2, stem_stride=4).stem_words
        'as 16 patterns at 2 scales, every 4th step'
        """
        if not self.stem_channels or self.cell == "feedforward":
            return "as they are"
        often = {1: "at every step", 2: "at every second step", 3: "every 3rd step"}
        pace = often.get(self.stem_stride, f"every {self.stem_stride}th step")
        return f"as {self.stem_channels} patterns at {quantity(self.stem_scales, 'scale')}, {pace}"

    @property
    def readout_words(self) -> str:
        """Describe what the output is computed from.

        >>> SequenceNetworkConfig(2, 2, pooling="mean").readout_words
        "the states of all steps, pooled by 'mean'"
        """
        if self.per_step:
            return "the state and the input of each step" if self.direct_inputs else "the state of each step"
        if self.cell == "feedforward":
            return f"{quantity(self.flat_steps, 'step')} as one vector"
        direct = ", the last input and the mean of all" if self.direct_inputs else ""
        return f"the states of all steps, pooled by {self.pooling!r}{direct}"


class SequenceNetwork(nn.Module):
    """Network from sequences to one output each, or to one for each of their steps.

    Unless bidirectional, the output of a step depends on no later one. Padding changes no output.

    Shapes: values (B, T, F), lengths (B,) to (B, K), or (B, T', K) if `per_step`, 0 beyond a length; T' is T,
    or the blocks of the stem's stride.

    >>> network = SequenceNetwork(SequenceNetworkConfig(3, 2, stem_channels=16, stem_scales=2))
    >>> network(torch.randn(4, 9, 3), torch.tensor([9, 2, 5, 9])).shape
    torch.Size([4, 2])
    """

    def __init__(self, config: SequenceNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.decay = _decay(config)
        self.frame_stem = FrameStem(config.frame_shape, _FRAME_FEATURES) if config.frame_shape else None
        self.stem = _stem(config)
        if config.cell == "feedforward":
            steps = 1 if config.per_step else config.flat_steps
            self.flat = nn.Linear(steps * config.step_size, config.hidden_size)
            width = config.hidden_size
        else:
            inputs = config.step_size if self.stem is None else self.stem.width
            self.core = recurrent_core(config, inputs, bidirectional=config.bidirectional)
            if config.memory_steps:
                initialize_memory(self.core, config, config.memory_steps)
            width = config.hidden_size * (1 + config.bidirectional)
            if not config.per_step:
                self.pool = Pooling(config.pooling, width, bidirectional=config.bidirectional)
                width = self.pool.width
            if config.direct_inputs:
                width += config.step_size * (1 if config.per_step else 2)
        self.standardize = Standardize(width)
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(width, config.output_size)
        self.float()  # as its inputs are, whatever torch's default
        self._trains_plainly = PlainTrainingCheck()

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Compute outputs (B, K), or (B, T, K) if `per_step`, 0 beyond a length."""
        return self.head_outputs(self.features(values, lengths), lengths)

    def loss(self, batch: SequenceBatch, criterion: Criterion) -> BatchLoss:
        """Compute the loss of a batch, for training.

        Where `trains_without_autograd` says so, a few calls of the kernels take a fraction of its time.
        """
        backward: Callable[[Tensor], object]
        if torch.is_grad_enabled() and self.trains_without_autograd(batch.values):
            outputs, backward = self.vjp(batch.values, batch.lengths, is_even=batch.is_even)
        else:
            outputs = self(batch.values, batch.lengths)
            backward = outputs.backward
        value, d_outputs = criterion(outputs.detach(), batch)
        return BatchLoss(value, backward=lambda: backward(d_outputs))

    def trains_without_autograd(self, values: Tensor) -> bool:
        """Tell whether `loss` computes the gradients on the kernels: all weights learn, nothing has hooks.

        Not those of a decay or of frames: the way back ends at the weights of the stem.
        """
        return runs_on_kernels(values) and self._trains_plainly(
            self,
            lambda: (
                self.has_vjp(values)
                and self.decay is None
                and self.frame_stem is None
                and not self.config.direct_inputs
                and trains_plainly(self.head, ("weight", "bias"))
                and not any(map(torch_internals.has_hooks, (self, self.standardize, self.dropout)))
            ),
        )

    def vjp(
        self, values: Tensor, lengths: Tensor, *, is_even: bool = False, needs_d_values: bool = False
    ) -> tuple[Tensor, Callable[[Tensor], Tensor | None]]:
        """Compute the outputs, and the function for the way back; `trains_without_autograd` says where.

        Args:
            values: (B, T, F).
            lengths: (B,).
            is_even: whether every length is known to be T.
            needs_d_values: whether the way back goes on to the values, which only a network without a stem
                can.

        Returns:
            The outputs, and a function of their gradient that writes the `.grad` of all weights and returns
            that of the values (B, T, F), or None.
        """
        is_even = is_even or int(lengths.min()) == values.shape[1]
        features, features_backward = self.features_vjp(
            values.detach(), None if is_even else lengths, needs_d_values=needs_d_values
        )
        outputs, head_backward = self.head_vjp(features)
        if self.config.per_step and not is_even:
            outputs *= sequence_mask(self.output_steps(lengths), outputs)[..., None]
        return outputs, lambda d_outputs: features_backward(head_backward(d_outputs))

    def precise_outputs(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs of a trained network with its readout in float64, on the CPU."""
        features = self.features(values, lengths)
        if runs_on_kernels(features):
            outputs = outputs_of(self.standardize, self.head, features)
        else:
            features, bias = self.standardize(features).cpu().double(), self.head.bias.cpu().double()
            outputs = F.linear(features, self.head.weight.cpu().double(), bias)
        if not self.config.per_step:
            return outputs
        return outputs * sequence_mask(self.output_steps(lengths.cpu()), outputs)[..., None]

    def output_steps(self, lengths: Tensor) -> Tensor:
        """Count the outputs (B,) of rows with so many steps, if `per_step`: one a block of the stem."""
        return lengths if self.stem is None else self.stem.blocks(lengths)

    def features(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Compute the features (B, D), or (B, T, D) if `per_step`, that are standardized for the head."""
        values = self.embedded(values)
        if self.config.cell == "feedforward":
            return self._flat_features(values, lengths)
        if not torch.is_grad_enabled() and self.has_fixed_order(values):
            states, steps = states_of(self.stem, self.core, values, lengths)
            features = states if self.config.per_step else pool_states(self.pool, states, steps)
        else:
            inputs, steps = self.core_inputs(values, lengths)
            states, _ = self.core(inputs, lengths=steps)
            features = states if self.config.per_step else self.pool(states, steps)
        if not self.config.direct_inputs:
            return features
        return torch.cat([features, direct_features(values, lengths, per_step=self.config.per_step)], -1)

    def has_fixed_order(self, values: Tensor) -> bool:
        """Tell whether a row of such values has the same outputs, to the bit, alone and in any batch."""
        config = self.config
        poolings = () if config.per_step or config.cell == "feedforward" else self.pool.poolings
        return (
            runs_on_kernels(values)
            and config.cell != "feedforward"
            and not config.bidirectional
            and self.frame_stem is None
            and len({*poolings}) == len(poolings)
            and not any(map(torch_internals.has_hooks, self.modules()))
        )

    def has_vjp(self, values: Tensor) -> bool:
        """Tell whether `features_vjp` can read such values: on the kernels, with weights that all train."""
        return (
            self.config.cell != "feedforward"
            and runs_on_kernels(values)
            and self.core.has_vjp
            and (self.stem is None or self.stem.has_vjp)
            and (self.config.per_step or self.pool.has_vjp)
        )

    def features_vjp(
        self, values: Tensor, lengths: Tensor | None, *, needs_d_values: bool = False
    ) -> tuple[Tensor, Callable[[Tensor], Tensor | None]]:
        """Compute `features` but for direct inputs on the kernels, and the function for the way back.

        Args:
            values: (B, T, F).
            lengths: (B,) int64, contiguous; None where every row has T steps.
            needs_d_values: see `vjp`.

        Returns:
            The features, and a function of their gradient that writes the `.grad` of all weights below them,
            and returns that of the values (B, T, F), or None.
        """
        inputs, stem_backward, steps = values.transpose(0, 1), None, lengths
        if self.stem is not None:
            inputs, stem_backward = self.stem.vjp(values, lengths)
            steps = None if lengths is None else self.stem.blocks(lengths)
        is_last_only = not self.config.per_step and self.pool.poolings == ("last",)
        states, core_backward = self.core.vjp(inputs, steps, last_only=is_last_only)  # (T', B, H) or (B, H)
        pool_backward: Callable[[Tensor], Tensor]
        if self.config.per_step:
            features, pool_backward = states.transpose(0, 1), lambda d_features: d_features.transpose(0, 1)
        elif is_last_only:
            features, pool_backward = states, lambda d_features: d_features
        else:
            features, pool_backward = self.pool.vjp(states, steps)

        def backward(d_features: Tensor) -> Tensor | None:
            needs_d_inputs = needs_d_values or stem_backward is not None
            d_inputs = core_backward(pool_backward(d_features), needs_d_inputs)
            if stem_backward is None:
                return None if d_inputs is None else d_inputs.transpose(0, 1)
            assert d_inputs is not None
            stem_backward(d_inputs)
            return None

        return features, backward

    def embedded(self, values: Tensor) -> Tensor:
        """Compute the inputs (B, T, ·) as the stem reads them: features of frames; filled values decay."""
        values = values if self.decay is None else self.decay(values)
        return values if self.frame_stem is None else self.frame_stem(values)

    def core_inputs(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the inputs of the core (B, T', C), and the steps (B,) of each row."""
        return (values, lengths) if self.stem is None else self.stem(values, lengths)

    def readout(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs from the core's states (B, T', D · H); without direct inputs, they are all."""
        features = states if self.config.per_step else self.pool(states, lengths)
        return self.head_outputs(features, lengths)

    def head_vjp(self, features: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Compute the outputs from `features` without autograd, and the function for the way back.

        It takes the outputs' gradient, writes those of the head's weights, and returns that of the features.
        """
        modules: dict[str, Any] = self._modules  # an attribute of a module costs a microsecond
        keep, mask = 1 - modules["dropout"].p, None
        if keep < 1 and self.training:
            with threads_for(features.numel()):
                mask = draw_mask(features.shape, keep, features)
        keep_scale = 1.0 if mask is None else 1 / keep
        parameters, scaled = modules["head"]._parameters, modules["standardize"]._buffers  # noqa: SLF001
        weight, bias = parameters["weight"], parameters["bias"]
        operands = HeadOperands(features, scaled["center"], scaled["factor"], weight, bias, mask)
        outputs, inputs = linear_head(operands, keep_scale)

        def backward(d_outputs: Tensor) -> Tensor:
            gradients = gradient_buffer(weight), gradient_buffer(bias)
            return linear_head_backward(operands, keep_scale, inputs, d_outputs, *gradients)

        return outputs, backward

    def head_outputs(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the outputs from `features`."""
        outputs: Tensor = self.head(self.dropout(self.standardize(features)))
        if not self.config.per_step:
            return outputs
        return outputs * sequence_mask(self.output_steps(lengths), outputs)[..., None]

    def _flat_features(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Read all steps as one vector, its end cut or filled with zeros; with `per_step` each by itself."""
        values = values.masked_fill(~sequence_mask(lengths, values)[..., None], 0.0)
        if not self.config.per_step:
            values = F.pad(values, (0, 0, 0, self.config.flat_steps - values.shape[1]))  # less than 0 cuts
            values = values.flatten(1)
        return torch.tanh(self.flat(values))


def _stem(config: SequenceNetworkConfig) -> ConvStem | None:
    if not config.stem_channels or config.cell == "feedforward":
        return None
    return ConvStem(
        config.step_size,
        channels=config.stem_channels,
        scales=config.stem_scales,
        stride=config.stem_stride,
        differenced=config.step_size // inputs_of(1, config.missing),
    )


def _decay(config: SequenceNetworkConfig) -> InputDecay | None:
    if config.missing != "decay":
        return None
    return InputDecay(config.input_size // inputs_of(1, config.missing), gain=GAP_GAIN)
