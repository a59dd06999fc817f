"""The time of a whole `fit` of a GRU classifier, beside plain torch, sktime and aeon.

The same sequences, hidden size, epochs, batches and peak rate for all: no part held out, every epoch runs
over all sequences. `ours` is SequenceClassifier as people call it, with only these set; `ours_plain` the same
without the stem, the pooling and the dropout that its defaults add to a GRU; `torch` is nn.GRU, nn.Linear and
fused Adam in the fewest lines; `torch_stem` the network of `ours` with its parts in torch's operators. Of few
sequences both of ours train several networks and take their mean: so does `torch_stem`, and `torch_several`
with the network of `torch`. `sktime` is its GRUClassifier; `aeon` its RecurrentNetwork under a softmax (it
has no recurrent classifier), which Keras compiles in each fit anew. Initial weights differ from one library
to the next, so that `accuracy` on what was fitted is reported beside the time, in place of equal weights.

    python -m benchmarks.fit_time [--toy]

sktime and aeon have an environment of their own: `make rivals-classifiers`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import THREADS, limit_threads
from benchmarks.rivals.driver import CLASSIFIERS, Worker, rivals
from benchmarks.timing import in_process, in_turns
from unrolled import SequenceClassifier

CLASSES, EPOCHS, BATCH, RATE, HIDDEN = 4, 5, 32, 5e-3, 64
RIVALS = {"sktime": "sktime_gru", "aeon": "aeon_gru"}


class Size(NamedTuple):
    """Sequences, steps, features."""

    N: int
    T: int
    F: int


SIZES = [Size(256, 30, 6), Size(512, 150, 1), Size(1024, 50, 12)]
TOY = [Size(32, 5, 2)]


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    rows: list[Facts] = []
    versions: dict[str, str] = {}
    with rivals(RIVALS, toy=toy, environment=CLASSIFIERS) as workers:
        for worker in workers.values():
            versions.update(worker.versions())
        for size in TOY if toy else SIZES:
            rows += _rows(size, workers, toy=toy)
    print_now(table(rows))
    return {"threads": THREADS, "rivals_versions": versions, "epochs": EPOCHS, "hidden": HIDDEN, "rows": rows}


def _rows(size: Size, workers: dict[str, Worker], *, toy: bool) -> list[Facts]:
    x, y = _waves(size)
    settings = {"hidden_size": HIDDEN, "batch_size": BATCH, "learning_rate": RATE}
    own = SequenceClassifier(cell="gru", max_epochs=EPOCHS, validation_fraction=0, **settings)
    plain = SequenceClassifier(**own.get_params() | {"pooling": "last", "dropout": 0.0, "stem": False})
    stem, several = own.fit(x, y).networks_[0].config, len(own.networks_)
    torch_fits: dict[str, Callable[[], list[nn.Module]]] = {
        "torch": lambda: _torch(lambda: _Net(size.F), x, y, 1),
        "torch_stem": lambda: _torch(
            lambda: _StemNet(size.F, stem.stem_channels, stem.stem_scales, stem.dropout), x, y, several
        ),
    }
    if several > 1:
        torch_fits["torch_several"] = lambda: _torch(lambda: _Net(size.F), x, y, several)
    answered: dict[str, Callable[[], Any]] = {
        "ours": lambda: own.fit(x, y).predict(x),
        "ours_plain": lambda: plain.fit(x, y).predict(x),
        **{name: lambda fit=fit: _predict(fit(), x) for name, fit in torch_fits.items()},
    }
    sides = {
        "ours": in_process(lambda: own.fit(x, y)),
        "ours_plain": in_process(lambda: plain.fit(x, y)),
        **{name: in_process(fit) for name, fit in torch_fits.items()},
    }
    for name, worker in workers.items():
        worker.load("fits", {"x": x, "y": y}, epochs=EPOCHS, **settings)
        sides[name] = worker.run
        answered[name] = lambda worker=worker: worker.answers()["answers"]
    accuracy = {name: round(float((ask() == y).mean()), 3) for name, ask in answered.items()}
    timings, measured = in_turns(sides, toy=toy)
    return [
        {
            "N, T, F": ", ".join(map(str, size)),
            "who": name,
            "networks": 1 if name in ("torch", *RIVALS) else several,
            "ms_a_fit": side.ms,
            "times": side.times,
            "quartiles": side.quartiles,
            "accuracy": accuracy[name],
            "measured": measured,
        }
        for name, side in timings.items()
    ]


def _waves(size: Size) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Noisy waves (N, T, F) of a frequency a class."""
    rng = np.random.default_rng(0)
    y = np.arange(size.N) % CLASSES
    phase = rng.uniform(0, 2 * np.pi, size=(size.N, 1, size.F))
    x = np.sin((1 + y[:, None, None]) * np.linspace(0, 9, size.T)[:, None] + phase)
    return (x + 0.3 * rng.normal(size=x.shape)).astype(np.float32), y


class _Net(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.core = nn.GRU(features, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.core(x)[1][0])


class _StemNet(nn.Module):
    """The network of `ours`, but that its convolutions read zeros before the first step."""

    def __init__(self, features: int, channels: int, scales: int, dropout: float) -> None:
        super().__init__()
        counts = [channels // scales + (scale < channels % scales) for scale in range(scales)]
        self.stem = nn.ModuleList(
            nn.Conv1d(2 * features, count, 9, dilation=2**scale) for scale, count in enumerate(counts)
        )
        self.core = nn.GRU(2 * features + channels, HIDDEN, batch_first=True)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(3 * HIDDEN, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inputs = torch.cat([x, torch.diff(x, dim=1, prepend=x[:, :1])], 2).transpose(1, 2)
        padded = (nn.functional.pad(inputs, (8 * conv.dilation[0], 0)) for conv in self.stem)
        patterns = [torch.relu(conv(each)) for conv, each in zip(self.stem, padded, strict=True)]
        states = self.core(torch.cat([inputs, *patterns], 1).transpose(1, 2))[0]
        pooled = torch.cat([states[:, -1], states.mean(1), states.max(1).values], 1)
        return self.head(self.dropout(pooled))


def _torch(
    make: Callable[[], nn.Module], x: NDArray[np.float32], y: NDArray[np.int64], n_networks: int
) -> list[nn.Module]:
    """The fewest lines of plain torch: shuffled slices of one tensor, no DataLoader."""
    torch.manual_seed(0)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    nets = [make() for _ in range(n_networks)]
    for net in nets:
        optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
        for _ in range(EPOCHS):
            order = torch.randperm(len(inputs))
            for k in range(0, len(inputs), BATCH):
                rows = order[k : k + BATCH]
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
                optimizer.step()
    return [net.eval() for net in nets]


@torch.no_grad()
def _predict(nets: list[nn.Module], x: NDArray[np.float32]) -> NDArray[np.int64]:
    outputs = torch.stack([net(torch.from_numpy(x)).softmax(1) for net in nets])
    return outputs.mean(0).argmax(1).numpy()


if __name__ == "__main__":
    main(run)
