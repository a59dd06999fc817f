"""Multi30k, German to English: sacreBLEU on test 2016 (Flickr), simple translations and torch.nn beside.

Translator() as it comes, two seeds (a fit takes more than half an hour), on the 29,000 training pairs alone;
settings were chosen without the test part. Texts are cased and whole; beam 5, greedy beside it. The baselines
are those of `compare`. Then a training step of the same network, with the layers of torch.nn on packed
sequences and its cross-entropy, from the same weights on the same batch, after both losses were found equal.
`--only` measures some of the models and keeps the others; each names its commit and processor.
Runs that are done are kept in `results/translation.partial.json`, and the epochs of one that is not in
`results/translation.checkpoint`, so that an interrupted run of the same commit goes on; its time to fit is
then that of the last part. The files lie in multi30k/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.translation [--toy] [--only "seed 1"]
"""

import gzip
import shutil
import time
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.record import DATA, RESULTS, Facts, machine, main, measured, measured_at, print_now, table
from benchmarks.timing import in_process, in_turns
from unrolled import Translator
from unrolled.data.text.bleu import translation_scores
from unrolled.evaluate.text.translation_baselines import TRANSLATION_BASELINES
from unrolled.models.text.translation.dataset import NO_TOKEN, PairBatch, PairDataset
from unrolled.models.text.translation.network import TranslationConfig, TranslationNetwork
from unrolled.train.loop import BatchLoss

SEEDS = 2
STEP = "training step"
TOY: dict[str, Any] = {"unit": "word", "hidden_size": 8, "embedding_size": 8, "max_epochs": 1}
PUBLISHED = {"attention RNN, lowest of several papers": 33.5, "attention RNN, highest": 38.45}
Pairs = tuple[list[str], list[str]]


def run(toy: bool, only: Sequence[str] = ()) -> Facts:
    names = [*TRANSLATION_BASELINES, *(f"seed {seed}" for seed in range(1 if toy else SEEDS)), STEP]
    compute = partial(measure, toy=toy)
    done = measured(
        names, compute, "translation", part="fits", name_of=itemgetter("model"), only=only, toy=toy
    )
    *models, step = fits = [done[name] for name in names if name in done]
    shutil.rmtree(RESULTS / "translation.checkpoint", ignore_errors=True)
    seeds = [fit for fit in models if fit["model"].startswith("seed ")]
    bleus = [fit["bleu"] for fit in seeds]
    mean = {"model": "unrolled"} | {
        name: round(float(np.mean([fit[name] for fit in seeds])), 2)
        for name in ("bleu", "chrf", "greedy_bleu", "fit_s", "fit_cpu_s", "predict_s")
    }
    rows = [{name: fit[name] for name in mean} for fit in models if fit not in seeds] + [mean]
    print_now("\n" + table(rows))
    return {
        "threads": torch.get_num_threads(),
        "measure": "BLEU and chrF by sacrebleu on test 2016 (Flickr), cased, whole texts, beam 5",
        "published": PUBLISHED,
        "signature": seeds[0]["signature"],
        "seeds": len(seeds),
        "bleu_least": min(bleus),
        "bleu_most": max(bleus),
        "left_out": [name for name in names if name not in done],
        "rows": rows,
        "step": step,
        "fits": fits,
    }


def measure(name: str, *, toy: bool) -> Facts:
    """Fit one model and score it on the test part; or time a training step."""
    if name == STEP:
        return training_step(toy=toy)
    train, test = (toy_pairs(48), toy_pairs(8)) if toy else (pairs("train"), pairs("test_2016_flickr"))
    if name.startswith("seed "):
        seed = int(name.removeprefix("seed "))
        model: Any = Translator(random_state=seed, **(TOY if toy else {}))
    else:
        model = TRANSLATION_BASELINES[name]()
    checkpoint = None if toy else RESULTS / "translation.checkpoint" / name.replace(" ", "-")
    resumable = {"checkpoint": checkpoint} if isinstance(model, Translator) else {}
    start_s, cpu_s = time.perf_counter(), time.process_time()
    model.fit(*train, **resumable)
    fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    start_s = time.perf_counter()
    scores = translation_scores(model.predict(test[0]), test[1])
    predict_s = time.perf_counter() - start_s
    greedy = model.score_texts(*test, beam=1).bleu if isinstance(model, Translator) else None
    return {
        "model": name,
        "bleu": round(scores.bleu, 2),
        "chrf": round(scores.chrf, 2),
        "greedy_bleu": None if greedy is None else round(greedy, 2),
        "fit_s": round(fit_s, 1),
        "fit_cpu_s": round(cpu_s, 1),
        "predict_s": round(predict_s, 2),
        "signature": scores.signature,
        **measured_at(machine()),
    }


