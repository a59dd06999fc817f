"""Snapshots: hashes of models, and blobs that are whole, of this format and of this model."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled.errors import ArgumentError, DataError
from unrolled.models.streaming.snapshots import model_hash, pack_snapshot, pack_snapshots, unpack_snapshot

X, Y = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], ["up", "down"]
LIKE = {"steps": np.int64(0), "h": np.zeros((2, 3), np.float32)}


def fitted(**options: Any) -> ur.SequenceClassifier:
    """A small model."""
    return ur.SequenceClassifier(**{"hidden_size": 4, "max_epochs": 1, "n_members": 1, **options}).fit(X, Y)


def test_the_hash_outlives_saving_and_fits_of_the_same(tmp_path: Path) -> None:
    """Saved and loaded, or fitted once more with other arguments that no answer depends on."""
    model = fitted()
    digest = model_hash(model)
    assert model_hash(ur.SequenceClassifier.load(model.save(tmp_path / "model"))) == digest
    assert model_hash(fitted(verbose=False)) == digest


def test_the_hash_depends_on_weights_scales_and_settings() -> None:
    """Each of these alone makes another model."""
    model = fitted()
    digests = {model_hash(model), model_hash(fitted(missing="forward")), model_hash(fitted(random_state=1))}
    with torch.no_grad():
        model.networks_[0].head.bias[0] += 1e-6
    digests.add(model_hash(model))
    model.scaler_ = model.scaler_._replace(mean=model.scaler_.mean + 1)
    digests.add(model_hash(model))
    model.classes_ = model.classes_[::-1]
    digests.add(model_hash(model))
    assert len(digests) == 6


def test_a_state_comes_back_as_it_was() -> None:
    """Numbers of any type, and views that are not contiguous."""
    state = {"steps": np.int64(7), "h": np.arange(6, dtype=np.float32).reshape(3, 2).T}
    back = unpack_snapshot(pack_snapshot(state, "abc"), "abc", LIKE)
    assert back["steps"] == 7
    assert np.array_equal(back["h"], state["h"])
    assert back["h"].flags.writeable


def _altered(blob: bytes, change: Any) -> bytes:
    """The blob with its body changed and its checksum made anew."""
    body = change(blob[:-4])
    return bytes(body + struct.pack("<I", zlib.crc32(body)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda blob: blob[:-9], r"got \d+ that are cut or altered"),
        (lambda blob: blob[:30] + b"x" + blob[31:], r"got \d+ that are cut or altered"),
        (lambda blob: b"{}", r"expected the bytes of stream\.snapshot\(\), got 2 others"),
        (lambda blob: b"", r"got 0 others"),
        (lambda blob: _altered(blob, lambda b: b.replace(b'"format": 1', b'"format": 9')), r"got format 9"),
        (
            lambda blob: pack_snapshot(LIKE, "another"),
            r"one of this model \(abc\), got one of another",
        ),
        (lambda blob: pack_snapshot({"h": np.zeros(2)}, "abc"), r"got that of another, such as one with"),
        (lambda blob: _altered(blob, lambda b: b[:20] + b"!" + b[21:]), r"a header that is not one"),
        (lambda blob: _altered(blob, lambda b: b.replace(b'"arrays"', b'"arrows"')), r"not one \('arrays'\)"),
        (lambda blob: _altered(blob, lambda b: b.replace(b'"model"', b'"moral"')), r"not one \('model'\)"),
        (lambda blob: _altered(blob, lambda b: b + b"x"), r"33 bytes of arrays, 32 announced"),
    ],
)
def test_another_blob_is_refused_in_a_sentence(change: Any, sentence: str) -> None:
    """Cut, altered, of another format, model or kind."""
    blob = change(pack_snapshot(LIKE, "abc"))
    with pytest.raises(DataError, match=sentence):
        unpack_snapshot(blob, "abc", LIKE)


def test_what_is_no_bytes_is_refused() -> None:
    """Such as a path."""
    with pytest.raises(ArgumentError, match=r"expected the bytes of stream\.snapshot\(\), got str"):
        unpack_snapshot("state.bin", "abc", LIKE)  # type: ignore[arg-type]


def test_snapshots_at_once_are_those_of_each_state() -> None:
    """Arrays that are no neighbours in memory, of several types, of no numbers; of no stream."""
    states = {
        "h": np.arange(24.0, dtype=np.float32).reshape(4, 3, 2)[::2],
        "steps": np.arange(2),
        "empty": np.zeros((2, 0)),
    }
    blobs = pack_snapshots(states, "abc")
    assert blobs == [pack_snapshot({name: a[k] for name, a in states.items()}, "abc") for k in range(2)]
    back = unpack_snapshot(blobs[1], "abc", {name: a[0] for name, a in states.items()})
    assert all(np.array_equal(back[name], a[1]) for name, a in states.items())
    assert pack_snapshots({name: a[:0] for name, a in states.items()}, "abc") == []
