"""The estimator keeps scikit-learn's contract, and a saved model is data: whole, or refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, ModelLoadError, StorageError
from unrolled.models.estimator import Estimator
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.persistence import load_model, save_model

FILES = ("README.md", "config.json", "model.safetensors")


@pytest.fixture
def saved(fitted: Forecaster, tmp_path: Path) -> Path:
    """The folder of the fitted model."""
    return fitted.save(tmp_path / "model")


def test_arguments_are_kept_as_given() -> None:
    """By identity, without a check before fit: what scikit-learn's clone asks for."""
    odd = object()
    assert Forecaster(horizon=odd).horizon is odd
    model = Forecaster(7, cell="gru", window=30)
    twin = clone(model)
    assert twin is not model
    assert twin.get_params() == model.get_params()
    assert set(model.get_params()) >= {"horizon", "cell", "random_state", "device", "verbose"}


def test_a_clone_of_a_fitted_model_is_not_fitted(fitted: Forecaster) -> None:
    """And fits to the same result."""
    check_is_fitted(fitted)
    twin = clone(fitted)
    with pytest.raises(Exception, match="not fitted"):
        check_is_fitted(twin)
    pd.testing.assert_frame_equal(twin.fit(fitted._series).predict(), fitted.predict())


def test_set_params_changes_what_is_there_and_refuses_what_is_not() -> None:
    """The nearest spelling is offered."""
    model = Forecaster().set_params(hidden_size=9, cell="rnn")
    assert (model.hidden_size, model.cell) == (9, "rnn")
    with pytest.raises(ArgumentError) as fault:
        model.set_params(hiden_size=3)
    assert str(fault.value) == "Forecaster: there is no argument 'hiden_size'. Did you mean 'hidden_size'?"


def test_changed_arguments_wait_for_the_next_fit(tiny: dict[str, Any], walk: Any) -> None:
    """A fitted model forecasts as it was fitted."""
    model = Forecaster(**tiny).fit(walk(40))
    expected = model.predict()
    model.set_params(horizon=5, cell="gru", window=3)
    pd.testing.assert_frame_equal(model.predict(), expected)


def test_repr_shows_what_was_changed() -> None:
    """And evaluates to the same model."""
    assert repr(Forecaster()) == "Forecaster()"
    assert repr(Forecaster(3, cell="gru", learning_rate=0.1)) == (
        "Forecaster(horizon=3, cell='gru', learning_rate=0.1)"
    )


def test_a_saved_model_is_safetensors_json_and_a_card(saved: Path) -> None:
    """Three files, none of them code; the card says what the model is and holds no score."""
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    config = json.loads((saved / "config.json").read_text())
    assert config["estimator"] == "Forecaster"
    assert config["params"]["horizon"] == 3
    card = (saved / "README.md").read_text()
    assert "| Forecasts | 3 months |" in card
    assert "| Fitted on | 3 series, 118 steps, frequency MS |" in card
    assert "This card holds no score" in card


def test_saved_and_loaded_is_identical(fitted: Forecaster, saved: Path, shops: pd.DataFrame) -> None:
    """The same forecasts to the bit, of its own series and of others, and the same facts."""
    loaded = Forecaster.load(saved)
    for data in (None, shops.assign(y=shops["y"] * 1.3)):
        one, other = (m.predict(data, level=(50, 95)) for m in (fitted, loaded))
        pd.testing.assert_frame_equal(one, other, rtol=0, atol=0)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.history_ == fitted.history_
    for name in ("transform_", "transform_reason_", "window_", "season_", "n_parameters_", "seconds_"):
        assert getattr(loaded, name) == getattr(fitted, name)


