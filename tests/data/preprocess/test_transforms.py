"""Every transform is undone exactly, and none sees a step after the origin it serves."""

from dataclasses import replace

import numpy as np
import pytest

from unrolled.data.preprocess.transforms import (
    TRANSFORMS,
    Scale,
    Transform,
    Transformed,
    choose_transform,
    is_multiplicative,
    reference_offsets,
)
from unrolled.errors import ArgumentError, DataError

SEASON, HORIZON = 5, 7
RNG = np.random.default_rng(7)


def _series(steps: int = 61, seed: int = 3) -> np.ndarray:
    """Positive, growing, seasonal, noisy."""
    rng, t = np.random.default_rng(seed), np.arange(steps)
    return np.exp(3 + 0.02 * t + 0.2 * np.sin(2 * np.pi * t / SEASON) + rng.normal(0, 0.05, size=steps))


def _fitted(name: str, y: np.ndarray) -> Transformed:
    rule = Transform(name, SEASON)
    return rule.apply(y, rule.learn(y))


def _seen(fitted: Transformed, origin: int) -> list[np.ndarray]:
    """Everything that is handed to a network standing at this origin."""
    upto = slice(0, origin + 1)
    state = [fitted.inputs[upto], fitted.working[upto], fitted.center[upto], fitted.unit[upto]]
    return [*state, fitted.share[upto], fitted.reference(np.array([origin]), HORIZON)]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_way_back_is_exact(name: str) -> None:
    """Targets of every origin, put through `levels`, are the series again."""
    y = _series()
    fitted = _fitted(name, y)
    origins = np.arange(len(y) - HORIZON)
    steps = origins[:, None] + np.arange(1, HORIZON + 1)
    answers = (fitted.working[steps] - fitted.reference(origins, HORIZON)) / fitted.unit[origins][:, None]
    np.testing.assert_allclose(fitted.levels(origins, answers), y[steps], rtol=1e-9)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_quantile_stays_a_quantile(name: str) -> None:
    """The way back rises, and treats (K, h, Q) as Q answers."""
    fitted, origins = _fitted(name, _series()), np.array([8, 30])
    answers = np.sort(RNG.normal(size=(2, HORIZON, 3)), axis=-1)
    back = fitted.levels(origins, answers)
    assert (np.diff(back, axis=-1) > 0).all()
    np.testing.assert_array_equal(back[..., 1], fitted.levels(origins, answers[..., 1]))


def _blind(make: type[Transform], name: str, origins: range) -> bool:
    """Whether steps after each origin change nothing at or before it; scales stay as they were fitted."""
    y = _series()
    rule = make(name, SEASON)
    scale = rule.learn(y)
    before = rule.apply(y, scale)
    for origin in origins:
        altered = y.copy()
        altered[origin + 1 :] = 7 * altered[origin + 1 :][::-1] + 1
        after = rule.apply(altered, scale)
        pairs = zip(_seen(before, origin), _seen(after, origin), strict=True)
        if not all(np.array_equal(a, b) for a, b in pairs):
            return False
    return True


@pytest.mark.parametrize("name", TRANSFORMS)
def test_no_step_after_the_origin_is_seen(name: str) -> None:
    """Altering the future leaves every number up to the origin as it was, to the bit."""
    assert _blind(Transform, name, range(59))


class _ScaledOnAll(Transform):
    """The usual mistake: one unit from the whole series."""

    def apply(self, y: np.ndarray, scale: Scale, label: str = "y") -> Transformed:
        fitted = super().apply(y, scale, label)
        return replace(fitted, unit=np.full_like(fitted.unit, y.std()))


class _CenteredOnAll(Transform):
    """The same for the mean."""

    def apply(self, y: np.ndarray, scale: Scale, label: str = "y") -> Transformed:
        fitted = super().apply(y, scale, label)
        return replace(fitted, center=np.full_like(fitted.center, fitted.working.mean()))


@pytest.mark.parametrize("leak", [_ScaledOnAll, _CenteredOnAll])
def test_a_planted_leak_is_seen(leak: type[Transform]) -> None:
    """A scaler fitted on all the data turns the test above red."""
    assert not _blind(leak, "scale", range(1, 59))


def test_the_reference_is_the_newest_step_or_season() -> None:
    """Differences start from the newest step; seasonal ones from the newest of the same season."""
    y, origin = _series(), np.array([20])
    assert _fitted("difference", y).reference(origin, 3).tolist() == [[y[20]] * 3]
    seasonal = _fitted("seasonal-difference", y).reference(origin, 7)[0]
    assert seasonal.tolist() == y[[16, 17, 18, 19, 20, 16, 17]].tolist()
    assert reference_offsets(12, 13).tolist() == [*range(-11, 1), -11]


def test_inputs_are_moves_in_units_of_usual_moves() -> None:
    """x_t = (y_t − y_{t−lag}) / s_t with s_t from the definition, in a slow loop."""
    y = _series(23)
    for name, lag in (("difference", 1), ("seasonal-difference", SEASON)):
        rule = Transform(name, SEASON)
        scale, fitted = rule.learn(y), _fitted(name, y)
        for t in range(len(y)):
            moves = [abs(y[i] - y[i - lag]) for i in range(lag, t + 1)]
            prior = scale.move * np.mean(np.abs(y[: t + 1]))
            unit = max((3 * prior + sum(moves)) / (3 + len(moves)), 0.01 * prior)
            assert fitted.unit[t] == pytest.approx(unit, rel=1e-12)
            move = y[t] - y[t - lag] if t >= lag else 0.0
            assert fitted.inputs[t] == pytest.approx(move / unit, abs=1e-12)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_constant_series_has_a_unit_and_a_way_back(name: str) -> None:
    """Nothing is divided by zero, and no change is no change."""
    y = np.full(20, 5.0)
    fitted = _fitted(name, y)
    assert np.isfinite(fitted.inputs).all()
    assert (fitted.unit > 0).all()
    if name != "minmax":
        np.testing.assert_allclose(fitted.levels(np.array([9]), np.zeros((1, 3))), 5.0, rtol=1e-12)


