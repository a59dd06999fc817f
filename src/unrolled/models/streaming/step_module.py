"""One step of a sequence estimator as a module in torch's operators, state in and out, for torch.export.

Shapes: B rows, F features, W inputs of the core, L layers, H units, K outputs, R steps that the stem reads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.data.preprocess.scaler import SCALED_LIMIT
from unrolled.errors import ArgumentError
from unrolled.formatting import with_article
from unrolled.nn.convert.step import StepModule
from unrolled.nn.modules.conv_stem import ConvStem
from unrolled.nn.ops.sequence import TAPS

_LOWEST = -3e38  # in float32, before the first step


class SequenceStep(nn.Module):
    """One step of a fitted sequence estimator: (x, *state) -> (answer, *state).

    It scales x, steps stem, core and pooling of each network, and reads out their mean: what `model.stream()`
    answers, up to rounding. An exported program runs where torch or ONNX Runtime does, without unrolled.

    Shapes: x (B, F), answer (B, K), or (B,) of a regressor; the state as `initial_state` gives it.

    Args:
        model: fitted SequenceClassifier, SequenceRegressor or SequenceTagger that can be streamed and takes
            no missing values.

    Raises:
        ArgumentError: it is another.

    >>> import unrolled as ur
    >>> X = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    >>> model = ur.SequenceClassifier(hidden_size=8, max_epochs=2).fit(X, ["up", "down"])
    >>> step = SequenceStep(model)
    >>> state = step.initial_state()
    >>> program = torch.export.export(step, (torch.ones(1, 1), *state)).module()
    >>> for x in X[0]:
    ...     answer, *state = program(torch.tensor([[x]]), *state)
    >>> torch.allclose(answer, torch.tensor(model.predict_proba(X[:1])).float(), atol=1e-5)
    True
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        name = with_article(type(model).__name__)
        if isinstance(model, type) or not hasattr(model, "why_not_streamable"):
            got = f"the class {model.__name__}" if isinstance(model, type) else name
            raise ArgumentError(f"SequenceStep model: expected a fitted estimator of sequences, got {got}.")
        why = model.why_not_streamable()
        if not why and not hasattr(model, "output_scale"):
            why = "only SequenceClassifier, SequenceRegressor and SequenceTagger have such a step."
        if not why and model.missing is not None:
            why = "a model that fills missing values has no such step. Fit with missing=None."
        if why:
            raise ArgumentError(f"SequenceStep model: {name}: {why}")
        self._is_class = model.output_classes() is not None
        self._mean, self._scale = model.output_scale()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.as_tensor(model.scaler_.mean).double())
        self.register_buffer("scale", torch.as_tensor(model.scaler_.scale).double())
        steps = [_NetworkStep(network) for network in model.networks_]
        self.networks, self._sizes = nn.ModuleList(steps), [step.n_parts for step in steps]
        self._initial_parts = [step.initial_state for step in steps]

    def initial_state(self, batch_size: int = 1) -> tuple[Tensor, ...]:
        """Return the state before the first step of B rows."""
        parts = [part for initial_state in self._initial_parts for part in initial_state(batch_size)]
        return torch.zeros(batch_size, dtype=torch.int64), *parts

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Compute the answer to a step, and the state after it."""
        steps, parts, outputs, after = state[0] + 1, list(state[1:]), [], []
        scaled = ((x.double() - self.mean) / self.scale).clamp(-SCALED_LIMIT, SCALED_LIMIT).float()
        for network, size in zip(self.networks, self._sizes, strict=True):
            output, new = network(scaled, steps, parts[:size])
            parts = parts[size:]
            outputs.append(output)
            after += new
        together = torch.stack(outputs)
        if self._is_class:
            return together.softmax(-1).mean(0), steps, *after
        return together.mean(0)[:, 0] * self._scale + self._mean, steps, *after


class _NetworkStep(nn.Module):
    """Step of one network; its parts of the state are those of stem, core and pooling."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.stem = network, None if network.stem is None else _StemStep(network.stem)
        self.core, config = StepModule(network.core), network.config
        self._stride = 1 if network.stem is None else network.stem.stride
        self._poolings = () if config.per_step else network.pool.poolings
        self._n_core = 2 if config.cell == "lstm" else 1
        self._reads_mean = config.direct_inputs and not config.per_step
        self.n_parts = len(self.initial_state(1))

    def initial_state(self, batch_size: int) -> list[Tensor]:
        config, B = self.network.config, batch_size
        F, H = config.input_size, config.hidden_size
        parts = [] if self.stem is None else self.stem.initial_state(B, F)
        parts += [torch.zeros(config.num_layers, B, H) for _ in range(self._n_core)]
        starts = {"last": [], "mean": [(0.0, H)], "max": [(_LOWEST, H)],
                  "attention": [(_LOWEST, 1), (0.0, 1), (0.0, H)]}  # fmt: skip
        parts += [torch.full((B, n), start) for name in self._poolings for start, n in starts[name]]
        return parts + [torch.zeros(B, F)] * self._reads_mean

    def forward(self, x: Tensor, steps: Tensor, parts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the outputs (B, K) and the parts after the step."""
        total, stem_parts, inputs, is_end = [], [], x, torch.ones_like(steps, dtype=torch.bool)
        if self._reads_mean:
            total = [parts.pop() + x]
        if self.stem is not None:
            inputs, is_end, stem_parts = self.stem(x, steps, parts[:2])
            parts = parts[2:]
        before, pool_before = parts[: self._n_core], parts[self._n_core :]
        h, *core = self.core(inputs, *before)
        n_blocks = (steps + self._stride - 1) // self._stride
        features, pool = self._pool(h, n_blocks[:, None], pool_before)
        core = [torch.where(is_end[:, None], new, old) for new, old in zip(core, before, strict=True)]
        pool = [torch.where(is_end[:, None], new, old) for new, old in zip(pool, pool_before, strict=True)]
        if self.network.config.direct_inputs:
            direct = [x, *(part / steps[:, None] for part in total)]
            features = torch.cat([features, *direct], 1)
        outputs = self.network.head(self.network.standardize(features))
        return outputs, [*stem_parts, *core, *pool, *total]

    def _pool(self, h: Tensor, n: Tensor, parts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Pool the state after a step with what was pooled of those before."""
        if not self._poolings:
            return h, []
        pooled, after, parts = [], [], list(parts)
        for name in self._poolings:
            if name == "last":
                pooled.append(h)
            elif name == "mean":
                after.append(parts.pop(0) + h)
                pooled.append(after[-1] / n)
            elif name == "max":
                after.append(torch.maximum(parts.pop(0), h))
                pooled.append(after[-1])
            else:
                highest, weight, total = (parts.pop(0) for _ in range(3))
                hidden = torch.tanh(self.network.pool.attention_hidden(h))
                score = self.network.pool.attention_score(hidden)
                top = torch.maximum(highest, score)
                kept, share = torch.exp(highest - top), torch.exp(score - top)
                after += [top, weight * kept + share, total * kept + share * h]
                pooled.append(after[-1] / after[-2])
        return torch.cat(pooled, 1), after


class _StemStep(nn.Module):
    """Step of the stem; its state is the latest R inputs with their changes, and the sum of the block."""

    def __init__(self, stem: ConvStem) -> None:
        super().__init__()
        self.stem = stem
        self._scales = list(stem.channels_and_dilations())
        self._n_past = (TAPS - 1) * max((dilation for _, dilation in self._scales), default=1) + 1

    def initial_state(self, batch_size: int, F: int) -> list[Tensor]:
        return [torch.zeros(batch_size, self._n_past, 2 * F), torch.zeros(batch_size, self.stem.width)]

    def forward(self, x: Tensor, steps: Tensor, parts: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the mean of the block so far, whether it ends, and the parts after the step."""
        past, block = parts
        F = x.shape[1]
        changes = (x - past[:, -1, :F]) / self.stem.change_scale
        u = torch.cat([x, torch.where(steps[:, None] > 1, changes, torch.zeros_like(changes))], 1)
        past = torch.cat([past[:, 1:], u[:, None]], 1)
        features = torch.cat([u, *(self._convolve(past, steps, *each) for each in self._scales)], 1)
        block, stride = block + features, self.stem.stride
        n = (steps - 1) % stride + 1
        is_end = n == stride
        after = torch.where(is_end[:, None], torch.zeros_like(block), block)
        return block / n[:, None], is_end, [past, after]

    def _convolve(self, past: Tensor, steps: Tensor, channels: slice, dilation: int) -> Tensor:
        """Compute the features (B, C) of a scale; taps before the first step read the mean of the others."""
        weight, F = self.stem.weight[channels], len(self.stem.change_scale)
        oldest_tap = self._n_past - 1 - (TAPS - 1) * dilation
        taps = past[:, oldest_tap::dilation]  # (B, TAPS, 2 F), the oldest first
        n_present = ((steps - 1) // dilation + 1).clamp(max=TAPS)
        means = taps[..., :F].sum(1) / n_present[:, None]
        oldest = nn.functional.pad(weight[:, :F].cumsum(2), (1, 0))  # sums of the first k taps
        missing = torch.einsum("cfb,bf->bc", oldest[..., TAPS - n_present], means)
        return torch.relu(torch.einsum("cft,btf->bc", weight, taps) + missing + self.stem.bias[channels])
