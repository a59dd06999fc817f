"""Nine sets of labelled sequences with values taken out: accuracy on the test part, by how gaps are read.

A tenth or half of all values, drawn at random for each seed, are missing in the training part and in the
test part alike. SequenceClassifier() as it comes reads them by each `missing=` ("decay", whose networks train
through autograd, a tenth only); beside it stands the same model on the complete data. Official splits; no
test part was looked at in training, and no setting was chosen by one: that masks have no changes in the stem,
their gain, and that "mask" fills by lines, by cuts of the training parts, after earlier runs had shown
"mask" up to 0.39 and 0.08 below complete data. Results that are done are kept in
`results/missing_values.partial.json`, so that an interrupted run of the same commit goes on where it was.
Files as for `benchmarks.classification`.

    python -m benchmarks.missing_values [--toy]
"""

from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.classification import SETS
from benchmarks.labelled_sets import official_parts, two_shapes
from benchmarks.record import RESULTS, Facts, main, print_now, resumed, table
from unrolled import SequenceClassifier
from unrolled.data.io.arrays import as_sequences

SEEDS = 5
SHARES = {"a tenth": 0.1, "half": 0.5}
METHODS = ("mask", "linear", "forward", "forward+mask", "decay")
SLOW = ("half, decay",)  # left out
COMPLETE = "complete"
SMALL = {"hidden_size": 4, "n_members": 1, "max_epochs": 2}
GOAL = 0.02  # of accuracy that "mask" may lose where a tenth is missing


def run(toy: bool) -> Facts:
    sets = ("two shapes",) if toy else tuple(SETS)
    with_gaps = (f"{share}, {method}" for share in SHARES for method in METHODS)
    kinds = [COMPLETE, *(kind for kind in with_gaps if kind not in SLOW)]
    kept_in = None if toy else RESULTS / "missing_values.partial.json"
    measured: dict[str, Facts] = {}
    names = [f"{name}: {kind}" for kind in kinds for name in sets]
    for name, cell in zip(names, resumed(names, partial(_accuracies, toy=toy), kept_in), strict=True):
        print_now(f"{name}: {np.round(cell['accuracies'], 4).tolist()}")
        measured[name] = cell
    rows = [_row(name, share, measured) for share in SHARES for name in sets]
    for share in SHARES:
        print_now("\n" + table([row for row in rows if row["missing"] == share]))
    return {
        "measure": "accuracy on the test part, least and most of all seeds beside",
        "seeds": SEEDS,
        "threads": torch.get_num_threads(),
        "goal": f"with a tenth missing, 'mask' at most {GOAL} below complete data",
        "means": [_mean_row(share, rows) for share in SHARES],
        "rows": rows,
    }


def _accuracies(name: str, *, toy: bool) -> Facts:
    """Fit and score one set, read in one way, once a seed."""
    name, kind = name.split(": ")
    X, y, X_test, y_test = two_shapes() if toy else official_parts(name)
    share, _, method = kind.partition(", ")
    accuracies = []
    for seed in range(1 if toy else SEEDS):
        model = SequenceClassifier(missing=method or None, random_state=seed, **(SMALL if toy else {}))
        rng = np.random.default_rng(seed)
        train, test = (_without(part, SHARES.get(share, 0.0), rng) for part in (X, X_test))
        accuracies.append(float(model.fit(train, y).score(test, y_test)))
    return {"accuracies": accuracies}


def _without(X: Any, share: float, rng: np.random.Generator) -> list[Any]:
    """Take out a share of the values of sequences (T, F) at random; one of each sequence stays."""
    arrays = []
    for one in as_sequences(X):
        is_missing = rng.random(one.values.shape) < share
        is_missing[rng.integers(len(is_missing)), 0] = False
        arrays.append(np.where(is_missing, np.nan, one.values))
    return arrays


def _row(name: str, share: str, measured: dict[str, Facts]) -> Facts:
    row: Facts = {"missing": share, "set": name}
    for method in (COMPLETE, *METHODS):
        kind = method if method == COMPLETE else f"{share}, {method}"
        if kind in SLOW:
            continue
        accuracies = measured[f"{name}: {kind}"]["accuracies"]
        row[method] = round(float(np.mean(accuracies)), 4)
        row[f"{method}_range"] = [round(min(accuracies), 4), round(max(accuracies), 4)]
    return row | {"mask_loss": round(row[COMPLETE] - row["mask"], 4)}


def _mean_row(share: str, rows: list[Facts]) -> Facts:
    rows = [row for row in rows if row["missing"] == share]
    methods = [method for method in (COMPLETE, *METHODS) if method in rows[0]]
    means = {key: round(float(np.mean([row[key] for row in rows])), 4) for key in methods}
    return {"missing": share, **means, "largest_mask_loss": max(row["mask_loss"] for row in rows)}


if __name__ == "__main__":
    main(run)
