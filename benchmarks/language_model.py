"""Tiny Shakespeare: nats a character on its last tenth, n-grams and gzip beside; the speed of writing.

LanguageModel() as it comes, two seeds, fitted on the first nine tenths of the text alone, and scored on the
last tenth in one pass with carried state, once a fit. Settings were chosen on cuts of the training text that
hold out whole plays. Runs that are done are kept in `results/language_model.partial.json`, so that an
interrupted run of the same commit goes on. The text lies in tinyshakespeare/ in the folder UNROLLED_DATA, by
default ../shared/data. `benchmarks.language_model_large` fits a larger network.

Then 10,000 characters are drawn from a model of 512 units, beside loops over torch.nn.LSTM and LSTMCell with
its weights, whose distributions are equal; each loop draws with torch.multinomial.

    python -m benchmarks.language_model [--toy]
"""

import gzip
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.record import DATA, RESULTS, Facts, main, print_now, resumed, table
from unrolled import LanguageModel
from unrolled.evaluate.text.language_baselines import GzipCode, WittenBell

SEEDS = 2
TOY: dict[str, Any] = {"hidden_size": 8, "embedding_size": 4, "max_epochs": 1}
BASELINES: dict[str, Callable[[], Any]] = {"character n-gram": WittenBell, "gzip": GzipCode}
REPEATS = 3


def run(toy: bool) -> Facts:
    seeds = [f"seed {seed}" for seed in range(1 if toy else SEEDS)]
    kept_in = None if toy else RESULTS / "language_model.partial.json"
    fits: list[Facts] = []
    for fit in resumed([*BASELINES, *seeds], partial(measure, settings=TOY if toy else {}, toy=toy), kept_in):
        fits.append(fit)
        print_now(table(fits).splitlines()[-1])
    rows = summarized(fits)
    print_now("\n" + table(rows))
    written = writing(units=16 if toy else 512, n=50 if toy else 10_000, repeats=1 if toy else REPEATS)
    print_now("\n" + table(written))
    return {
        "threads": torch.get_num_threads(),
        "measure": "nats and bits a character of the last tenth; characters a second, median of repeats",
        "seeds": SEEDS,
        "rows": rows,
        "fits": fits,
        "writing": written,
    }


def measure(name: str, *, settings: dict[str, Any], toy: bool) -> Facts:
    """Fit one model on the training text, and score it on the test text."""
    training, test = parts(toy)
    start_s, cpu_s = time.perf_counter(), time.process_time()
    if name in BASELINES:
        baseline = BASELINES[name]().fit([training], are_documents=False)
        fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
        start_s = time.perf_counter()
        nats = float(baseline.block_nats([test], 1).sum()) / len(test)
        stopped = f"order {baseline.order_}" if name == "character n-gram" else ""
    else:
        seed = int(name.removeprefix("seed "))
        model = LanguageModel(random_state=seed, **settings).fit(training)
        fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
        start_s = time.perf_counter()
        nats, stopped = model.evaluate(test).nats_per_character, model.stopping_reason_
    return {
        "model": name,
        "nats": round(nats, 4),
        "bits": round(nats / np.log(2), 4),
        "fit_s": round(fit_s, 1),
        "fit_cpu_s": round(cpu_s, 1),
        "score_s": round(time.perf_counter() - start_s, 1),
        "stopped": stopped,
    }


def summarized(fits: list[Facts]) -> list[Facts]:
    """Return a row for each baseline, and one for all seeds."""
    seeds = [fit for fit in fits if fit["model"].startswith("seed ")]
    nats = [fit["nats"] for fit in seeds]
    row = {"model": "unrolled", "nats": round(float(np.mean(nats)), 4), "least": min(nats), "most": max(nats)}
    row["bits"] = round(row["nats"] / np.log(2), 4)
    row |= {part: round(median(fit[part] for fit in seeds), 1) for part in ("fit_s", "fit_cpu_s", "score_s")}
    names = ("model", "nats", "least", "most", "bits", "fit_s", "fit_cpu_s", "score_s")
    rows = [*(fit for fit in fits if fit["model"] in BASELINES), row]
    return [{name: each.get(name) for name in names} for each in rows]