def test_ensembles_covariates_and_counted_steps_survive(tmp_path: Path, tiny: dict[str, Any]) -> None:
    """Several networks, an argument from NumPy, a column beside the target, times that are numbers."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"step": np.arange(5, 55), "y": rng.normal(size=50), "a": rng.normal(size=50)})
    series = read(frame, time="step", target="y", past=["a"])
    model = Forecaster(**{**tiny, "hidden_size": np.int64(4)}, cell="rnn", activation="prelu", n_members=2)
    model.fit(series).save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), model.predict(), rtol=0, atol=0)
    assert loaded.predict()["step"].tolist() == [55, 56, 57]
    assert isinstance(loaded._series, Sequences)


def test_saving_again_replaces_the_folder_whole(fitted: Forecaster, saved: Path) -> None:
    """Nothing of the old stays, nothing temporary is left."""
    before = (saved / "README.md").stat().st_ino
    fitted.save(saved)
    assert (saved / "README.md").stat().st_ino != before
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_no_folder_is_one_sentence(tmp_path: Path) -> None:
    """What was expected, and where such folders come from."""
    with pytest.raises(ModelLoadError) as fault:
        Forecaster.load(tmp_path / "none")
    assert str(fault.value) == (
        f"{tmp_path / 'none'}: expected the folder of a saved model, found none. See model.save."
    )


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, saved: Path) -> None:
    """With the way out."""
    (saved / name).unlink()
    with pytest.raises(ModelLoadError) as fault:
        Forecaster.load(saved)
    assert str(fault.value) == f"{saved}: {name} is missing. Save the model again, or restore the file."


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    """One bit, near the end, where a number lies."""
    changed = bytearray(content)
    changed[-9] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(
    "spoil", [_cut, _flipped, lambda _: b"", lambda _: b"[]", lambda _: b"\xff\xfe{}", lambda _: b"{}"]
)
def test_a_cut_or_altered_file_is_named(name: str, spoil: Any, saved: Path) -> None:
    """Half a file, one bit, nothing, something else."""
    (saved / name).write_bytes(spoil((saved / name).read_bytes()))
    with pytest.raises(ModelLoadError) as fault:
        Forecaster.load(saved)
    assert str(fault.value) == (
        f"{saved}: {name} is not the file that was saved, it was cut or altered. Save the model again, or "
        "restore the file."
    )


def test_an_altered_setting_is_seen(saved: Path) -> None:
    """A number changed by hand breaks the seal."""
    file = saved / "config.json"
    file.write_text(file.read_text().replace('"horizon": 3', '"horizon": 2', 1))
    with pytest.raises(ModelLoadError, match=r"config\.json is not the file that was saved"):
        Forecaster.load(saved)


def test_another_estimators_folder_is_refused(tmp_path: Path) -> None:
    """Both are named."""
    save_model(tmp_path / "other", {}, {"estimator": "Classifier"}, "a card")
    with pytest.raises(ModelLoadError, match="expected a Forecaster, format 3; found Classifier, format 3"):
        load_model(tmp_path / "other", "Forecaster")


_SAVE_ON_A_FULL_DISK = """
import resource, signal, sys
from unrolled.errors import StorageError
from unrolled.models.persistence import save_model
from unrolled.models.forecasting.forecaster import Forecaster
model = Forecaster.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
long_settings = {"estimator": "Forecaster", "series": ["a long name"] * 1000}
for save in (lambda: model.save(sys.argv[1]), lambda: save_model(sys.argv[1], {}, long_settings, "card")):
    try:
        save()
    except StorageError as fault:
        print(fault)
"""


def test_a_full_disk_leaves_the_old_model(fitted: Forecaster, saved: Path) -> None:
    """In the weights or in the settings: one sentence, the old folder whole, nothing half-written."""
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    assert len(before["model.safetensors"]) > 1000
    command = [sys.executable, "-c", _SAVE_ON_A_FULL_DISK, str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{saved}: cannot be written, disk full (") for line in lines)
    assert all("what stood there before is unchanged" in line for line in lines)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]
    pd.testing.assert_frame_equal(Forecaster.load(saved).predict(), fitted.predict())


def test_a_file_in_the_way_is_one_sentence(fitted: Forecaster, tmp_path: Path) -> None:
    """A model is a folder."""
    (tmp_path / "model").write_text("a file")
    with pytest.raises(StorageError, match="it is a file, not a folder"):
        fitted.save(tmp_path / "model")


def test_an_estimator_is_fitted_once_something_ends_in_an_underscore() -> None:
    """The rule for every estimator to come."""

    class Mean(Estimator):
        def __init__(self, of: int = 1) -> None:
            self.of = of

    model = Mean()
    assert not model.__sklearn_is_fitted__()
    model.mean_ = 3.0
    assert model.__sklearn_is_fitted__()
    assert repr(Mean(2)) == "Mean(of=2)"


def test_a_model_that_is_saved_anew_while_it_is_read_is_one_of_the_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the settings of one and the weights of the other."""
    folder, read_bytes = tmp_path / "m", Path.read_bytes

    def save(number: float) -> None:
        save_model(folder, {"w": torch.tensor([number])}, {"estimator": "E", "number": number}, "card")

    def replaced_meanwhile(path: Path) -> bytes:
        if path.name == "model.safetensors" and read_bytes(path) == first:
            save(2.0)
        return read_bytes(path)

    save(1.0)
    first = (folder / "model.safetensors").read_bytes()
    monkeypatch.setattr(Path, "read_bytes", replaced_meanwhile)
    tensors, config = load_model(folder, "E")
    assert tensors["w"].tolist() == [config["number"]] == [2.0]
