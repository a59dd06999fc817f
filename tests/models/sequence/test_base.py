"""The sequence estimators fit, save and load alike, and describe what they fitted."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from unrolled.data.axes import InputWarning
from unrolled.errors import ArgumentError, DataError, ModelLoadError
from unrolled.models.persistence import load_model
from unrolled.models.sequence.base import SequenceEstimator
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.tagger import SequenceTagger

QUICK = {"hidden_size": 4, "max_epochs": 2, "n_members": 1}
RNG = np.random.default_rng(0)
X = [RNG.normal(5, 3, size=(steps, 2)) for steps in (3, 7, 2, 5, 4, 3)]
ALL = [
    (SequenceClassifier, ["a", "b"] * 3),
    (SequenceRegressor, [0.5, 1, 2, 3, 4, 5]),
    (SequenceTagger, [(x[:, 0] > 5).astype(int) for x in X]),
]
each = pytest.mark.parametrize(("kind", "y"), ALL, ids=[kind.__name__ for kind, _ in ALL])


def _predictions(model: Any, data: Any) -> Any:
    """Probabilities, or predictions, as one array."""
    proba = getattr(model, "predict_proba", model.predict)(data)
    return np.concatenate(proba) if isinstance(proba, list) else proba


@each
def test_saved_and_loaded_is_identical(kind: Any, y: Any, tmp_path: Path) -> None:
    """The same predictions to the bit, the same facts, and whatever was learned."""
    model = kind(**QUICK | {"n_members": 2}, cell="rnn", activation="prelu").fit(X, y)
    loaded = kind.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(_predictions(loaded, X), _predictions(model, X))
    assert loaded.get_params() == model.get_params()
    facts = {name for name in vars(model) if name.endswith("_")} - {"networks_"}
    assert facts == {name for name in vars(loaded) if name.endswith("_")} - {"networks_"}
    for name in facts:
        before, after = getattr(model, name), getattr(loaded, name)
        assert type(before) is type(after), name
        if name == "scaler_":
            assert all((a == b).all() for a, b in zip(before, after, strict=True))
        else:
            assert np.all(before == after), name
    assert len(loaded.networks_) == 2
    assert not loaded.networks_[0].training


@pytest.mark.parametrize(
    "y", [[3, 7, 7] * 2, [True, False, True] * 2, ["ä", "b", "c"] * 2, [1.0, 2.0, 2.0] * 2]
)
def test_saved_labels_keep_their_type(y: Any, tmp_path: Path) -> None:
    """With their type: a model of whole numbers does not predict texts."""
    model = SequenceClassifier(**QUICK).fit(X, y)
    loaded = SequenceClassifier.load(model.save(tmp_path / "model"))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.predict(X).tolist() == model.predict(X).tolist()


def test_a_saved_model_is_data_and_a_card(tmp_path: Path) -> None:
    """Three files; the card says what it is and holds no score."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    assert sorted(file.name for file in path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    card = (path / "README.md").read_text()
    assert "# A SequenceClassifier of unrolled" in card
    assert "| Network | GRU, 1 layer of 4 units |" in card
    assert "| Reads | 2 features a step, as " in card
    assert "| Epochs | 6 sequences are too few to hold some out" in card
    assert "This card holds no score" in card
    assert json.loads((path / "config.json").read_text())["estimator"] == "SequenceClassifier"


def test_another_estimators_folder_is_refused(tmp_path: Path) -> None:
    """Both are named."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    with pytest.raises(ModelLoadError, match=r"expected a SequenceRegressor, .* found SequenceClassifier"):
        SequenceRegressor.load(path)


def test_weights_of_other_shapes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from another version: whole files that this one cannot read."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    tensors, config = load_model(path, "SequenceClassifier")
    config["network_config"]["hidden_size"] = 5
    monkeypatch.setattr("unrolled.models.estimator.load_model", lambda *_: (tensors, config))
    with pytest.raises(ModelLoadError, match=r"the files are whole, but not what unrolled .* reads"):
        SequenceClassifier.load(path)


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    """When loading, too."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    assert SequenceClassifier.load(path, device="cpu").device == "cpu"
    with pytest.raises(ArgumentError, match="device: expected the name of one that torch can use here"):
        SequenceClassifier.load(path, device="cdua")


