"""A rehearsal that is judged, then the real thing; and what Ctrl-C leaves of either."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from unrolled.errors import ModelLoadError
from unrolled.models.forecasting import training
from unrolled.models.forecasting.forecaster import Forecaster

EPOCHS = 3


@pytest.fixture
def options(tiny: dict[str, Any]) -> dict[str, Any]:
    """A tiny model of three epochs."""
    return {**tiny, "max_epochs": EPOCHS}


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[str]]:
    """Ctrl-C as soon as an epoch of the training with this label has ended: `interrupted(label, epoch)`."""

    def at(label: str, epoch: int) -> list[str]:
        seen: list[str] = []

        class Line(training.ProgressLine):
            def update(self, done: int, note: str = "") -> None:
                seen.append(f"{self._label} {done}")
                if seen[-1] == f"{label} {epoch}":
                    raise KeyboardInterrupt

        monkeypatch.setattr(training, "ProgressLine", Line)
        return seen

    return at


def test_it_trains_twice_and_then_for_the_epochs_that_helped(
    options: dict[str, Any], walk: Any, interrupted: Callable[..., list[str]]
) -> None:
    """First judged on the latest part, then on everything."""
    seen = interrupted("never", 0)
    model = Forecaster(**options).fit(walk(60))
    best = model.history_.best_epoch
    assert seen == [
        *(f"rehearsal {k}" for k in range(1, EPOCHS + 1)),
        *(f"training {k}" for k in range(1, best + 1)),
    ]
    assert model.history_.best.validation_loss is not None


def test_without_validation_it_trains_once(
    options: dict[str, Any], walk: Any, interrupted: Callable[..., list[str]]
) -> None:
    """All epochs; bands are left as they were trained."""
    seen = interrupted("never", 0)
    model = Forecaster(**options, validation_fraction=0).fit(walk(60))
    assert seen == [f"training {k}" for k in range(1, EPOCHS + 1)]
    assert model._factors.tolist() == [1.0] * 7


@pytest.mark.parametrize(
    ("label", "epoch", "extra"),
    [
        ("rehearsal", 1, {}),
        ("rehearsal", 2, {}),
        ("training", 1, {}),
        ("training 2 of 3", 1, {"ensemble": 3}),
    ],
)
def test_ctrl_c_keeps_the_best_weights_and_says_so(
    label: str, epoch: int, extra: dict[str, Any], options: dict[str, Any], walk: Any,
    interrupted: Callable[..., list[str]], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """In the rehearsal, in the real thing, in a member of an ensemble: a model that forecasts comes of it."""
    interrupted(label, epoch)
    model = Forecaster(**options, **extra).fit(walk(60))
    kept = "1 of 3 networks" if extra else f"epoch {model.history_.best_epoch}"
    assert capsys.readouterr().err == f"Interrupted: the best weights so far are kept ({kept}).\n"
    assert model.history_.stopped == "interrupted"
    assert len(model._networks) == 1
    assert np.isfinite(model.predict()["lstm"]).all()


def test_ctrl_c_in_the_real_thing_leaves_the_rehearsed_network(
    options: dict[str, Any], walk: Any, interrupted: Callable[..., list[str]]
) -> None:
    """Its best weights are known to be good; those of a training cut short are not."""
    series = walk(60)
    cut_short = []
    for label in ("rehearsal", "training"):
        epoch = EPOCHS if label == "rehearsal" else 1
        interrupted(label, epoch)
        cut_short.append(Forecaster(**options).fit(series).predict())
    pd.testing.assert_frame_equal(*cut_short, rtol=0, atol=0)


def test_ctrl_c_without_a_rehearsal_leaves_what_was_reached(
    options: dict[str, Any], walk: Any, interrupted: Callable[..., list[str]]
) -> None:
    """One epoch of three is better than nothing."""
    interrupted("training", 1)
    model = Forecaster(**options, validation_fraction=0).fit(walk(60))
    assert (model.history_.stopped, model.history_.best_epoch) == ("interrupted", 1)
    assert np.isfinite(model.predict()["lstm"]).all()


def test_ctrl_c_before_anything_was_learned_is_ctrl_c(
    options: dict[str, Any], walk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step of all is stopped; the model is as unfitted as before."""

    def loss(*_: Any) -> Tensor:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "quantile_loss", loss)
    model = Forecaster(**options)
    for fraction in (0.1, 0):
        with pytest.raises(KeyboardInterrupt):
            model.set_params(validation_fraction=fraction).fit(walk(60))
    assert not model.__sklearn_is_fitted__()


@pytest.mark.parametrize(("label", "epoch"), [("rehearsal", 2), ("training", 1), ("training-2-of-2", 1)])
def test_a_stopped_fit_goes_on_from_its_checkpoint(
    label: str, epoch: int, options: dict[str, Any], walk: Any,
    interrupted: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """The second fit ends with the forecast of one that was never stopped, to the bit."""
    if label.endswith("of-2"):
        options = {**options, "ensemble": 2}
    series, folder = walk(60), tmp_path / "runs" / "one"
    whole = Forecaster(**options, dropout=0.2).fit(series).predict()
    interrupted(label.replace("-", " "), epoch)
    stopped = Forecaster(**options, dropout=0.2).fit(series, checkpoint=folder)
    assert stopped.history_.stopped == "interrupted"
    monkeypatch.undo()
    resumed = Forecaster(**options, dropout=0.2).fit(series, checkpoint=folder)
    assert resumed.history_.stopped != "interrupted"
    pd.testing.assert_frame_equal(resumed.predict(), whole, rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [{"hidden_size": 5}, {"cell": "gru"}, {"transform": "difference"}, {"dropout": 0.1}, {"random_state": 3}],
    ids=str,
)
def test_a_checkpoint_of_another_model_is_refused(
    change: dict[str, Any], options: dict[str, Any], walk: Any, tmp_path: Path
) -> None:
    """In a sentence, for settings that shape the weights and for those that do not."""
    Forecaster(**options).fit(walk(60), checkpoint=tmp_path / "c")
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        Forecaster(**{**options, **change}).fit(walk(60), checkpoint=tmp_path / "c")


def test_a_checkpoint_of_other_data_is_refused(options: dict[str, Any], walk: Any, tmp_path: Path) -> None:
    """One value is enough."""
    series = walk(60)
    Forecaster(**options).fit(series, checkpoint=tmp_path / "c")
    series[30] *= 1.01
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        Forecaster(**options).fit(series, checkpoint=tmp_path / "c")


def test_progress_is_drawn_only_when_asked(
    options: dict[str, Any], walk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With time left, on stderr."""
    Forecaster(**options).fit(walk(60))
    assert capsys.readouterr() == ("", "")
    Forecaster(**options, verbose=True).fit(walk(60))
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert any(line.startswith(f"rehearsal {EPOCHS}/{EPOCHS} epochs, loss") for line in lines)
    assert all(line.endswith(" left") for line in lines)