def test_zeros_are_no_trouble_where_no_logarithm_is_taken() -> None:
    """A series that begins with zeros, or holds nothing else, still has units."""
    for y in (np.zeros(12), np.r_[np.zeros(5), np.arange(7.0)]):
        for name in ("scale", "minmax", "difference", "seasonal-difference"):
            fitted = _fitted(name, y)
            assert np.isfinite(fitted.inputs).all()
            assert (fitted.unit > 0).all()


@pytest.mark.parametrize(("bad", "shown"), [(0.0, "0"), (-2.5, "-2.5")])
def test_a_logarithm_of_nothing_names_the_row(bad: float, shown: str) -> None:
    """The first row that is not above 0 is named, and what to use in its place."""
    y = _series()
    y[[6, 9]] = bad
    with pytest.raises(DataError) as fault:
        Transform("log-difference").learn(y, "series 'a'")
    assert str(fault.value) == (
        f"series 'a' row 7: transform 'log-difference' needs values above 0, got {shown}. "
        "Use transform='difference'."
    )
    with pytest.raises(DataError, match="Use transform='scale'"):
        Transform("log").working(y)


def test_an_unknown_transform_offers_the_nearest() -> None:
    """One sentence: what is allowed, what came, what may have been meant."""
    with pytest.raises(
        ArgumentError, match=r"transform: expected one of .*; got 'log-diference'.*'log-difference'"
    ):
        Transform("log-diference")


def test_growth_by_multiples_differs_from_growth_by_amounts() -> None:
    """Random walks in percentages and in amounts, twenty each, are told apart nearly always."""
    told = 0
    for seed in range(20):
        steps = np.random.default_rng(seed).normal(size=400)
        told += is_multiplicative(np.exp(np.cumsum(0.01 + 0.05 * steps)))[0]
        told += not is_multiplicative(100 + np.arange(400) + 2 * np.cumsum(steps))[0]
    assert told >= 38


@pytest.mark.parametrize("decades", [1, 3, 6, 12])
def test_growth_over_many_decades_stays_multiplicative(decades: int) -> None:
    """The slope of changes on levels is 1 however far the series grows, or falls, also after a standstill."""
    steps = np.random.default_rng(0).normal(decades * np.log(10) / 240, 0.02, 240)
    y = np.exp(steps.cumsum())
    for series in (y, y[::-1], np.concatenate([np.full(60, y[0]), y])):
        multiplicative, why = is_multiplicative(series)
        assert multiplicative
        assert float(why.split("slope ")[1][:-1]) == pytest.approx(1, abs=0.15)


def test_what_cannot_be_multiplicative_says_why() -> None:
    """Negative values, a narrow range, too few stretches, nothing that moves."""
    assert is_multiplicative(np.array([1.0, -1.0])) == (False, "not all values are above 0")
    assert is_multiplicative(np.array([])) == (False, "not all values are above 0")
    assert (
        is_multiplicative(np.linspace(10, 11, 50))[1] == "the largest value is only 1.10 times the smallest"
    )
    assert is_multiplicative(np.linspace(10, 30, 9))[0]


def _growing() -> np.ndarray:
    return 17 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.006, 0.035, size=600)))


def _co2_like() -> np.ndarray:
    """A slow trend, a season of 12 far larger than its steps, little noise."""
    t, noise = np.arange(240), np.random.default_rng(2).normal(0, 0.15, size=240)
    return 315 + 0.1 * t + 3 * np.sin(2 * np.pi * t / 12) + noise


def _trend() -> np.ndarray:
    return 5 * np.arange(100.0) + np.random.default_rng(3).normal(size=100)


@pytest.mark.parametrize(
    ("y", "season", "name", "reason"),
    [
        (_growing(), 12, "log-difference", "follows the level"),
        (np.random.default_rng(4).normal(size=300), 12, "scale", "levels vary less than changes do"),
        (_co2_like(), 12, "seasonal-difference", "changes over a season of 12 vary 0."),
        (_trend(), 1, "difference", "times as much as levels"),
        (np.full(50, 3.0), 12, "scale", "levels vary less"),
        (np.array([1.0, 2.0]), 1, "log-difference", "2 steps are too few to choose by"),
        (np.array([-1.0, 2.0]), 1, "difference", "2 steps are too few to choose by"),
    ],
    ids=["prices", "white noise", "co2", "trend", "constant", "two", "two with a negative"],
)
def test_auto_chooses_with_a_reason(y: np.ndarray, season: int, name: str, reason: str) -> None:
    """Prices get log changes, noise its levels, a season seasonal changes, a trend changes."""
    chosen, why = choose_transform(y, season)
    assert chosen == name
    assert reason in why


def test_a_season_needs_three_of_them() -> None:
    """Two years of months choose by their steps."""
    assert choose_transform(_co2_like()[:35], 12)[0] == "difference"


def test_one_step_in_level_is_no_growth() -> None:
    """A series that stands still but for one step says nothing of how changes follow the level."""
    assert is_multiplicative(np.repeat([1.0, 1000.0], 60)) == (False, "it stands still but for a few steps")