@each
def test_tensors_are_scaled_and_padded(kind: Any, y: Any) -> None:
    """Scaled by what was fitted on, zero beyond a length, in the order of X."""
    model = kind(**QUICK).fit(X, y)
    values, lengths = model.tensors(X)
    assert values.shape == (6, 7, 2)
    assert values.dtype == torch.float32
    assert lengths.tolist() == [3, 7, 2, 5, 4, 3]
    flat = np.concatenate(X)
    np.testing.assert_allclose(model.scaler_.mean, flat.mean(0))
    np.testing.assert_allclose(model.scaler_.scale, flat.std(0))
    for x, row, steps in zip(X, values.numpy(), lengths, strict=True):
        np.testing.assert_allclose(row[:steps], (x - flat.mean(0)) / flat.std(0), rtol=1e-5, atol=1e-6)
        assert not row[steps:].any()
    model.networks_[0](values, lengths)


@each
def test_fitted_attributes_describe_the_fit(kind: Any, y: Any) -> None:
    """How many weights, how long, of what shape."""
    model = kind(**QUICK).fit(X, y)
    assert model.n_parameters_ == sum(p.numel() for p in model.networks_[0].parameters())
    assert 0 < model.history_.seconds <= model.seconds_
    config = model.network_config_
    assert (config.input_size, config.hidden_size, model.n_features_in_) == (2, 4, 2)
    assert len(model.history_.records) == 2


@pytest.mark.parametrize(("key", "value"), [("params", []), ("learned", []), ("networks", "2")])
def test_a_config_of_other_types_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    """With a seal that fits, as another version would write it."""
    folder = SequenceClassifier(**QUICK).fit(X, ["a", "b"] * 3).save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | {key: value}
    del config["sha256"]
    seal = hashlib.sha256(json.dumps(config).encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps({"sha256": seal, **config}))
    with pytest.raises(ModelLoadError, match="the files are whole, but not what unrolled"):
        SequenceClassifier.load(folder)


def test_the_maximum_length_is_saved(tmp_path: Path) -> None:
    """The probe of longer sequences reads it."""
    model = SequenceClassifier(**QUICK).fit(X, ["a", "b"] * 3)
    assert model.max_length_ == 7
    assert SequenceClassifier.load(model.save(tmp_path / "model")).max_length_ == 7


def test_the_base_class_fits_nothing() -> None:
    """It encodes no targets."""
    with pytest.raises(NotImplementedError):
        SequenceEstimator().fit(X, ALL[0][1])


