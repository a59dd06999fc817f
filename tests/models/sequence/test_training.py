"""Validation set, number of epochs, early stopping, interruption and resumption."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled import kernels
from unrolled.data.splits import holdout_fraction
from unrolled.errors import DataError, ModelLoadError, TrainingError
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.models.sequence.training import training_config
from unrolled.nn.ops import sequence as sequence_ops
from unrolled.train import ensemble as ensemble_module
from unrolled.train import optimizer

QUICK = {"hidden_size": 4, "max_epochs": 3, "n_members": 1, "validation_fraction": 0.1}


def _sequences(count: int, seed: int = 0) -> tuple[Any, Any]:
    """Ragged noise with a class that it does not tell."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(steps, 1)) for steps in rng.integers(2, 6, count)], np.arange(count) % 3


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[str]]:
    """Ctrl-C as soon as an epoch of the training with this label has ended: `interrupted(label, epoch)`."""

    def at(label: str, epoch: int) -> list[str]:
        seen: list[str] = []

        class Line(ensemble_module.ProgressLine):
            def update(self, done: int, note: str = "") -> None:
                seen.append(f"{self._label} {done}")
                if seen[-1] == f"{label} {epoch}":
                    raise KeyboardInterrupt

        monkeypatch.setattr(ensemble_module, "ProgressLine", Line)
        return seen

    return at


def test_the_reason_for_no_validation_set_is_reported() -> None:
    """Enough sequences, but all in one group."""
    X, y = _sequences(300)
    model = SequenceClassifier(**QUICK).fit(X, y, groups=np.zeros(300))
    assert model.stopping_reason_ == (
        "Too few could be held out without the last of a class, or a part of a group: all of them trained "
        "for a fixed number of 3 epochs."
    )


