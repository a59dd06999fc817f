"""Endless streams of a Forecaster: accuracy from windows and a carried state, coverage of adaptive bands.

Models are fitted on the first 1,000 values and then only stepped. One series goes on as it was; the other
drifts: its noise grows to three times, and its level begins to wander. Errors are those of the median one
step ahead, coverage that of the 80 % band, one and twelve steps ahead; both over all steps and over the last
quarter. The rate of the bands, 0.05, was chosen on series of other seeds: of 0.01 to 0.4 it is the least that
covers within a point of 80 % one step ahead where the series drifts; its interval scores are within 2 % of
the lowest.

    python -m benchmarks.stream_drift [--toy]
"""

from typing import Any

import numpy as np

import unrolled as ur
from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import limit_threads

HORIZON = 12
N_FITTED, N_STEPS = 1_000, 3_000
SEEDS = (0, 1)
STREAMS: dict[str, dict[str, Any]] = {
    "window": {},
    "carried": {"window": False},
    "window, adaptive": {"adaptive": True},
}


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    fitted, steps = (120, 60) if toy else (N_FITTED, N_STEPS)
    seeds = SEEDS[: 1 if toy else None]
    size = {"hidden_size": 4, "max_steps": 2, "window": 12} if toy else {"window": 48}
    models = {
        seed: ur.Forecaster(horizon=HORIZON, random_state=seed, **size).fit(
            _series(seed, fitted + steps, fitted, drifts=False)[:fitted]
        )
        for seed in seeds
    }
    facts = []
    for drifts in (False, True):
        for name, options in STREAMS.items():
            runs = [
                _scores(model, _series(seed, fitted + steps, fitted, drifts=drifts), fitted, options)
                for seed, model in models.items()
            ]
            means = {key: round(float(np.mean([each[key] for each in runs])), 4) for key in runs[0]}
            facts.append({"series": "drifts" if drifts else "goes on", "stream": name} | means)
    print_now(table(facts))
    return {"fitted_on": fitted, "steps": steps, "seeds": list(seeds), "streams": facts}


def _series(seed: int, n: int, fitted: int, *, drifts: bool) -> np.ndarray:
    """Two cycles and noise; beyond what is fitted, the noise grows and the level wanders."""
    rng, steps = np.random.default_rng(seed), np.arange(n)
    y = 10 + np.sin(2 * np.pi * steps / 17) + 0.5 * np.sin(2 * np.pi * steps / 5)
    beyond = np.maximum(steps - fitted, 0) / max(1, n - fitted) * drifts
    return y + rng.normal(0, 0.3, size=n) * (1 + 2 * beyond) + (rng.normal(0, 0.2, size=n) * beyond).cumsum()


def _scores(model: ur.Forecaster, y: np.ndarray, fitted: int, options: dict[str, Any]) -> dict[str, float]:
    """Return errors, coverage and width of one stream beyond what its model was fitted on."""
    forecasts = model.stream(**options).steps(y)
    origins = np.arange(fitted, len(y) - HORIZON)
    last = slice(-len(origins) // 4, None)
    errors = np.abs(forecasts.median[origins, 0] - y[origins + 1])
    scores = {"mae": errors.mean(), "mae_last": errors[last].mean()}
    for ahead in (1, HORIZON):
        after, k = y[origins + ahead], ahead - 1
        inside = (after >= forecasts.lo[origins, k]) & (after <= forecasts.hi[origins, k])
        scores |= {f"cover_{ahead}": inside.mean(), f"cover_{ahead}_last": inside[last].mean()}
    scores["width_1"] = (forecasts.hi - forecasts.lo)[origins, 0].mean()
    return scores


if __name__ == "__main__":
    main(run)
