"""Texts: SST-2, TREC-6, parts of speech of the English web treebank; official splits, simple models beside.

TextClassifier() and TextTagger() as they come, two seeds each, fitted on the training part alone; settings
were chosen on a part of the training texts, of the treebank on its development part, never on a test part.
The baselines are those of `compare`, fitted on the same texts. SST-2 has the 6,920 sentences alone, without
labels of phrases, and no vectors from elsewhere. Of the tagger the accuracy on words that the training part
lacks stands beside. Runs that are done are kept in `results/text.partial.json`, so that an interrupted run of
the same commit goes on. The files lie in sentiment/ and ud_ewt/ in the folder UNROLLED_DATA, by default
../shared/data.

    python -m benchmarks.text [--toy]
"""

import gzip
import time
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.record import DATA, RESULTS, Facts, main, print_now, resumed, table
from unrolled import TextClassifier, TextTagger
from unrolled.data.text.conll import read_tagged
from unrolled.evaluate.sequence.baselines import MajorityClass
from unrolled.evaluate.text.baselines import MostFrequentTag, TfidfLogistic, TokenLogistic

SEEDS = 2
CLASSIFIED = {
    "SST-2": ("stsa.binary.train.gz", "stsa.binary.test.gz", "utf-8"),
    "TREC-6": ("TREC.train.all.gz", "TREC.test.all.gz", "latin-1"),
}
TAGGED = "UD-EWT parts of speech"
BASELINES = {
    "majority class": MajorityClass,
    "TF-IDF words": TfidfLogistic,
    "TF-IDF words and characters": partial(TfidfLogistic, characters=True),
}
TAG_BASELINES = {"most frequent tag": MostFrequentTag, "logistic regression": TokenLogistic}
TOY: dict[str, Any] = {
    "hidden_size": 4, "embedding_size": 4, "n_buckets": 64, "n_members": 1, "max_epochs": 1,
}  # fmt: skip


def run(toy: bool) -> Facts:
    data = ("toy", "toy tags") if toy else (*CLASSIFIED, TAGGED)
    names = [
        f"{name}: {model}"
        for name in data
        for model in (
            *(TAG_BASELINES if name in {TAGGED, "toy tags"} else BASELINES),
            *(f"seed {seed}" for seed in range(1 if toy else SEEDS)),
        )
    ]
    kept_in = None if toy else RESULTS / "text.partial.json"
    fits: list[Facts] = []
    for fit in resumed(names, partial(measure, toy=toy), kept_in):
        fits.append(fit)
        print_now(table(fits).splitlines()[-1])
    rows = [row for name in data for row in summarized([fit for fit in fits if fit["data"] == name])]
    print_now("\n" + table(rows))
    return {
        "threads": torch.get_num_threads(),
        "measure": "accuracy on the test part; median seconds of a fit, of a prediction of the test part",
        "seeds": SEEDS,
        "rows": rows,
        "fits": fits,
    }


def measure(name: str, *, toy: bool) -> Facts:
    """Fit one model on one data set, and score it on the test part."""
    data, model_name = name.split(": ", 1)
    is_tagged = data in {TAGGED, "toy tags"}
    train, test = (tagged_parts if is_tagged else classified_parts)(data)
    if model_name.startswith("seed "):
        seed, settings = int(model_name.removeprefix("seed ")), TOY if toy else {}
        model: Any = (TextTagger if is_tagged else TextClassifier)(random_state=seed, **settings)
    else:
        model = (TAG_BASELINES if is_tagged else BASELINES)[model_name]()
    start_s = time.perf_counter()
    cpu_s = time.process_time()
    model.fit(*train)
    fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    start_s = time.perf_counter()
    predictions = model.predict(test[0])
    predict_s = time.perf_counter() - start_s
    unknown = None
    if is_tagged:
        known = {word for words in train[0] for word in words}
        is_unknown = np.array([word not in known for words in test[0] for word in words])
        hits = np.concatenate(list(predictions)) == np.concatenate([np.array(tags) for tags in test[1]])
        unknown = round(float(hits[is_unknown].mean()), 4) if is_unknown.any() else None
    else:
        hits = predictions == np.array(test[1])
    return {
        "data": data,
        "model": model_name,
        "accuracy": round(float(hits.mean()), 4),
        "unknown_words": unknown,
        "fit_s": round(fit_s, 2),
        "fit_cpu_s": round(cpu_s, 2),
        "predict_s": round(predict_s, 2),
    }


def summarized(fits: list[Facts]) -> list[Facts]:
    """Return a row for each baseline, and one for all seeds of the network."""
    seeds = [fit for fit in fits if fit["model"].startswith("seed ")]
    rows = [fit | {"least": None, "most": None} for fit in fits if fit not in seeds]
    accuracies = [fit["accuracy"] for fit in seeds]
    unknown = [fit["unknown_words"] for fit in seeds if fit["unknown_words"] is not None]
    row: Facts = {
        "data": seeds[0]["data"],
        "model": "unrolled",
        "accuracy": round(float(np.mean(accuracies)), 4),
    }
    row |= {"unknown_words": round(float(np.mean(unknown)), 4) if unknown else None}
    row |= {
        part: round(float(np.median([s[part] for s in seeds])), 2)
        for part in ("fit_s", "fit_cpu_s", "predict_s")
    }
    return [*rows, row | {"least": min(accuracies), "most": max(accuracies)}]


def classified_parts(name: str) -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]]:
    """Return texts and labels of the training and of the test part."""
    if name == "toy":
        texts = [f"{word} film {k}" for k in range(12) for word in ("a warm", "a dull")]
        return (texts, ["good", "bad"] * 12), (texts[:6], ["good", "bad"] * 3)
    *files, encoding = CLASSIFIED[name]
    parts = []
    for file in files:
        with gzip.open(DATA / "sentiment" / file, "rt", encoding=encoding) as lines:
            pairs = [line.rstrip("\n").split(" ", 1) for line in lines]
        parts.append(([text for _, text in pairs], [label for label, _ in pairs]))
    return parts[0], parts[1]


def tagged_parts(name: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return sentences and tags of the training and of the test part."""
    if name == "toy tags":
        words, tags = [["the", "dog", "ran"], ["a", "cat"]] * 8, [["D", "N", "V"], ["D", "N"]] * 8
        return (words, tags), ([["the", "cat", "sat"]], [["D", "N", "V"]])
    parts = [read_tagged(DATA / "ud_ewt" / f"en_ewt-ud-{part}.conllu.gz") for part in ("train", "test")]
    return (parts[0].words, parts[0].tags), (parts[1].words, parts[1].tags)


if __name__ == "__main__":
    main(run)
