"""A saved model is a folder of data: read whole, or refused in a sentence."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.errors import ModelLoadError, StorageError
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.persistence import (
    ARRAY,
    PLAIN,
    load_model,
    load_one_of,
    pack_fields,
    record_field,
    save_model,
    saved_estimator_name,
    unpack_fields,
)
from unrolled.models.sequence.classifier import SequenceClassifier

FILES = ("README.md", "config.json", "model.safetensors")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (PLAIN, 3.5),
        (PLAIN, None),
        (ARRAY, np.array([1, 3], dtype=np.int8)),
        (ARRAY, np.array(["ä", "b"])),
        (ARRAY, np.array(["price", "volume"], dtype=object)),
        (ARRAY, np.float64(0.1)),
        (record_field(StandardScaler), StandardScaler.fit(np.arange(3.0))),
    ],
)
def test_fields_survive_json(field: Any, value: Any) -> None:
    """With value and dtype."""
    records, tensors = pack_fields(SimpleNamespace(learned_=value), {"learned_": field})
    after = unpack_fields(json.loads(json.dumps(records)), tensors, {"learned_": field})["learned_"]
    np.testing.assert_array_equal(after, value)
    assert getattr(after, "dtype", type(after)) == getattr(value, "dtype", type(value))


def test_fields_that_an_object_lacks_are_left_out() -> None:
    """Such as the names of columns that had none."""
    fields = {"seconds_": PLAIN, "feature_names_in_": ARRAY}
    assert pack_fields(SimpleNamespace(seconds_=1.0), fields) == ({"seconds_": 1.0}, {})


def test_only_an_optional_field_may_be_missing() -> None:
    """A model without one of the others would fail later, and say something else."""
    fields = {"seconds_": PLAIN, "feature_names_in_": ARRAY._replace(is_optional=True)}
    assert unpack_fields({"seconds_": 1.0}, {}, fields) == {"seconds_": 1.0}
    with pytest.raises(KeyError, match="seconds_"):
        unpack_fields({}, {}, fields)


def test_the_estimator_of_a_folder_is_read_without_loading_it(saved: Path, tmp_path: Path) -> None:
    """Empty where the folder does not say."""
    assert saved_estimator_name(saved) == "Forecaster"
    assert saved_estimator_name(tmp_path) == ""


def test_saving_again_replaces_the_folder_whole(fitted: Forecaster, saved: Path) -> None:
    """Nothing of the old stays, nothing temporary is left."""
    before = (saved / "README.md").stat().st_ino
    fitted.save(saved)
    assert (saved / "README.md").stat().st_ino != before
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
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


def test_an_altered_parameter_is_detected(saved: Path) -> None:
    """A number changed by hand breaks the seal."""
    file = saved / "config.json"
    file.write_text(file.read_text().replace('"horizon": 3', '"horizon": 2', 1))
    with pytest.raises(ModelLoadError, match=r"config\.json is not the file that was saved"):
        Forecaster.load(saved)


def _load_edited(saved: Path, **changes: Any) -> Forecaster:
    """Load what another version might have written: whole files, other content."""
    config = json.loads((saved / "config.json").read_text()) | changes
    del config["sha256"]
    digest = hashlib.sha256(json.dumps(config).encode()).hexdigest()
    (saved / "config.json").write_text(json.dumps({"sha256": digest, **config}))
    return Forecaster.load(saved)


def test_whole_files_that_lack_a_part_are_refused_when_loaded(saved: Path) -> None:
    """Not when they are used: no network, a learned attribute less; the way out fits the version."""
    learned = json.loads((saved / "config.json").read_text())["learned"]
    with pytest.raises(ModelLoadError, match=r"expected at least one network, got 0.*\. Fit the model again"):
        _load_edited(saved, networks=0)
    del learned["window_"]
    with pytest.raises(
        ModelLoadError, match=r"KeyError: 'window_'.* 0\.0\.9\. Load it with that version, or"
    ):
        _load_edited(saved, networks=1, learned=learned, version="0.0.9")


def test_a_model_of_an_earlier_format_is_refused(saved: Path) -> None:
    """It may read its settings otherwise, as missing="mask" did."""
    with pytest.raises(ModelLoadError, match=r"format 4; found Forecaster, format 3\. Fit it again"):
        _load_edited(saved, format=3)


def test_another_estimators_folder_is_refused(tmp_path: Path) -> None:
    """Both are named."""
    save_model(tmp_path / "other", {}, {"estimator": "Classifier"}, "a card")
    with pytest.raises(ModelLoadError, match="expected a Forecaster, format 4; found Classifier, format 4"):
        load_model(tmp_path / "other", "Forecaster")
    with pytest.raises(
        ModelLoadError, match=r"an AudioClassifier, .* Load it with Classifier\.load\(folder\)"
    ):
        load_model(tmp_path / "other", "AudioClassifier")
    with pytest.raises(
        ModelLoadError, match="expected one of SequenceClassifier, Forecaster; found Classifier"
    ):
        load_one_of(tmp_path / "other", (SequenceClassifier, Forecaster))


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


def test_a_file_at_the_path_of_a_model_is_refused(fitted: Forecaster, tmp_path: Path) -> None:
    """A model is a folder."""
    (tmp_path / "model").write_text("a file")
    with pytest.raises(StorageError, match="it is a file, not a folder"):
        fitted.save(tmp_path / "model")


def test_a_model_saved_while_it_is_read_loads_as_one_of_the_two(
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
