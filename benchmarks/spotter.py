"""A spotter of spoken digits: misses, false alarms an hour on other speech, and the time of a hop.

`AudioClassifier()` as it comes, on takes 5 to 49 of fsdd and a class of background: hiss, and pieces of half
of the prompts of Debian's asterisk-core-sounds-en-wav. Takes 0 to 4, each between two half seconds of hiss,
are streamed at several thresholds; the highest that misses at most one in twenty is kept. False alarms are
counted at that threshold on the other half of the prompts, without those that hold a digit. Streams are fed
hops of 10 ms, whose time on one core is the least median of seven runs.

    python -m benchmarks.spotter [--toy]
"""

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import Facts, main, print_now, table
from benchmarks.transcription import DIGITS, RATE, TEST_TAKES, SpokenDigits, prompts, read_digits
from unrolled import AudioClassifier

Floats = NDArray[np.float64]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
MOST_MISSED = 0.05
BACKGROUND = "background"
PIECE_S = (0.3, 1.0)  # of background
HOP = RATE // 100
TOY: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "max_epochs": 1}


def run(toy: bool) -> Facts:
    torch.set_num_threads(1)
    source, speech = read_digits(toy), other_speech(toy)
    model = fitted(source, speech[0], toy)
    is_test = np.flatnonzero(source.takes < TEST_TAKES)[: 8 if toy else None]
    embedded = [between_hiss(source.waves[row], int(row)) for row in is_test]
    rows = []
    for threshold in THRESHOLDS[:2] if toy else THRESHOLDS:
        found = [labels_of(model, wave, threshold) for wave in embedded]
        right = [DIGITS[source.digits[row]] in labels for row, labels in zip(is_test, found, strict=True)]
        alarms = sum(len(labels_of(model, wave, threshold)) for wave in speech[1])
        hours = sum(map(len, speech[1])) / RATE / 3600
        missed = 1 - float(np.mean(right))
        rows.append(
            {
                "threshold": threshold,
                "missed": round(missed, 4),
                "false_alarms_an_hour": round(alarms / hours, 1),
            }
        )
    print_now("\n" + table(rows))
    kept = [row for row in rows if row["missed"] <= MOST_MISSED]
    return {
        "threads": 1,
        "minutes_of_other_speech": round(60 * hours, 1),
        "tested_words": len(is_test),
        "at_one_miss_in_twenty": kept[-1] if kept else None,
        "hop_us": hop_time(model, n=50 if toy else 2000),
        "rows": rows,
    }


def fitted(source: SpokenDigits, background: list[Floats], toy: bool) -> AudioClassifier:
    """Fit digits and background, as many pieces of it as of two digits."""
    rng = np.random.default_rng(0)
    train = np.flatnonzero(source.takes >= TEST_TAKES)
    waves = [source.waves[row] / 2**15 for row in train]
    labels = [DIGITS[source.digits[row]] for row in train]
    n_pieces = max(8, len(train) // 5)
    pieces = [piece(rng, background[k % len(background)] if k % 2 else None) for k in range(n_pieces)]
    model = AudioClassifier(rate=RATE, verbose=False, **(TOY if toy else {}))
    return model.fit([*waves, *pieces], [*labels, *[BACKGROUND] * n_pieces])


def piece(rng: np.random.Generator, wave: Floats | None) -> Floats:
    """Cut a piece of a recording, or make one of hiss."""
    n = int(RATE * rng.uniform(*PIECE_S))
    if wave is None or len(wave) <= n:
        return rng.normal(0, 10 ** rng.uniform(-4, -2), n)
    start = int(rng.integers(0, len(wave) - n))
    return wave[start : start + n] + rng.normal(0, 1e-5, n)


def between_hiss(wave: NDArray[Any], seed: int) -> Floats:
    """Put half a second of hiss before and behind a recording."""
    samples = wave / 2**15
    level = np.abs(samples).max() * 10 ** (-50 / 20)
    hiss = np.random.default_rng(seed).normal(0, level, RATE)
    return np.concatenate([hiss[: RATE // 2], samples, hiss[RATE // 2 :]])


def labels_of(model: AudioClassifier, wave: Floats, threshold: float) -> list[str]:
    """Stream a recording, and return what was recognised."""
    stream = model.stream(threshold=threshold, ignore=[BACKGROUND])
    stream.feed(wave)
    return [str(found.label) for found in stream.detections]


def other_speech(toy: bool) -> tuple[list[Floats], list[Floats]]:
    """Return prompts without digits: some for the background, and others to count false alarms on."""
    if toy:
        rng = np.random.default_rng(1)
        return [rng.normal(0, 0.1, RATE) for _ in range(2)], [rng.normal(0, 0.1, RATE) for _ in range(2)]
    task = prompts()
    recordings = [*task.train.recordings, *task.test.recordings]
    texts = [*task.train.texts, *task.test.texts]
    digits = {*DIGITS, *"0123456789", "oh"}
    waves = [
        recording.wave()
        for recording, text in zip(recordings, texts, strict=True)
        if not digits & set(text.split())
    ]
    return waves[::2], waves[1::2]


def hop_time(model: AudioClassifier, n: int) -> float:
    """Return microseconds of processor time a hop."""
    hops = np.random.default_rng(0).normal(0, 0.05, (n, HOP))
    medians = []
    for _ in range(7):
        stream, times = model.stream(), []
        for hop in hops:
            start_ns = time.perf_counter_ns()
            stream.feed(hop)
            times.append(time.perf_counter_ns() - start_ns)
        medians.append(float(np.median(times)) / 1000)
    return round(min(medians), 1)


if __name__ == "__main__":
    main(run)