def test_class_weights_keep_the_type_of_their_keys(tmp_path: Path) -> None:
    """They stay numbers, so that what was loaded can be fitted again; numpy's are numbers too."""
    X, y = np.arange(24.0).reshape(4, 6) % 7, [0, 1, 0, 1]
    model = SequenceClassifier(hidden_size=2, max_epochs=1, class_weight={np.int64(0): 2.0, 1: np.float32(1)})
    loaded = SequenceClassifier.load(model.fit(X, y).save(tmp_path / "model"))
    assert loaded.class_weight == {0: 2.0, 1: 1.0}
    assert np.array_equal(loaded.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_torch_modes_do_not_change_a_fit() -> None:
    """Neither torch's default dtype nor a mode of inference changes what is learned."""
    X, y = [[1.0, 2.0], [2.0, 1.0, 0.0]], [0, 1]
    usual = SequenceClassifier(**QUICK).fit(X, y).predict_proba(X)
    with torch.inference_mode():
        np.testing.assert_array_equal(SequenceClassifier(**QUICK).fit(X, y).predict_proba(X), usual)
    torch.set_default_dtype(torch.float64)
    try:
        SequenceClassifier(**QUICK).fit(X, y)
    finally:
        torch.set_default_dtype(torch.float32)


def _named_table() -> pd.DataFrame:
    """Four sequences of three steps, a row each."""
    return pd.DataFrame(np.arange(12.0).reshape(4, 3) % 5, columns=["t0", "t1", "t2"])


def _named_steps() -> pd.DataFrame:
    """Two sequences of two features, a row a step."""
    return pd.DataFrame(
        {"unique_id": ["a", "a", "b"], "ds": [0, 1, 0], "flow": [1.0, 2.0, 0.0], "level": [3.0, 1.0, 2.0]}
    )


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (_named_table(), ["t0", "t1", "t2"]),
        (_named_steps(), ["flow", "level"]),
        (pl.DataFrame(_named_table().to_dict("list")), ["t0", "t1", "t2"]),
    ],
    ids=["a column a step", "a row a step", "polars"],
)
def test_the_columns_of_a_frame_are_named(frame: Any, names: list[str], tmp_path: Path) -> None:
    """Those that were read, in their order; saved with the model."""
    y = [0, 1, 0, 1][: 4 if "t0" in names else 2]
    model = SequenceClassifier(**QUICK).fit(frame, y)
    assert model.feature_names_in_.tolist() == names
    assert model.feature_names_in_.dtype == object
    assert SequenceClassifier.load(model.save(tmp_path / "m")).feature_names_in_.tolist() == names


def test_columns_without_names_are_not_named(tmp_path: Path) -> None:
    """A list, an array, a frame of numbered columns; names of a fit before it are forgotten."""
    model = SequenceClassifier(**QUICK).fit(_named_table(), [0, 1, 0, 1])
    for data in (
        _named_table().to_numpy(),
        _named_table().to_numpy().tolist(),
        _named_table().set_axis(range(3), axis=1),
    ):
        model.fit(data, [0, 1, 0, 1])
        assert not hasattr(model, "feature_names_in_")
    assert not hasattr(SequenceClassifier.load(model.save(tmp_path / "m")), "feature_names_in_")


def test_a_reservoir_has_no_epochs() -> None:
    """A gradient's number is that of the last network."""
    y = ["a", "b"] * 3
    assert SequenceClassifier(**QUICK).fit(X, y).n_epochs_ == QUICK["max_epochs"]
    assert SequenceClassifier(hidden_size=4, solver="reservoir").fit(X, y).n_epochs_ == 0


def _swapped_cases() -> list[Any]:
    """Frames of every form with two or more columns: as fitted, in another order, with another name."""
    rng = np.random.default_rng(1)
    flow, level = rng.normal(0, 1, (2, 12, 5)), rng.normal(0, 1, (2, 12, 5))
    flow[1] += 3  # the class
    wide = pd.DataFrame(np.concatenate(flow), columns=[f"t{k}" for k in range(5)])
    long = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(24), 5),
            "ds": np.tile(np.arange(5), 24),
            "flow": flow.ravel(),
            "level": level.ravel(),
        }
    )
    nested = pd.DataFrame({"flow": list(np.concatenate(flow)), "level": list(np.concatenate(level))})
    parts = [part[["flow", "level"]] for _, part in long.groupby("unique_id")]
    turned = long[["level", "unique_id", "flow", "ds"]]
    renamed = {"flow": "fl0w", "t0": "u0"}
    return [
        pytest.param(wide, wide[wide.columns[::-1]], wide.rename(columns=renamed), id="a column a step"),
        pytest.param(long, turned, long.rename(columns=renamed), id="a row a step"),
        pytest.param(pl.from_pandas(long), pl.from_pandas(turned), long.rename(columns=renamed), id="polars"),
        pytest.param(nested, nested[["level", "flow"]], nested.rename(columns=renamed), id="nested"),
        pytest.param(
            parts,
            [part[["level", "flow"]] for part in parts],
            [part.rename(columns=renamed) for part in parts],
            id="a list of frames",
        ),
        pytest.param(
            wide.set_axis([5, 6, 7, 8, 9], axis=1),
            wide.set_axis([5, 6, 7, 8, 9], axis=1)[[7, 6, 5, 9, 8]],
            wide.set_axis([4, 6, 7, 8, 9], axis=1),
            id="names that are numbers",
        ),
    ]


