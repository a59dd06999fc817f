"""Nine sets of labelled sequences, official splits: accuracy on the test part, seconds to fit and to answer.

SequenceClassifier() and SequenceClassifier(solver="reservoir") as they come, five seeds each, fitted on the
training part alone; no test part was looked at in training, and no setting was chosen by one. The settings
of both were chosen by cross-validation within the training parts of these sets and of OSULeaf, ACSF1 and
PickupGestureWiimoteZ. Beside them what others report, for scale: 1-NN with dynamic time warping and ROCKET
as published, MiniRocket and a plain torch GRU as measured once by whoever prepared the data. The files lie
in classification/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.classification [--toy]
"""

import time
from typing import Any

import numpy as np
import torch

from benchmarks.labelled_sets import official_parts, two_shapes
from benchmarks.record import Facts, main, print_now, table
from unrolled import SequenceClassifier

SEEDS = 5
# published accuracies, and those measured on these splits
SETS: dict[str, dict[str, float]] = {
    "JapaneseVowels": {"rocket": 0.962, "minirocket": 0.984, "torch_gru": 0.964},
    "BasicMotions": {"rocket": 1.0, "minirocket": 1.0, "torch_gru": 0.983},
    "GunPoint": {"dtw": 0.907, "rocket": 1.0, "minirocket": 0.993, "torch_gru": 0.909},
    "ItalyPowerDemand": {"dtw": 0.95, "rocket": 0.97, "minirocket": 0.965, "torch_gru": 0.969},
    "ECG200": {"dtw": 0.77},
    "CBF": {"dtw": 0.997},
    "SyntheticControl": {"dtw": 0.993},
    "ArrowHead": {"dtw": 0.703, "rocket": 0.823, "minirocket": 0.857, "torch_gru": 0.333},
    "TwoLeadECG": {},
}
RIVALS = ("dtw", "rocket", "minirocket", "torch_gru")


def run(toy: bool) -> Facts:
    rows: list[Facts] = []
    for name in ("two shapes",) if toy else SETS:
        X, y, X_test, y_test = two_shapes() if toy else official_parts(name)
        for training in ("gradient", "reservoir"):
            fits = []
            for seed in range(1 if toy else SEEDS):
                settings: dict[str, Any] = {"hidden_size": 4} if toy else {}
                if toy and training == "gradient":
                    settings["max_epochs"] = 2
                model = SequenceClassifier(solver=training, random_state=seed, **settings)
                start_s = time.perf_counter()
                model.fit(X, y)
                fitted_s = time.perf_counter()
                accuracy = model.score(X_test, y_test)
                fits.append((accuracy, fitted_s - start_s, time.perf_counter() - fitted_s))
            rows.append(_row(name, training, fits))
            print_now(table(rows).splitlines()[-1])
    print_now("\n" + table(rows))
    return {
        "threads": torch.get_num_threads(),
        "measure": "accuracy on the test part; seconds",
        "seeds": SEEDS,
        "rows": rows,
    }


def _row(name: str, training: str, fits: list[tuple[float, float, float]]) -> Facts:
    accuracies, fit_s, score_s = (np.array(part) for part in zip(*fits, strict=True))
    return {
        "set": name,
        "training": training,
        "accuracy": round(float(accuracies.mean()), 4),
        "least": round(float(accuracies.min()), 4),
        "most": round(float(accuracies.max()), 4),
        "fit_s": round(float(np.median(fit_s)), 2),
        "score_s": round(float(np.median(score_s)), 2),
        **{rival: SETS.get(name, {}).get(rival) for rival in RIVALS},
    }


if __name__ == "__main__":
    main(run)
