"""Moving MNIST: two digits that bounce in a square of 64 × 64 pixels, ten frames read, the next ten forecast.

The error is the squared error of a frame added up, of pixels from 0 to 1, on 1,000 clips of digits that are
in no clip of the training. It stands beside a black frame, the mean picture of the training, the mean of the
frames read, their last one, and an autoregression of each pixel. Settings were chosen on clips of training
digits alone; the test clips are seen once, at the end. The training goes on where it was interrupted
(`results/moving_mnist.checkpoint`). Published figures, none of which is run here, are of other hardware:
200 epochs on GPUs with the recipe of OpenSTL, 15 million weights.
Digits are read from mnist/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.moving_mnist [--toy]
"""

import shutil
import time

import numpy as np
import torch
from numpy.typing import NDArray

import unrolled as ur
from benchmarks.record import DATA, RESULTS, Facts, main, print_now, require_file, table
from unrolled.data.clips import as_clips
from unrolled.evaluate.forecasting.frame_baselines import FRAME_BASELINES

HORIZON = WINDOW = 10
SIDE, STEP = 64, 0.1  # pixels of a frame, and the way of a digit in one step, of the way that is free to it
SETTINGS: Facts = {"max_epochs": 5}
N_TRAIN, N_TEST = 3000, 1000  # clips
PUBLISHED: list[Facts] = [
    {"model": "ConvLSTM (Shi 2015)", "sse": 103.3},
    {"model": "ConvLSTM, 200 epochs (OpenSTL)", "sse": 29.8},
]

Clips = NDArray[np.uint8]


def run(toy: bool) -> Facts:
    sizes = (12, 4) if toy else (N_TRAIN, N_TEST)
    (train_digits, test_digits) = made_up_digits() if toy else _read_digits()
    train, test = (
        moving_digits(digits, n, seed=seed)
        for digits, n, seed in zip((train_digits, test_digits), sizes, (1, 2), strict=True)
    )
    checkpoint = None if toy else RESULTS / "moving_mnist.checkpoint"
    settings = SETTINGS | ({"hidden_channels": 4, "max_epochs": 1} if toy else {})
    model = ur.FrameForecaster(HORIZON, window=WINDOW, verbose=not toy, **settings)
    start_s = time.process_time()
    model.fit(train, checkpoint=checkpoint, callbacks=[_report])
    cpu_s = time.process_time() - start_s
    inputs, truth = test[:, :WINDOW], test[:, WINDOW:]
    rows: list[Facts] = [{"model": "all zero", **errors(np.zeros_like(truth, np.float32), truth)}]
    for name, make in FRAME_BASELINES.items():
        forecasts = make().fit(as_clips(train, "train")).predict(inputs.astype(np.float64), HORIZON)
        rows.append({"model": name, **errors(forecasts, truth)})
    rows.sort(key=lambda row: row["sse"])
    rows.insert(0, {"model": "unrolled", **errors(model.predict(inputs), truth)})
    print_now(table(rows))
    if checkpoint is not None:
        shutil.rmtree(checkpoint)
    return {
        "threads": torch.get_num_threads(),
        "measure": "squared error of a frame, added up, of pixels from 0 to 1; the first and the last frame",
        "tested": len(test),
        "fit_s": round(sum(record.seconds for record in model.history_.records), 1),
        "last_session_cpu_s": round(cpu_s, 1),
        "parameters": model.n_parameters_,
        "settings": settings | {"clips": len(train)},
        "stopping": model.stopping_reason_,
        "rows": rows,
        "published": PUBLISHED,
    }


def errors(forecasts: NDArray[np.floating], truth: Clips) -> Facts:
    """Return the squared error of a frame, of all, of the first and of the last of the frames ahead."""
    by_step = [
        float((((forecasts[:, k] - truth[:, k]) / 255.0) ** 2).sum((1, 2)).mean()) for k in range(HORIZON)
    ]
    return {
        "sse": round(float(np.mean(by_step)), 2),
        "first": round(by_step[0], 2),
        "last": round(by_step[-1], 2),
    }


def moving_digits(
    digits: Clips, n: int, *, seed: int, n_digits: int = 2, side: int = SIDE, steps: int = WINDOW + HORIZON
) -> Clips:
    """Draw clips (n, steps, side, side) of digits that move straight on and bounce; the brighter covers."""
    rng = np.random.default_rng(seed)
    clips = np.zeros((n, steps, side, side), np.uint8)
    height, width = digits.shape[1:]
    for clip in clips:
        for digit in digits[rng.integers(len(digits), size=n_digits)]:
            position, angle = rng.random(2), rng.uniform(0, 2 * np.pi)
            velocity = STEP * np.array([np.sin(angle), np.cos(angle)])
            for frame in clip:
                position = position + velocity
                velocity = np.where((position < 0) | (position > 1), -velocity, velocity)
                position = np.clip(position, 0, 1)
                y, x = (position * (side - height, side - width)).astype(int)
                part = frame[y : y + height, x : x + width]
                np.maximum(part, digit, out=part)
    return clips


def _report(record: Facts) -> None:
    print_now(
        f"epoch {record['epoch']:.0f}: training loss {record['train_loss']:.4f}, validation loss "
        f"{record['validation_loss'] or float('nan'):.4f}, {record['seconds']:.0f} s"
    )


def _read_digits() -> tuple[Clips, Clips]:
    with np.load(require_file(DATA / "mnist" / "mnist.npz")) as file:
        return file["x_train"], file["x_test"]


def made_up_digits() -> tuple[Clips, Clips]:
    """Draw noise in the place of digits, for a toy run."""
    digits = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
    return digits[:4], digits[4:]


if __name__ == "__main__":
    main(run)