@pytest.mark.parametrize(("frame", "turned", "renamed"), _swapped_cases())
def test_columns_are_taken_by_name(frame: Any, turned: Any, renamed: Any, tmp_path: Path) -> None:
    """By predict, score and a saved model; others are refused."""
    y = np.repeat([0, 1], 12)
    model = SequenceClassifier(**QUICK).fit(frame, y)
    for fitted in (model, SequenceClassifier.load(model.save(tmp_path / "m"))):
        np.testing.assert_array_equal(fitted.predict_proba(turned), model.predict_proba(frame))
        assert fitted.score(turned, y) == model.score(frame, y)
        with pytest.raises(
            DataError, match=r"expected the columns .* as in fit, in any order; got .* missing"
        ):
            fitted.predict(renamed)


def test_a_series_of_sequences_has_no_columns() -> None:
    """Whatever it is called."""
    cells = pd.Series(list(np.arange(12.0).reshape(4, 3) % 5), name="flow")
    model = SequenceClassifier(**QUICK).fit(cells, [0, 1, 0, 1])
    assert not hasattr(model, "feature_names_in_")
    assert model.predict(cells.rename("level")).shape == (4,)


ID_FRAME = pd.DataFrame(
    {
        "unique_id": np.repeat([f"r{k}" for k in np.random.default_rng(3).permutation(20)], 4),
        "ds": np.tile(np.arange(4), 20),
        "x": np.random.default_rng(4).normal(0, 0.3, 80) + np.tile(np.repeat([-1, 1], 4), 10),
    }
)


def test_targets_are_aligned_by_id() -> None:
    """What groupby gives is sorted by id, X in the order of first occurrence: of y, weights and groups."""
    frame = ID_FRAME.assign(
        label=np.tile(np.repeat(["down", "up"], 4), 10), weight=1.0, who=np.arange(80) // 8
    )
    groups = frame.groupby("unique_id")
    X, y = frame[["unique_id", "ds", "x"]], groups["label"].first()
    model = SequenceClassifier(hidden_size=4, max_epochs=20, n_members=1).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.score(X, y, sample_weight=groups["weight"].first()) > 0.95
    assert model.score(X, frame["label"].to_numpy()[::4]) == model.score(X, y)
    SequenceClassifier(**QUICK).fit(X, y, groups=groups["who"].first())
    numbers = groups["x"].mean()
    assert (
        SequenceRegressor(hidden_size=4, max_epochs=60, n_members=1).fit(X, numbers).score(X, numbers) > 0.5
    )


def test_tags_follow_the_rows_of_a_frame() -> None:
    """One tag a row of a frame that is sorted by time when it is read."""
    frame = ID_FRAME.assign(tag=ID_FRAME["x"] > 0).sample(frac=1, random_state=0)
    X, y = frame.drop(columns="tag"), frame["tag"].map({True: "up", False: "down"})
    model = SequenceTagger(hidden_size=4, max_epochs=40, n_members=1).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.score(X.sort_values(["unique_id", "ds"]), y) == model.score(X, y)


