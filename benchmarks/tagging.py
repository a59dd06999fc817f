"""Words to tags: parts of speech of the English web treebank (UD-EWT), official split, simple models beside.

TextTagger() as it comes, five seeds, fitted on the training part alone; settings were chosen on the
development part. The baselines are those of `compare`, fitted on the same sentences. The accuracy on words
that the training part lacks stands beside. Runs that are done are kept in `results/tagging.partial.json`, so
that an interrupted run of the same commit goes on. The files lie in ud_ewt/ in the folder UNROLLED_DATA, by
default ../shared/data.

    python -m benchmarks.tagging [--toy]
"""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.record import DATA, RESULTS, Facts, main
from benchmarks.text import TOY, fit_names, run_fits, timed_fit
from unrolled import TextTagger
from unrolled.data.text.conll import read_tagged
from unrolled.evaluate.text.baselines import MostFrequentTag, TokenLogistic

TREEBANK = "UD-EWT parts of speech"
BASELINES = {"most frequent tag": MostFrequentTag, "logistic regression": TokenLogistic}


def run(toy: bool) -> Facts:
    names = fit_names([TREEBANK], BASELINES, toy=toy)
    return run_fits(names, partial(measure, toy=toy), None if toy else RESULTS / "tagging.partial.json")


def measure(name: str, *, toy: bool) -> Facts:
    """Fit one model on the treebank, and score it on the test part."""
    data, model_name = name.split(": ", 1)
    train, (sentences, tags) = tagged_parts(toy=toy)
    if model_name.startswith("seed "):
        seed = int(model_name.removeprefix("seed "))
        model: Any = TextTagger(random_state=seed, **(TOY if toy else {}))
    else:
        model = BASELINES[model_name]()
    timed, predictions = timed_fit(model, train, sentences)
    known = {word for words in train[0] for word in words}
    is_unknown = np.array([word not in known for words in sentences for word in words])
    hits = np.concatenate(list(predictions)) == np.concatenate([np.array(each) for each in tags])
    return {
        "data": data,
        "model": model_name,
        "accuracy": round(float(hits.mean()), 4),
        "unknown_words": round(float(hits[is_unknown].mean()), 4),
        **timed,
    }


def tagged_parts(*, toy: bool) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return sentences and tags of the training and of the test part."""
    if toy:
        words, tags = [["the", "dog", "ran"], ["a", "cat"]] * 8, [["D", "N", "V"], ["D", "N"]] * 8
        return (words, tags), ([["the", "cat", "sat"]], [["D", "N", "V"]])
    parts = [read_tagged(DATA / "ud_ewt" / f"en_ewt-ud-{part}.conllu.gz") for part in ("train", "test")]
    return (parts[0].words, parts[0].tags), (parts[1].words, parts[1].tags)


if __name__ == "__main__":
    main(run)
