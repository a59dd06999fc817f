"""Texts to classes: SST-2 and TREC-6 on their official splits, simple models beside.

TextClassifier() as it comes, five seeds, fitted on the training part alone; settings were chosen on a part of
the training texts, never on a test part. The baselines are those of `compare`, fitted on the same texts.
SST-2 has the 6,920 sentences alone, without labels of phrases, and no vectors from elsewhere. Runs that are
done are kept in `results/text.partial.json`, so that an interrupted run of the same commit goes on. The files
lie in sentiment/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.text [--toy]
"""

import gzip
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.record import DATA, RESULTS, Facts, main, print_now, resumed, table
from unrolled import TextClassifier
from unrolled.evaluate.sequence.baselines import MajorityClass
from unrolled.evaluate.text.baselines import TfidfLogistic

SEEDS = 5
CLASSIFIED = {
    "SST-2": ("stsa.binary.train.gz", "stsa.binary.test.gz", "utf-8"),
    "TREC-6": ("TREC.train.all.gz", "TREC.test.all.gz", "latin-1"),
}
BASELINES = {
    "majority class": MajorityClass,
    "TF-IDF words": TfidfLogistic,
    "TF-IDF words and characters": partial(TfidfLogistic, characters=True),
}
TOY: dict[str, Any] = {
    "hidden_size": 4, "embedding_size": 4, "n_buckets": 64, "n_members": 1, "max_epochs": 1,
}  # fmt: skip


def run(toy: bool) -> Facts:
    names = fit_names(("toy",) if toy else CLASSIFIED, BASELINES, toy=toy)
    return run_fits(names, partial(measure, toy=toy), None if toy else RESULTS / "text.partial.json")


def fit_names(data: Iterable[str], baselines: Iterable[str], *, toy: bool) -> list[str]:
    """Name every fit: "data: model", the models being the baselines and a network a seed."""
    seeds = [f"seed {seed}" for seed in range(1 if toy else SEEDS)]
    return [f"{name}: {model}" for name in data for model in (*baselines, *seeds)]


def run_fits(names: list[str], measure: Callable[[str], Facts], kept_in: Path | None) -> Facts:
    """Measure every fit, and summarize those of each data set."""
    fits: list[Facts] = []
    for fit in resumed(names, measure, kept_in):
        fits.append(fit)
        print_now(table(fits).splitlines()[-1])
    data = dict.fromkeys(fit["data"] for fit in fits)
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
    train, test = classified_parts(data)
    if model_name.startswith("seed "):
        seed = int(model_name.removeprefix("seed "))
        model: Any = TextClassifier(random_state=seed, **(TOY if toy else {}))
    else:
        model = BASELINES[model_name]()
    timed, predictions = timed_fit(model, train, test[0])
    accuracy = round(float((predictions == np.array(test[1])).mean()), 4)
    return {"data": data, "model": model_name, "accuracy": accuracy, **timed}


def timed_fit(model: Any, train: tuple[Any, Any], texts: Any) -> tuple[Facts, Any]:
    """Fit a model and predict; return the seconds of both, and the predictions."""
    start_s, cpu_s = time.perf_counter(), time.process_time()
    model.fit(*train)
    fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    start_s = time.perf_counter()
    predictions = model.predict(texts)
    predict_s = time.perf_counter() - start_s
    seconds = {"fit_s": fit_s, "fit_cpu_s": cpu_s, "predict_s": predict_s}
    return {name: round(value, 2) for name, value in seconds.items()}, predictions


def summarized(fits: list[Facts]) -> list[Facts]:
    """Return a row for each baseline, and one for all seeds of the network."""
    seeds = [fit for fit in fits if fit["model"].startswith("seed ")]
    rows = [fit | {"least": None, "most": None} for fit in fits if fit not in seeds]
    accuracies = [fit["accuracy"] for fit in seeds]
    row: Facts = seeds[0] | {"model": "unrolled"}
    row |= {
        name: round(float(np.mean([fit[name] for fit in seeds])), 4)
        for name in ("accuracy", "unknown_words")
        if name in row
    }
    row |= {
        name: round(float(np.median([fit[name] for fit in seeds])), 2)
        for name in ("fit_s", "fit_cpu_s", "predict_s")
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


if __name__ == "__main__":
    main(run)