class PackedEncoder(nn.Module):
    """Layer of torch.nn that takes lengths, by packing."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, vectors: Tensor, *, lengths: Tensor) -> tuple[Tensor, Any]:
        """Return the states (S, B, D), and the last ones."""
        packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, enforce_sorted=False)
        states, last = self.layer(packed)
        return nn.utils.rnn.pad_packed_sequence(states)[0], last


class TorchTranslation(TranslationNetwork):
    """The same network on the layers and the loss of torch."""

    def __init__(self, like: TranslationNetwork) -> None:
        config = like.config
        super().__init__(config)
        self.load_state_dict(like.state_dict())
        encoder = nn.GRU(
            config.embedding_size, config.encoder_size, config.encoder_layers, bidirectional=True,
            dropout=config.dropout if config.encoder_layers > 1 else 0.0,
        )  # fmt: skip
        encoder.load_state_dict(like.encoder.state_dict())
        self.encoder = PackedEncoder(encoder)
        layers = []
        for layer in like.decoder:
            twin = nn.GRU(layer.input_size, layer.hidden_size)
            twin.load_state_dict(layer.state_dict())
            layers.append(twin)
        self.decoder = nn.ModuleList(layers)

    def loss(self, batch: PairBatch, label_smoothing: float) -> BatchLoss:
        """Compute the mean cross-entropy of the target tokens, all logits at once."""
        read, _ = self(batch.source, batch.source_lengths, batch.inputs)
        logits = F.linear(read, self.target_vectors.weight, self.bias)
        smoothing = label_smoothing if self.training else 0.0
        value = F.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), ignore_index=NO_TOKEN, label_smoothing=smoothing
        )
        return BatchLoss(value, n_targets=int((batch.targets != NO_TOKEN).sum()))


def training_step(*, toy: bool) -> Facts:
    """Time forward and backward of a batch of the shape of Multi30k, beside torch.nn."""
    n_tokens, n_pairs, sizes = (50, 4, (8, 8)) if toy else (6002, 64, (512, 256))
    rng = np.random.default_rng(0)
    sides = [[rng.integers(1, n_tokens - 1, rng.integers(10, 19)) for _ in range(n_pairs)] for _ in range(2)]
    batch = PairDataset.from_tokens(sides[0], sides[1], n_tokens - 1).batch(torch.arange(n_pairs))
    torch.manual_seed(0)
    config = TranslationConfig(
        n_tokens=n_tokens, hidden_size=sizes[0], embedding_size=sizes[1], dropout=0.3, word_dropout=0.1
    )
    networks = {"ours": TranslationNetwork(config)}
    networks["torch"] = TorchTranslation(networks["ours"])
    losses = {name: network.eval().loss(batch, 0.1).value.item() for name, network in networks.items()}
    if abs(losses["ours"] - losses["torch"]) > 1e-3:
        raise AssertionError(f"the networks differ: {losses}")

    def step(network: TranslationNetwork) -> None:
        network.zero_grad(set_to_none=True)
        network.loss(batch, 0.1).value.backward()

    sides_ = {name: in_process(partial(step, network.train())) for name, network in networks.items()}
    timings, _ = in_turns(sides_, toy=toy)
    n_targets = int((batch.targets != NO_TOKEN).sum())
    return {
        "model": STEP,
        "ours_ms": round(timings["ours"].ms, 2),
        "torch_ms": round(timings["torch"].ms, 2),
        "times": round(timings["torch"].times, 2),
        "target_tokens_a_second": round(1000 * n_targets / timings["ours"].ms),
        "torch_tokens_a_second": round(1000 * n_targets / timings["torch"].ms),
        **measured_at(machine()),
    }


def pairs(part: str) -> Pairs:
    """Return the German and the English sentences of a part."""
    sides = []
    for language in ("de", "en"):
        with gzip.open(DATA / "multi30k" / f"{part}.{language}.gz", "rt", encoding="utf-8") as lines:
            sides.append([line.rstrip("\n") for line in lines])
    return sides[0], sides[1]


def toy_pairs(count: int) -> Pairs:
    """Return made-up pairs."""
    words = {"ein": "a", "der": "the", "Hund": "dog", "Mann": "man", "rennt": "runs", "ruht": "rests"}
    rows = [[list(words)[(k * j) % 6] for j in (1, 5, 2, 3)] for k in range(count)]
    return [" ".join(row) for row in rows], [" ".join(words[word] for word in row) for row in rows]


if __name__ == "__main__":
    main(run)
