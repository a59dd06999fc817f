"""Made-up worlds: daily series where nothing is to be found beyond simple models, and where something is.

Each world is a function from a seed to a frame of `unique_id`, `ds`, `y`, drawn anew for every seed.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

STEPS = 300
CALL, ANSWER, NOISE, CALLS = 1.5, 3.0, 0.2, 0.3  # of the toggle
_RATES = (0.1, 0.15, 0.2, 0.5, 1.0, 3.0)  # of independent counts a day

World = Callable[[int], pd.DataFrame]


def walk(seed: int) -> pd.DataFrame:
    """Random walk with drift on a log scale, a price: nothing beats drift."""
    return _daily(100 * np.exp(np.random.default_rng(seed).normal(0.005, 0.04, STEPS).cumsum()))


def poisson(seed: int) -> pd.DataFrame:
    """Independent counts, one rate a seed from 0.1 to 3."""
    rng = np.random.default_rng(seed)
    return _daily(rng.poisson(_RATES[seed // 2 % len(_RATES)], STEPS))


def rain(seed: int) -> pd.DataFrame:
    """Independent amounts: dry on two days of three, else gamma with shape 0.7 and mean 7 mm."""
    rng = np.random.default_rng(seed)
    return _daily(np.where(rng.random(STEPS) < 1 / 3, rng.gamma(0.7, 10, STEPS), 0).round(1))


def lumpy(seed: int) -> pd.DataFrame:
    """Demand on one day of seven, of sizes that vary by a factor of e."""
    rng = np.random.default_rng(seed)
    return _daily(np.where(rng.random(STEPS) < 1 / 7, np.ceil(rng.lognormal(2, 1, STEPS)), 0))


def claims(seed: int) -> pd.DataFrame:
    """Sum of a Poisson number of Pareto amounts, infinite in variance."""
    rng = np.random.default_rng(seed)
    return _daily(np.array([(1 + rng.pareto(1.8, n)).sum() for n in rng.poisson(2.0, STEPS)]))


def heavy_tails(seed: int) -> pd.DataFrame:
    """Student's t with two degrees of freedom around a level of 50."""
    return _daily(50 + np.random.default_rng(seed).standard_t(2, STEPS))


def seasonal(seed: int) -> pd.DataFrame:
    """A week's pattern, the same every week, and normal noise half as large."""
    rng = np.random.default_rng(seed)
    week = rng.normal(0, 2, 7)
    return _daily(100 + np.tile(week, STEPS // 7 + 1)[:STEPS] + rng.normal(0, 1, STEPS))


def level_shifts(seed: int) -> pd.DataFrame:
    """Noise around a level that jumps by three of its spreads, once in 60 days."""
    rng = np.random.default_rng(seed)
    jumps = np.where(rng.random(STEPS) < 1 / 60, rng.normal(0, 3, STEPS), 0)
    return _daily(20 + jumps.cumsum() + rng.normal(0, 1, STEPS))


def arch(seed: int) -> pd.DataFrame:
    """Returns with ARCH(1): their size can be told from the last one, their sign cannot."""
    rng = np.random.default_rng(seed)
    y = np.zeros(STEPS + 50)
    for t in range(1, len(y)):
        y[t] = rng.normal() * np.sqrt(0.3 + 0.7 * y[t - 1] ** 2)
    return _daily(y[50:])


def many_short(seed: int) -> pd.DataFrame:
    """Thirty series of 60 days, each independent noise around a level of its own."""
    rng = np.random.default_rng(seed)
    return _panel([rng.uniform(20, 50) + rng.normal(0, rng.uniform(1, 3), 60) for _ in range(30)])


def many_walks(seed: int) -> pd.DataFrame:
    """Thirty independent random walks of 60 days."""
    rng = np.random.default_rng(seed)
    return _panel([50 + rng.normal(0, 1, 60).cumsum() for _ in range(30)])


def toggle(seed: int) -> pd.DataFrame:
    """Planted: now and then a call (1.5), and after each call an answer, +3 and −3 in turn.

    The answer is known to whoever remembers the last one, however long ago; no linear model can, and a
    feed-forward network on the same window must learn it for every distance apart.
    """
    return _panel([_toggle(rng, 200) for rng in _generators(seed)])


def interrupted_cycle(seed: int) -> pd.DataFrame:
    """Planted: 0, 4, 8, 0, ... that pauses at −4 on a quarter of the days and then goes on where it was."""
    return _panel([_interrupted_cycle(rng, 200) for rng in _generators(seed)])


def bulk_orders(seed: int) -> pd.DataFrame:
    """Planted: sales from 20 to 26; when what is above 20 adds up to 20, the next day has 12 more."""
    return _panel([_bulk_orders(rng, 200) for rng in _generators(seed)])


NOTHING: dict[str, World] = {
    "random walk with drift": walk, "Poisson counts": poisson, "rain": rain, "lumpy demand": lumpy,
    "claims": claims, "heavy tails": heavy_tails, "week and noise": seasonal, "level shifts": level_shifts,
    "ARCH": arch, "many short series": many_short, "many short walks": many_walks,
}  # fmt: skip
PLANTED: dict[str, World] = {
    "toggle": toggle, "interrupted cycle": interrupted_cycle, "bulk orders": bulk_orders,
}  # fmt: skip


def _toggle(rng: np.random.Generator, n: int) -> np.ndarray:
    y = NOISE * rng.normal(size=n)
    sign, called = 1.0, False
    for t in range(n):
        if called:
            sign = -sign
            y[t] += ANSWER * sign
        called = not called and rng.random() < CALLS
        y[t] += CALL * called
    return y


def _interrupted_cycle(rng: np.random.Generator, n: int) -> np.ndarray:
    place = rng.integers(3) + np.cumsum(moves := rng.random(n) < 0.75)
    return np.where(moves, 4.0 * (place % 3), -4.0) + NOISE * rng.normal(size=n)


def _bulk_orders(rng: np.random.Generator, n: int) -> np.ndarray:
    y, unordered = np.zeros(n), rng.uniform(0, 20)
    for t in range(n):
        y[t] = 12 if unordered >= 20 else rng.uniform(0, 6)
        unordered += -20 if unordered >= 20 else y[t]
    return 20 + y + NOISE / 2 * rng.normal(size=n)


def _generators(seed: int) -> list[np.random.Generator]:
    """Return one generator for each of 20 series."""
    return [np.random.default_rng([seed, k]) for k in range(20)]


def _daily(y: np.ndarray) -> pd.DataFrame:
    return _panel([y])


def _panel(series: list[np.ndarray]) -> pd.DataFrame:
    days = [pd.date_range("2021-01-04", periods=len(y)) for y in series]
    ids = np.repeat([f"s{k:02d}" for k in range(len(series))], [len(y) for y in series])
    return pd.DataFrame(
        {"unique_id": ids, "ds": np.concatenate(days), "y": np.concatenate(series).astype(float)}
    )
