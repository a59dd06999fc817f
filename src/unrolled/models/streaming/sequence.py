"""States of live streams of the sequence estimators, stepped on the kernels.

Shapes: N streams, F features a step, C channels, W inputs of the core, H units, K outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import SCALED_LIMIT
from unrolled.errors import DataError
from unrolled.kernels.loading import compiled
from unrolled.kernels.operands import LEARNED, OPERANDS
from unrolled.models.streaming.snapshots import State
from unrolled.models.streaming.step_filler import StepFiller
from unrolled.models.streaming.streams import StreamStates
from unrolled.nn.modules.pooling import POOLINGS
from unrolled.nn.ops.fused import cell_settings
from unrolled.nn.ops.sequence import TAPS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WEIGHT_NAMES = [OPERANDS[index].name for index in LEARNED]


class SequenceStates(StreamStates):
    """States of N streams of a SequenceClassifier, SequenceRegressor or SequenceTagger.

    An answer is what `predict_proba` or, of a regressor, `predict` gives for the steps so far: probabilities
    (K,), or a number. Between the ends of the stem's blocks it reads the block's mean so far, as a whole run
    does at its end.

    Args:
        model: fitted, one that `why_not_streamable` has nothing against.
        capacity: N.
    """

    def __init__(self, model: Any, capacity: int) -> None:
        config, scaler = model.network_config_, model.scaler_
        self._networks = model.networks_  # whose buffers the stepper reads
        self._n_outputs, self._is_class = config.output_size, model.output_classes() is not None
        self._mean, self._scale = model.output_scale()
        self.width = config.input_size
        self._filler = None if model.missing is None else StepFiller(model.missing, scaler.mean, capacity)
        self.arrays: State = {"steps": np.zeros(capacity, np.int64)}
        if self._filler is not None:
            self.width = self._filler.width
            self.arrays |= self._filler.arrays
        self._stepper = compiled.SequenceStepper(
            self.arrays["steps"], np.ascontiguousarray(scaler.mean), np.ascontiguousarray(scaler.scale),
            SCALED_LIMIT, self._n_outputs, self._is_class,
        )  # fmt: skip
        for k, network in enumerate(model.networks_):
            _add_network(self._stepper, network, self.arrays, f"network{k}", capacity)

    @staticmethod
    def why_not_streamable(model: Any) -> str:
        """Say in a sentence why a fitted sequence estimator cannot be streamed; empty if it can."""
        config = model.network_config_
        if compiled is None:
            return (
                "streams run on the compiled kernels, which are missing. Reinstall unrolled with a compiler."
            )
        if config.frame_shape:
            return "frames are not stepped yet. Call predict on the clip so far."
        if config.cell == "feedforward":
            return "cell='feedforward' reads a sequence as one vector and has no state. Fit another cell."
        if config.bidirectional:
            return "bidirectional=True reads from the end, which a stream does not have. Fit without it."
        if model.missing in ("linear", "mask"):
            return (
                f"missing={model.missing!r} fills a gap from the next known value, which a stream does not"
                " have. Fit with missing='forward' or 'forward+mask'."
            )
        if model.missing == "decay":
            return "missing='decay' is not stepped yet. Fit with missing='forward+mask' or 'forward'."
        if torch.device(model.device).type != "cpu":
            return f"streams run on the CPU, the model is on {model.device}. Load it with device='cpu'."
        poolings = () if config.per_step else model.networks_[0].pool.poolings
        if len({*poolings}) < len(poolings):
            return f"pooling={config.pooling!r} names a pooling twice. Fit with each once."
        return ""

    def check(self, rows: Floats, name: str) -> None:
        """Pass if rows (n, F) hold numbers; NaN too where the model takes missing values."""
        is_bad = np.isinf(rows) if self._filler is not None else ~np.isfinite(rows)
        if is_bad.any():
            row, column = np.argwhere(is_bad)[0]
            way = "Pass NaN where a value is missing" if self._filler else "Fit with missing= to pass gaps"
            raise DataError(
                f"{name}: expected finite numbers, got {rows[row, column]:g} in column {column} of step"
                f" {row + 1}. {way}."
            )

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Step streams; see `StreamStates`."""
        answers = self.outputs(rows, streams, counts)
        return answers if self._is_class else answers[:, 0] * self._scale + self._mean

    def outputs(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Step streams; return probabilities (n, K), or where there are no classes the networks' outputs."""
        if self._filler is not None:
            rows = self._filler.fill(rows, streams, counts)
        answers = np.empty((len(rows), self._n_outputs))
        threads = 1 if len(rows) == 1 else torch.get_num_threads()
        bad_row = self._stepper.step(rows, answers, streams, counts, threads)
        assert bad_row < 0, "rows that passed the check are finite"
        return answers


def _add_network(stepper: Any, network: Any, arrays: State, name: str, capacity: int) -> None:
    """Give the stepper a network, and arrays for its states, which are added to `arrays`."""

    def new(part: str, *shape: int, dtype: Any = np.float32) -> torch.Tensor:
        array = arrays[f"{name}.{part}"] = np.zeros((capacity, *shape), dtype)
        return torch.from_numpy(array)

    config, core = network.config, network.core
    F, H = config.input_size, config.hidden_size
    stem = None
    if network.stem is not None:
        conv = network.stem
        n_scales = min(conv.scales, len(conv.bias))  # those that have channels
        stem = (
            conv.change_scale, conv.weight.detach(), conv.bias.detach(), conv.scales, conv.stride,
            new("stem_inputs", (TAPS - 1) * 2 ** (n_scales - 1) + 1, 2 * F),
            new("stem_block", conv.width) if conv.stride > 1 else None,
        )  # fmt: skip
    layers = []
    for k, (cell, weights) in enumerate(core.directed_weights()):
        number, activation, _, *rates = cell_settings(cell, weights, reverse=False)
        operands = [getattr(weights, field, None) for field in _WEIGHT_NAMES]
        readable = tuple(None if w is None else w.detach().contiguous() for w in operands)
        c = new(f"c{k}", H) if config.cell == "lstm" else None
        layers.append(((number, activation, *rates), readable, new(f"h{k}", H), c))
    pool = None
    if not config.per_step:
        names = network.pool.poolings
        attention: tuple[Any, ...] = ()
        attended = None
        if "attention" in names:
            hidden = network.pool.attention_hidden
            score = network.pool.attention_score.weight
            attention = (hidden.weight.detach(), hidden.bias.detach(), score.detach())
            attended = new("attended", H + 2)
        sums = new("sum", H) if "mean" in names else None
        maxima = new("max", H) if "max" in names else None
        pool = (tuple(POOLINGS.index(each) for each in names), sums, maxima, attended, attention)
    scaled, head = network.standardize, network.head
    readout = (scaled.center, scaled.factor, head.weight.detach(), head.bias.detach())
    has_mean = config.direct_inputs and not config.per_step
    direct = (config.direct_inputs, new("input_sum", F, dtype=np.float64) if has_mean else None)
    stepper.add_network(stem, layers, pool, readout, direct)