@pytest.mark.parametrize("more", [{}, {"stem": False}, {"pooling": "last+last"}])
@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor, SequenceTagger])
def test_a_fit_without_the_kernels_is_the_same(kind: Any, more: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to rounding, on torch's operators alone."""
    if kind is SequenceTagger and "pooling" in more:
        more = {"class_weight": "balanced"}
    X, classes = _sequences(30)
    y = [np.arange(len(x)) % 2 for x in X] if kind is SequenceTagger else classes
    outputs = []
    for has_kernels in (True, False):
        if not has_kernels:
            monkeypatch.setattr(kernels, "_compiled", None)
            monkeypatch.setattr(kernels.loading, "_has_warned", True)
            monkeypatch.setattr(sequence_ops, "compiled", None)
            monkeypatch.setattr(optimizer, "compiled", None)
        model = kind(**QUICK, **more).fit(X, y, sample_weight=np.linspace(0.5, 2, 30))
        predict = model.predict if kind is SequenceRegressor else model.predict_proba
        outputs.append(np.concatenate([np.ravel(part) for part in predict(X)]))
    np.testing.assert_allclose(*outputs, atol=1e-4)


def test_a_fit_under_autocast_learns() -> None:
    """With operators in bfloat16, a little apart from the fit in float32."""
    X, y = _sequences(30)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = SequenceClassifier(**QUICK).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(cast, SequenceClassifier(**QUICK).fit(X, y).predict_proba(X), atol=0.05)


def test_the_epoch_is_chosen_on_what_was_held_out() -> None:
    """The history has its loss, the sentence its number."""
    model = SequenceClassifier(**QUICK).fit(*_sequences(300))
    assert model.history_.best.validation_loss is not None
    assert model.stopping_reason_.endswith("was the best on 30 held-out sequences; all of them ran.")
    assert model.stopping_reason_.startswith(f"Epoch {model.history_.best_count} of 3 ")


def test_training_and_validation_sets_are_disjoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sequence is on one side, with its own steps and class."""
    seen: list[Any] = []
    fit = ensemble_module.fit

    def spied(network: Any, loss: Any, training: Any, validation: Any, *args: Any, **kwargs: Any) -> Any:
        seen.extend((training, validation))
        return fit(network, loss, training, validation, *args, **kwargs)

    monkeypatch.setattr(ensemble_module, "fit", spied)
    X, y = _sequences(300)
    SequenceClassifier(**QUICK).fit(X, y)
    firsts = np.cumsum([0, *map(len, X[:-1])])
    places = [np.searchsorted(firsts, part.starts.numpy()) for part in seen]
    assert sorted(np.concatenate(places)) == list(range(300))
    for part, rows in zip(seen, places, strict=True):
        assert part.starts.tolist() == firsts[rows].tolist()
        assert part.lengths.tolist() == [len(X[k]) for k in rows]
        assert part.targets.tolist() == y[rows].tolist()


def test_the_validation_set_does_not_shape_the_scaler() -> None:
    """Nothing of it is learned, not even how large values are."""
    X, y = _sequences(400)
    model = SequenceClassifier(**QUICK, random_state=3)
    mask = model._validation_mask(400, y, None, 3)
    assert mask.sum() == 40
    plain = model.fit(X, y).scaler_
    altered = model.fit([x * 1000 if hidden else x for x, hidden in zip(X, mask, strict=True)], y).scaler_
    assert (plain.mean == altered.mean).all()
    assert (plain.scale == altered.scale).all()
    all_of_them = np.concatenate([x for x, hidden in zip(X, mask, strict=True) if not hidden])
    np.testing.assert_allclose(plain.scale, all_of_them.std(axis=0), rtol=1e-12)


def test_members_share_the_validation_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """One scaler serves all of them, and the validation set of none may shape it."""
    seen: list[int] = []
    fit = ensemble_module.fit

    def spied(network: Any, loss: Any, training: Any, validation: Any, *rest: Any, **named: Any) -> Any:
        seen.append(hash(tuple(validation.starts.tolist())))
        return fit(network, loss, training, validation, *rest, **named)

    monkeypatch.setattr(ensemble_module, "fit", spied)
    SequenceClassifier(**QUICK | {"n_members": 3}).fit(*_sequences(400))
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_noise_stops_early() -> None:
    """After three tenths of the epochs without a lower validation loss."""
    model = SequenceClassifier(**QUICK | {"hidden_size": 16, "max_epochs": 60}, learning_rate=0.05).fit(
        *_sequences(300)
    )
    assert model.history_.stopped == "early"
    assert model.stopping_reason_.endswith("; none of the next was better.")
    assert len(model.history_.records) == model.history_.best_count + 18


def test_classes_of_few_sequences_take_half_the_steps_of_numbers() -> None:
    """Which are still learned more precisely when classes have long been told apart."""
    X, y = _sequences(16)
    small = {"hidden_size": 2, "n_members": 1, "stem": False, "verbose": False}
    models = [cls(**small).fit(X, y) for cls in (SequenceClassifier, SequenceRegressor)]
    assert [model.history_.records[-1].step for model in models] == [200, 400]


@pytest.mark.parametrize(("count", "epochs", "steps"), [(2, 400, 1), (1000, 50, 16), (100_000, 6, 1563)])
def test_the_default_number_of_epochs_follows_the_data(count: int, epochs: int, steps: int) -> None:
    """Fifty, but at least 400 steps and about 8,000 at most; what the user says counts."""
    settings = {"batch_size": None, "patience": None, "learning_rate": 5e-3, "seed": 0, "min_steps": 400}
    config = training_config(count, max_epochs=None, **settings)
    assert (config.max_steps, config.val_check_steps) == (epochs * steps, steps)
    assert steps == math.ceil(count / config.batch_size)
    assert training_config(count, max_epochs=7, **settings).max_steps == 7 * steps


def test_patience_ends_a_training_earlier() -> None:
    """The number of epochs without a lower validation loss is the user's to say."""
    settings = QUICK | {"hidden_size": 16, "max_epochs": 60}
    model = SequenceClassifier(**settings, learning_rate=0.05, patience=2).fit(*_sequences(300))
    assert model.history_.stopped == "early"
    assert model.n_epochs_ == model.history_.best_count + 2


def test_callbacks_see_every_epoch_of_every_network() -> None:
    """A plain dict each; what they do to it changes nothing."""
    X, y = _sequences(20)
    records: list[dict[str, Any]] = []

    def log(record: dict[str, Any]) -> None:
        records.append(dict(record))
        record.clear()

    settings = QUICK | {"n_members": 2}
    model = SequenceClassifier(**settings).fit(X, y, callbacks=[log])
    assert [(record["member"], record["epoch"]) for record in records] == [
        (member, epoch) for member in (1, 2) for epoch in (1.0, 2.0, 3.0)
    ]
    silent = SequenceClassifier(**settings).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), silent.predict_proba(X))


def test_an_error_in_a_callback_leaves_the_model_as_it_was() -> None:
    """It reaches the caller."""
    X, y = _sequences(20)
    model = SequenceClassifier(**QUICK).fit(X, y)
    facts = dict(vars(model))

    def fail(_: dict[str, Any]) -> None:
        raise RuntimeError("no space for the log")

    with pytest.raises(RuntimeError, match="no space for the log"):
        model.fit(X[:10], y[:10], callbacks=[fail])
    assert vars(model) == facts


def test_few_sequences_train_for_a_fixed_number_of_epochs() -> None:
    """And it is said, with the number."""
    model = SequenceClassifier(**QUICK).fit(*_sequences(12))
    assert model.history_.best.validation_loss is None
    assert model.stopping_reason_ == (
        "12 sequences are too few to hold some out: all of them trained for a fixed number of 3 epochs."
    )
    model = SequenceClassifier(**QUICK | {"validation_fraction": 0}).fit(*_sequences(400))
    assert model.stopping_reason_ == (
        "Nothing was to be held out: all of them trained for a fixed number of 3 epochs."
    )