@each
def test_padding_is_not_read(kind: Any, y: Any) -> None:
    """NaN at the ends, or lengths beside zeros: the same model, predictions and score as of ragged lists."""
    lengths = np.array([len(x) for x in X])
    zeros, nans = np.zeros((6, 7, 2)), np.full((6, 7, 2), np.nan)
    for k, x in enumerate(X):
        zeros[k, : len(x)] = nans[k, : len(x)] = x
    ragged, padded = kind(**QUICK).fit(X, y), kind(**QUICK).fit(zeros, y, lengths=lengths)
    np.testing.assert_array_equal(_predictions(padded, X), _predictions(ragged, X))
    np.testing.assert_array_equal(_predictions(kind(**QUICK).fit(nans, y), nans), _predictions(ragged, X))
    assert np.concatenate(ragged.predict(zeros, lengths=lengths), axis=None).tolist() == (
        np.concatenate(ragged.predict(X), axis=None).tolist()
    )
    assert padded.score(zeros, y, lengths=lengths) == ragged.score(X, y)


def test_tags_of_padding_are_cut() -> None:
    """An array of tags (N, T) beside a padded array."""
    padded, tags = np.zeros((6, 7, 2)), np.zeros((6, 7), dtype=int)
    for k, (x, y) in enumerate(zip(X, ALL[2][1], strict=True)):
        padded[k, : len(x)], tags[k, : len(x)] = x, y
    lengths = [len(x) for x in X]
    model = SequenceTagger(**QUICK).fit(padded, tags, lengths=lengths)
    ragged = SequenceTagger(**QUICK).fit(X, ALL[2][1])
    np.testing.assert_array_equal(_predictions(model, X), _predictions(ragged, X))
    assert model.score(padded, tags, lengths=lengths) == model.score(X, ALL[2][1])


def test_zeros_at_the_ends_are_warned_of() -> None:
    """Once, by fit; not where lengths= says that they are data."""
    padded = np.zeros((20, 12, 2))
    for k, x in enumerate(padded):
        x[: 2 + k % 7] = k % 2 + 1
    with pytest.warns(InputWarning, match="20 of 20 sequences end in 3 or more equal steps") as caught:
        model = SequenceClassifier(**QUICK).fit(padded, [0, 1] * 10)
    assert caught[0].filename == __file__
    model.predict(padded)
    model.fit(padded, [0, 1] * 10, lengths=[12] * 20)


def test_axes_are_said_and_may_be_chosen() -> None:
    """(N, F, T) is warned of, with layout="nct" it is the same as (N, T, F)."""
    block = np.random.default_rng(0).normal(size=(6, 3, 9))
    y = [0, 1] * 3
    with pytest.warns(
        InputWarning, match="every sequence has fewer steps than features: 6 sequences of 3"
    ) as caught:
        SequenceClassifier(**QUICK).fit(block, y)
    assert caught[0].filename == __file__
    SequenceClassifier(**QUICK, layout="ntc").fit(block, y)
    first = SequenceClassifier(**QUICK, layout="nct").fit(block, y)
    last = SequenceClassifier(**QUICK).fit(block.swapaxes(1, 2), y)
    np.testing.assert_array_equal(first.predict_proba(block), last.predict_proba(block.swapaxes(1, 2)))
    assert first.score(block, y) == last.score(block.swapaxes(1, 2), y)
    assert dict(first.summary())["Fitted on"] == "6 sequences of 9 steps, 3 features a step"
    with pytest.raises(ArgumentError, match="layout: expected one of ntc, nct; got 'tnc'"):
        SequenceClassifier(layout="tnc").fit(block, y)


def test_one_sequence_is_given_in_a_list() -> None:
    """x[0] of (N, T, 1) is no T sequences of one step."""
    block = np.random.default_rng(0).normal(size=(6, 9, 1))
    model = SequenceClassifier(**QUICK).fit(block, [0, 1] * 3)
    for predict in (model.predict, model.predict_proba, model.tensors):
        with pytest.raises(DataError, match=r"which is one sequence of 9 steps.* Give one sequence as \[x\]"):
            predict(block[0])
    assert model.predict([block[0]]) == model.predict(block)[0] == model.predict(block[0][None])
