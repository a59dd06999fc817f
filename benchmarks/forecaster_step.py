"""A training step of a Forecaster with default settings, part by part, and of its network on torch's LSTM.

Two tasks, both made up: many monthly series (the size of M3's), and one short yearly series. What is timed
is what `Forecaster.fit` hands to its training loop: that network, those windows, batches of that size, the
loop's own loss, clipping and optimizer. Ours trains without autograd, torch's LSTM with it; there backward
goes in two pieces, so that the layer's part can be told from the rest. From the same weights and batch, both
must give the same gradients.

    python -m benchmarks.forecaster_step [--toy]
"""

import time
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.panel import made_up, sequences
from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import THREADS, difference, limit_threads, path
from benchmarks.timing import in_turns
from unrolled import Forecaster
from unrolled.train.optimizer import AdamW, ParameterGroup

# name: series, steps of each, horizon, season, frequency
TASKS = {"many monthly series": (1428, 126, 18, 12, "MS"), "one yearly series": (1, 60, 6, 1, "YS")}
TOY_SERIES, TOY_WINDOW = 3, 24
TURN_S = 0.5


class _Caught(Exception):  # noqa: N818 (it tells what came, not what is wrong)
    """What `fit` was called with."""


class _Cut(nn.Module):
    """A core whose backward waits: what reads it goes back to `seen`, and the core from there on its own."""

    def __init__(self, core: nn.Module, lap: Any) -> None:
        super().__init__()
        self.core, self.lap = core, lap

    def forward(self, window: Tensor) -> tuple[Tensor, None]:
        self.output, _ = self.core(window)
        self.seen = self.output.detach().requires_grad_()
        self.lap("layer forward")
        return self.seen, None


class _Steps:
    """Training steps of one network, and what each part of each took."""

    def __init__(self, network: Any, loss: Any, training: Any, config: Any) -> None:
        self.network, self.loss, self.training, self.config = network.train(), loss, training, config
        self.cut: _Cut | None = None
        if network.trains_without_autograd(training.batch(torch.arange(2))):
            network.core.vjp = self._timed(network.core.vjp)
        else:
            network.core = self.cut = _Cut(network.core, self._lap)
        self.optimizer = AdamW(
            [ParameterGroup(list(network.parameters()))],
            learning_rate=1e-5, weight_decay=config.weight_decay, clip_norm=config.clip_norm,
        )  # fmt: skip
        self.seconds: dict[str, list[float]] = {}
        self.order = torch.randperm(len(training))
        self.done = 0

    def run(self, times: int) -> float:
        start_s = time.perf_counter()
        for _ in range(times):
            self._step()
        return time.perf_counter() - start_s

    def gradients(self) -> dict[str, np.ndarray]:
        """Of every weight by name, on the first batch."""
        torch.manual_seed(0)
        self._backward(self.order[: self.config.batch_size].sort().values)
        named = self.network.named_parameters()
        return {name.replace("core.core", "core"): weight.grad.numpy().copy() for name, weight in named}

    def parts(self) -> dict[str, float]:
        """Median milliseconds of each part."""
        return {name: 1e3 * float(np.median(seconds)) for name, seconds in self.seconds.items()}

    def _step(self) -> None:
        size, start = self.config.batch_size, self.done * self.config.batch_size % len(self.order)
        self.done += 1
        self._backward(self.order[start : start + size])
        self.optimizer.step()
        self._lap("clipping and AdamW")

    def _backward(self, rows: Tensor) -> None:
        self.start_s = time.perf_counter()
        batch = self.training.batch(rows)
        self._lap("batch")
        value = self.loss(self.network, batch)
        self._lap("readout and loss")
        self.optimizer.zero_grad(set_to_none=self.cut is not None)
        if self.cut is None:
            value.backward()
        else:
            value.value.backward()
            self._lap("their backward")
            self.cut.output.backward(self.cut.seen.grad)
        self._lap("layer backward")

    def _timed(self, vjp: Any) -> Any:
        """Run the layer of a network that needs no autograd, and say when each of its ways begins or ends."""

        def run(*arguments: Any) -> Any:
            states, backward = vjp(*arguments)
            self._lap("layer forward")

            def back(*gradients: Any) -> Any:
                self._lap("their backward")
                return backward(*gradients)

            return states, back

        return run

    def _lap(self, name: str) -> None:
        now_s = time.perf_counter()
        self.seconds.setdefault(name, []).append(now_s - self.start_s)
        self.start_s = now_s


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    return {"threads": THREADS, "tasks": [_task(name, toy=toy) for name in TASKS]}


def _task(name: str, *, toy: bool) -> Facts:
    network, loss, training, config = _handed_over(name, toy=toy)
    backend = path(network.core, training.batch(torch.arange(2)).inputs, toy=toy)
    sizes, rival = network.config, deepcopy(network)
    rival.core = nn.LSTM(sizes.inputs, sizes.hidden_size, batch_first=True)
    rival.load_state_dict(network.state_dict())
    sides = {who: _Steps(one, loss, training, config) for who, one in (("ours", network), ("torch", rival))}
    sides["torch"].order = sides["ours"].order
    error = difference("torch", sides["ours"].gradients(), sides["torch"].gradients())
    timings, measured = in_turns({who: side.run for who, side in sides.items()}, toy=toy, turn_s=TURN_S)
    ours, rivals = (side.parts() for side in sides.values())
    whole = sum(ours.values())
    rows = [
        {
            "part": part,
            "ours_ms": round(ms, 3),
            "share": round(ms / whole, 3),
            "torch_ms": round(rivals[part], 3),
        }
        for part, ms in ours.items()
    ]
    shape = f"B {config.batch_size}, T {sizes.window}, F {sizes.inputs}, H {sizes.hidden_size}"
    side = timings["torch"]
    print_now(
        f"{name}: {shape}; {timings['ours'].ms} ms a step, on torch's layer {side.ms} ms, {side.times} times"
    )
    print_now(table(rows) + "\n")
    return {
        "task": name, "shape": shape, "path": backend, "largest_difference": error,
        "ours_ms": timings["ours"].ms,
        "torch_ms": side.ms, "times": side.times, "quartiles": side.quartiles, "measured": measured,
        "parts": rows,
    }  # fmt: skip


def _handed_over(name: str, *, toy: bool) -> Any:
    """The network, loss, dataset and settings that `Forecaster.fit` would train with."""
    count, steps, horizon, season, freq = TASKS[name]
    values = made_up(min(count, TOY_SERIES) if toy else count, steps, season)
    series = sequences(values, [pd.Timestamp(1950, 1, 1)] * len(values), freq)
    smaller = {"hidden_size": 4, "window": TOY_WINDOW} if toy else {}
    model = Forecaster(horizon, season=season, validation_fraction=0, **smaller)

    def catch(make: Any, loss: Any, training: Any, validation: Any, config: Any, **_: Any) -> None:  # noqa: ARG001
        raise _Caught(make(), loss, training, config)

    try:
        with patch("unrolled.models.forecasting.training.fit_ensemble", catch):
            model.fit(series)
    except _Caught as caught:
        return caught.args
    raise AssertionError("fit trained nothing")


if __name__ == "__main__":
    main(run)