def parts(toy: bool) -> tuple[str, str]:
    """Return the training and the test text."""
    if toy:
        text = "to be or not to be, that is the question: " * 30
    else:
        with gzip.open(DATA / "tinyshakespeare" / "input.txt.gz", "rt", encoding="utf-8") as file:
            text = file.read()
    cut = len(text) * 9 // 10
    return text[:cut], text[cut:]


class Twin(nn.Module):
    """The same network in torch.nn."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        network = model.networks_[0]
        weight, bias = (part.detach().clone() for part in network.readout)
        E, H = network.config.embedding_size, network.config.hidden_size
        self.embedding = nn.Embedding.from_pretrained(network.embedding.weight.detach().clone())
        self.lstm, self.cell, self.readout = nn.LSTM(E, H), nn.LSTMCell(E, H), nn.Linear(H, len(bias))
        self.readout.weight.data, self.readout.bias.data = weight, bias
        weights = network.layers[0].state_dict()
        self.lstm.load_state_dict(weights)
        self.cell.load_state_dict({name.removesuffix("_l0"): part for name, part in weights.items()})

    def layer_step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Step torch.nn.LSTM."""
        output, state = self.lstm(self.embedding(token)[None], state)
        return self.readout(output[0]), state

    def cell_step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Step torch.nn.LSTMCell."""
        state = self.cell(self.embedding(token), state)
        return self.readout(state[0]), state


@torch.inference_mode()
def draw(step: Callable[[Tensor, Any], tuple[Tensor, Any]], n: int) -> list[int]:
    """Draw n tokens, as a loop in torch does."""
    token, state, drawn = torch.ones(1, dtype=torch.int64), None, []
    for _ in range(n):
        logits, state = step(token, state)
        token = torch.multinomial(logits.softmax(-1), 1)[0]
        drawn.append(int(token))
    return drawn


@torch.inference_mode()
def require_equal(model: LanguageModel, twin: Twin, text: str) -> None:
    """Pass if all three give the same distributions after each character of a text."""
    expected = model.stream().steps(text)
    for step in (twin.layer_step, twin.cell_step):
        state = None
        for k, token in enumerate([1, *model.codec_.encode(text).positions.tolist()]):
            logits, state = step(torch.tensor([token]), state)
            if k:
                np.testing.assert_allclose(logits.softmax(-1)[0].numpy(), expected[k - 1], atol=1e-5)


def writing(*, units: int, n: int, repeats: int) -> list[Facts]:
    """Time drawing n characters, the three interleaved."""
    text = parts(True)[0]
    model = LanguageModel(hidden_size=units, embedding_size=64, max_epochs=1, batch_size=4).fit(text)
    twin = Twin(model).eval()
    require_equal(model, twin, text[:100])
    ways: dict[str, Callable[[], object]] = {
        "unrolled": lambda: model.generate("", n, random_state=0),
        "loop over torch.nn.LSTM": lambda: draw(twin.layer_step, n),
        "loop over torch.nn.LSTMCell": lambda: draw(twin.cell_step, n),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):  # the first warms up
        for name, way in ways.items():
            start_s = time.perf_counter()
            way()
            if repeat or repeats == 1:
                seconds[name].append(time.perf_counter() - start_s)
    usual = {name: median(each) for name, each in seconds.items()}
    return [
        {
            "way": name,
            "characters": n,
            "seconds": round(usual[name], 3),
            "least_s": round(min(each), 3),
            "most_s": round(max(each), 3),
            "unrolled_is_faster": round(usual[name] / usual["unrolled"], 2),
        }
        for name, each in seconds.items()
    ]


if __name__ == "__main__":
    main(run)
