"""One epoch of the first lesson's task: 733 windows of 12 steps, a plain RNN of 32 units, one answer.

Batches of 32, shuffled, squared error, Adam with its default settings. Ours and torch run the same lines:
batches are slices of one shuffled tensor, no DataLoader. `ours` takes the package's layer and its optimizer,
`our_layer` the layer with torch's fused Adam, `torch` is torch alone as it is by default, and with its fused
Adam. `our_fit` is the same network as a SequenceRegressor: a whole `fit` of 100 epochs, and all that it reads
and checks. Keras runs `fit` in a process of its own, as the lesson does, several epochs a call, compiled once
before the clock starts: on TensorFlow as it compiles by itself and by XLA, and on JAX. First an epoch of
plain gradient descent without shuffling, from the same weights, must end in the same weights everywhere (Adam
itself differs between the libraries in where its epsilon stands); Keras' layer has one bias, so that for this
ours and torch keep their second at zero.

    python -m benchmarks.epoch [--toy]

Keras has an environment of its own: `make rivals`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import unrolled.nn
from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import THREADS, difference, limit_threads, path
from benchmarks.rivals.driver import rivals
from benchmarks.timing import Side, in_process, in_turns
from unrolled import SequenceRegressor
from unrolled.train.optimizer import AdamW, ParameterGroup

WINDOWS, WINDOW, HIDDEN, BATCH = 733, 12, 32, 32
TURN_S = 0.5  # some epochs of everyone
FIT_EPOCHS = 100
REGRESSOR: dict[str, Any] = {
    "cell": "rnn", "hidden_size": HIDDEN, "stem": False, "pooling": "last", "dropout": 0.0, "n_members": 1,
    "batch_size": BATCH, "learning_rate": 1e-3, "validation_fraction": 0, "verbose": False,
}  # fmt: skip
KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "keras_tensorflow": ("keras_tensorflow", {}),
    "keras_tensorflow_xla": ("keras_tensorflow", {"jit": True}),
    "keras_jax": ("keras_jax", {}),
}


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    x, y = windows(70 if toy else WINDOWS)
    start = _model(nn.RNN).state_dict()
    ours = _model(unrolled.nn.RNN)
    expected = _after_one_epoch(_model(nn.RNN), start, x, y)
    error = {"ours": difference("ours", _after_one_epoch(ours, start, x, y), expected)}
    sides = {
        "ours": in_process(_epoch(ours, _own_adam, x, y)),
        "our_fit": _fit(x, y, 2 if toy else FIT_EPOCHS),
        "our_layer": in_process(_epoch(_model(unrolled.nn.RNN), _fused_adam, x, y)),
        "torch": in_process(_epoch(_model(nn.RNN), torch.optim.Adam, x, y)),
        "torch_fused_adam": in_process(_epoch(_model(nn.RNN), _fused_adam, x, y)),
    }
    versions: dict[str, str] = {}
    with _keras(toy=toy) as workers:
        for name, worker in workers.items():
            worker.load("epoch", {**_named(start), "x": x.numpy(), "y": y.numpy()}, **KERAS[name][1])
            error[name] = difference(name, expected, worker.answers())
            sides[name] = worker.run
            versions.update(worker.versions())
        timings, measured = in_turns(sides, toy=toy, turn_s=TURN_S)
    rows = [
        {
            "who": name,
            "ms_an_epoch": side.ms,
            "times": side.times,
            "quartiles": side.quartiles,
            "far": error.get(name),
        }
        for name, side in timings.items()
    ]
    print_now(table(rows))
    backend = path(ours["core"], x[:BATCH], toy=toy)
    return {
        "threads": THREADS,
        "path": backend,
        "rivals_versions": versions,
        "measured": measured,
        "rows": rows,
    }


def _keras(*, toy: bool) -> Any:
    return rivals({name: module for name, (module, _) in KERAS.items()}, toy=toy)


def windows(count: int) -> tuple[Tensor, Tensor]:
    """(N, 12, 1) windows of a random walk, and the next value (N, 1) of each."""
    walk = torch.from_numpy(np.random.default_rng(0).normal(size=count + WINDOW).cumsum().astype(np.float32))
    walk = (walk - walk.mean()) / walk.std()
    return walk.unfold(0, WINDOW, 1)[:-1, :, None].contiguous(), walk[WINDOW:, None].contiguous()


def _model(layer: Any) -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"core": layer(1, HIDDEN, batch_first=True), "readout": nn.Linear(HIDDEN, 1)})


def _own_adam(parameters: Any) -> AdamW:
    return AdamW([ParameterGroup(list(parameters))], learning_rate=1e-3)


def _fused_adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, fused=True)


def _epoch(model: nn.ModuleDict, optimizer_of: Any, x: Tensor, y: Tensor) -> Callable[[], None]:
    optimizer = optimizer_of(model.parameters())

    def epoch() -> None:
        order = torch.randperm(len(x))
        _batches(model, optimizer, x[order], y[order])

    return epoch


def _batches(model: nn.ModuleDict, optimizer: Any, x: Tensor, y: Tensor) -> None:
    """The lines that everyone writes."""
    core, readout = model["core"], model["readout"]
    for k in range(0, len(x), BATCH):
        optimizer.zero_grad()
        _, h_n = core(x[k : k + BATCH])
        nn.functional.mse_loss(readout(h_n[0]), y[k : k + BATCH]).backward()
        optimizer.step()


def _fit(x: Tensor, y: Tensor, epochs: int) -> Side:
    """Make a side whose turn is one fit of so many epochs, told as the seconds of the epochs asked for."""
    model = SequenceRegressor(max_epochs=epochs, **REGRESSOR)
    run = in_process(lambda: model.fit(x.numpy(), y[:, 0].numpy()))
    return lambda times: run(1) / epochs * times


def _after_one_epoch(model: nn.ModuleDict, start: dict[str, Tensor], x: Tensor, y: Tensor) -> dict[str, Any]:
    """The weights after the batches in order, by gradient descent, the second bias held at zero."""
    bias = model["core"].bias_hh_l0
    model.load_state_dict(start)
    nn.init.zeros_(bias.requires_grad_(False))
    with torch.no_grad():
        model["core"].bias_ih_l0 += start["core.bias_hh_l0"]
    kept = [weight for weight in model.parameters() if weight.requires_grad]
    _batches(model, torch.optim.SGD(kept, lr=0.1), x, y)
    bias.requires_grad_(True)
    named = _named(model.state_dict())
    return {name: named[name] for name in named if "bias" not in name or name == "readout_bias"}


def _named(weights: dict[str, Tensor]) -> dict[str, Any]:
    """The weights as the rivals call them."""
    core = {name: weights[f"core.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    named = {**core, "readout": weights["readout.weight"], "readout_bias": weights["readout.bias"]}
    return {name: weight.detach().clone().numpy() for name, weight in named.items()}


if __name__ == "__main__":
    main(run)
