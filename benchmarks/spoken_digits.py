"""Spoken digits (fsdd): voices that the model has heard, and each of six voices that it has not, in one row.

AudioClassifier() as it comes, on 3,000 recordings at 8 kHz. "Known voices" is the official split, takes 0 to
4 of each digit and speaker tested, on which READMEs report 98 to 99 %; five seeds. "Unheard" leaves one
speaker out entirely and tests on all of that one's recordings; the mean of six, one seed. Settings were
chosen on takes 5 to 49 alone: those of a speaker that was left out beside another, and takes 5 to 9 of known
speakers.
The baselines are those of `compare`, on the frames that the model reads; those of aeon take part where it is
installed. `left_out` in the results names the fits of this list that were not run. `--only` measures some of
them and keeps the others; each names its commit and processor. Runs that are done are kept in
`results/spoken_digits.partial.json`, so that an interrupted run of the same commit goes on. The file lies in
fsdd/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.spoken_digits [--toy] [--only "known voices: seed"]
"""

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import (
    DATA,
    Facts,
    machine,
    main,
    measured,
    measured_at,
    print_now,
    require_file,
    table,
)
from unrolled import AudioClassifier, LogMel, SequenceClassifier, Sequences
from unrolled.data.audio.recording import Recording
from unrolled.evaluate.sequence.baselines import (
    MajorityClass,
    MiniRocket,
    NearestDTW,
    NearestEuclidean,
    has_aeon,
)
from unrolled.models.audio.levels import BandLevels

SEEDS = 5
KNOWN = "known voices"
TEST_TAKES = 5  # the first of each digit and speaker
RATE = 8000
BASELINES: dict[str, Callable[[], Any]] = {
    "majority class": MajorityClass,
    "1-NN Euclidean": NearestEuclidean,
    "reservoir": partial(SequenceClassifier, solver="reservoir", layout="ntc"),
}
AEON_BASELINES: dict[str, Callable[[], Any]] = {
    "1-NN DTW": NearestDTW,
    "MiniRocket": partial(MiniRocket, labels=True),
}
TOY: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "max_epochs": 1}


class Digits(NamedTuple):
    """Recordings (N) with digit, speaker and take of each."""

    waves: list[NDArray[Any]]
    digits: NDArray[np.int64]
    speakers: NDArray[np.str_]
    takes: NDArray[np.int64]


def run(toy: bool, only: Sequence[str] = ()) -> Facts:
    baselines = BASELINES if toy else BASELINES | AEON_BASELINES
    speakers = sorted(set(read(toy).speakers.tolist()))
    names = [f"{KNOWN}: {name}" for name in (*baselines, *(f"seed {k}" for k in range(1 if toy else SEEDS)))]
    names += [f"{speaker}: {name}" for speaker in speakers for name in (*baselines, "seed 0")]
    here = [name for name in names if has_aeon() or not name.endswith(tuple(AEON_BASELINES))]
    compute = partial(measure, toy=toy)
    done = measured(here, compute, "spoken_digits", part="fits", name_of=fit_name, only=only, toy=toy)
    fits = [done[name] for name in names if name in done]
    baselines = {name: make for name, make in baselines.items() if f"{KNOWN}: {name}" in done}
    rows = [row(name, fits, speakers) for name in baselines]
    rows.append(row("unrolled", fits, speakers))
    print_now("\n" + table(rows))
    return {
        "threads": torch.get_num_threads(),
        "measure": "accuracy; median seconds of a fit on the official training part",
        "left_out": [name for name in names if name not in done],
        "rows": rows,
        "fits": fits,
    }


def fit_name(fit: Facts) -> str:
    return f"{fit['split']}: {fit['model']}"


def measure(name: str, *, toy: bool) -> Facts:
    """Fit one model on one split, and score it on what was left out."""
    split, model_name = name.split(": ", 1)
    data = read(toy)
    is_test = data.takes < TEST_TAKES if split == KNOWN else data.speakers == split
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    if model_name.startswith("seed "):
        seed = int(model_name.removeprefix("seed "))
        model: Any = AudioClassifier(random_state=seed, **(TOY if toy else {}))
        X = [Recording(data.waves[i], RATE) for i in range(len(data.waves))]
        groups = {"groups": data.speakers[train]}
    else:
        model = (BASELINES | AEON_BASELINES)[model_name]()
        X, groups = frames_of(data, train), {}
    start_s, cpu_s = time.perf_counter(), time.process_time()
    model.fit([X[i] for i in train], data.digits[train], **groups)
    fit_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    start_s = time.perf_counter()
    predictions = model.predict([X[i] for i in test])
    return {
        "split": split,
        "model": model_name,
        "accuracy": round(float(np.mean(predictions == data.digits[test])), 4),
        "tested": len(test),
        "fit_s": round(fit_s, 2),
        "fit_cpu_s": round(cpu_s, 2),
        "predict_s": round(time.perf_counter() - start_s, 2),
        **measured_at(machine()),
    }


def row(model: str, fits: list[Facts], speakers: list[str]) -> Facts:
    """Return the row of one model: known voices, unheard voices, and each of these."""
    is_ours = model == "unrolled"
    of_model = [
        fit for fit in fits if (fit["model"].startswith("seed ") if is_ours else fit["model"] == model)
    ]
    known = [fit for fit in of_model if fit["split"] == KNOWN]
    unheard = {fit["split"]: fit["accuracy"] for fit in of_model if fit["split"] in speakers}
    accuracies = [fit["accuracy"] for fit in known]
    return {
        "model": model,
        "known_voices": round(float(np.mean(accuracies)), 4),
        "least": min(accuracies) if is_ours else None,
        "most": max(accuracies) if is_ours else None,
        "unheard_voices": round(float(np.mean(list(unheard.values()))), 4) if unheard else None,
        **{speaker: unheard.get(speaker) for speaker in speakers},
        **{part: round(float(np.median([f[part] for f in known])), 2) for part in ("fit_s", "fit_cpu_s")},
    }


def frames_of(data: Digits, train: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Compute the frames (T_i, F) of all recordings as the model reads them, levels measured on some."""
    features = LogMel(RATE)
    raw = [features.frames(wave) for wave in data.waves]
    heard = Sequences.from_arrays([raw[i] for i in train])
    levels = BandLevels.fit(heard.values, heard.offsets, kind="running")
    return [levels.normalize(frames) for frames in raw]


@cache
def read(toy: bool) -> Digits:
    """Read the recordings; tones of two heights and two made-up speakers where it is a toy."""
    if toy:
        rng, rows = (
            np.random.default_rng(0),
            [(d, s, t) for d in (0, 1) for s in ("a", "b") for t in range(8)],
        )
        waves = [
            np.sin(np.arange(1200 + 40 * t) * (0.3 + 0.9 * d)) + rng.normal(0, 0.01, 1200 + 40 * t)
            for d, _, t in rows
        ]
        digits, speakers, takes = zip(*rows, strict=True)
        return Digits(waves, np.array(digits), np.array(speakers), np.array(takes))
    with np.load(require_file(DATA / "fsdd" / "fsdd.npz")) as parts:
        waves = np.split(parts["audio"], parts["offsets"][1:-1])
        return Digits(waves, parts["digit"], parts["speaker"], parts["take"])


if __name__ == "__main__":
    main(run)