def test_groups_are_held_out_whole() -> None:
    """With them, other sequences are held out; names may be of any kind."""
    X, y = _sequences(300)
    plain = SequenceClassifier(**QUICK).fit(X, y)
    groups = np.repeat(np.array(["ann", "bob", "cy", "di", "ed", "flo"]), 50)
    grouped = SequenceClassifier(**QUICK).fit(X, y, groups=groups)
    assert "on 50 held-out sequences" in grouped.stopping_reason_
    assert plain.history_.best.validation_loss != grouped.history_.best.validation_loss
    with pytest.raises(DataError, match="groups: expected 300 names"):
        SequenceClassifier(**QUICK).fit(X, y, groups=groups[:7])


def test_ctrl_c_keeps_the_best_weights_so_far(
    interrupted: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is that of the epoch before, and says so."""
    X, y = _sequences(20)
    interrupted("training", 2)
    model = SequenceClassifier(**QUICK).fit(X, y)
    assert model.history_.stopped == "interrupted"
    assert model.stopping_reason_ == "Interrupted by Ctrl-C after 2 epochs."
    assert (
        capsys.readouterr().err
        == "Interrupted: the model has the best weights so far (epoch 2), not saved yet.\n"
    )
    assert model.predict(X).shape == (20,)


def test_ctrl_c_keeps_the_members_before_it(
    interrupted: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that was cut short is not among them."""
    X, y = _sequences(20)
    seen = interrupted("training 3 of 4", 1)
    model = SequenceClassifier(**QUICK | {"n_members": 4}).fit(X, y)
    assert len(model.networks_) == 2
    assert model.history_.stopped == "interrupted"
    assert capsys.readouterr().err.endswith("so far (2 of 4 networks), not saved yet.\n")
    assert seen[-1] == "training 3 of 4 1"
    alone = SequenceClassifier(**QUICK | {"n_members": 2}).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))


def test_ctrl_c_before_the_first_epoch_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was learned yet."""
    X, y = _sequences(20)
    model = SequenceClassifier(**QUICK).fit(X, y)
    before, facts = model.predict_proba(X), dict(vars(model))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ensemble_module, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:10], y[:10])
    assert vars(model) == facts
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_a_loss_that_is_not_finite_leaves_the_model_as_it_was() -> None:
    """One sentence says what to lower."""
    X, y = _sequences(20)
    model = SequenceClassifier(**QUICK).fit(X, y)
    facts = dict(vars(model))
    model.set_params(cell="rnn", activation="identity", learning_rate=1e30, hidden_size=32)
    with pytest.raises(TrainingError, match="loss is no longer finite") as fault:
        model.fit([np.cumsum(x) for x in X], y)
    assert str(fault.value).endswith("Lower learning_rate (now 1e+30). Or choose activation='tanh'.")
    model.set_params(**{name: facts[name] for name in model.get_params()})
    assert vars(model) == facts


@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_resumed_training_gives_the_same_model(
    ensemble: int, interrupted: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Interrupted and fitted again: to the bit, though the second run starts in the middle."""
    X, y = _sequences(20)
    quick = QUICK | {"max_epochs": 5, "n_members": ensemble}
    expected = SequenceClassifier(**quick).fit(X, y).predict_proba(X)
    label = "training" if ensemble == 1 else "training 1 of 2"
    interrupted(label, 2)
    SequenceClassifier(**quick).fit(X, y, checkpoint=tmp_path / "point")
    seen = interrupted("never", 0)
    model = SequenceClassifier(**quick).fit(X, y, checkpoint=tmp_path / "point")
    assert seen[0] == f"{label} 3"
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_a_checkpoint_of_other_data_or_weights_is_refused(tmp_path: Path) -> None:
    """One value is enough, or what a class weighs."""
    X, y = _sequences(20)
    SequenceClassifier(**QUICK).fit(X, y, checkpoint=tmp_path / "point")
    heavy = SequenceClassifier(**QUICK, class_weight={0: 2.0})
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        heavy.fit(X, y, checkpoint=tmp_path / "point")
    X[3][0, 0] += 1
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        SequenceClassifier(**QUICK).fit(X, y, checkpoint=tmp_path / "point")


def test_the_progress_line_shows_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    """When it is asked for."""
    X, y = _sequences(12)
    SequenceClassifier(**QUICK, verbose=True).fit(X, y)
    assert "training 3/3 epochs, loss" in capsys.readouterr().err
    SequenceClassifier(**QUICK).fit(X, y)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("count", "networks", "fraction"), [(20, 4, 0.0), (499, 4, 0.0), (500, 1, 0.0), (2000, 1, 0.1)]
)
def test_few_sequences_train_several_networks(count: int, networks: int, fraction: float) -> None:
    """Initial weights are averaged out below 500; from 2,000 on some can be held out."""
    assert SequenceClassifier()._member_count(count) == networks
    assert holdout_fraction(SequenceClassifier().validation_fraction, count) == fraction
    assert SequenceClassifier(solver="reservoir")._member_count(count) == 1
