"""Checkpoints of every estimator are refused where data or settings differ, and held-out data count too."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled import (
    AudioClassifier,
    Forecaster,
    LanguageModel,
    SequenceClassifier,
    SequenceRegressor,
    TextClassifier,
    TextTagger,
    Translator,
)
from unrolled.errors import ModelLoadError
from unrolled.models.fitting import identified, split_dataset
from unrolled.train.config import Monitor, TrainingConfig

N = 160  # a fifth of them can be held out
RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(N, 6))
CLIPS = [RNG.normal(size=700) for _ in range(N)]
TEXTS = [f"{word} film {k}" for k in range(N // 2) for word in ("warm", "dull")]
LABELS = np.array(["good", "bad"] * (N // 2))
WORDS = [text.split() for text in TEXTS]
TAGS = [[label, "NOUN", "NUM"] for label in LABELS]
RUNNING = " ".join(TEXTS)
TINY = {"hidden_size": 2, "max_epochs": 1}
HELD_OUT = {"validation_fraction": 0.2}


@dataclass(frozen=True)
class _Case:
    """An estimator with its data, and settings that shape neither the network nor the number of steps."""

    make: Callable[..., Any]
    settings: dict[str, Any]
    data: tuple[Any, ...]
    others: tuple[dict[str, Any], ...] = ()


CASES = {
    "SequenceClassifier": _Case(
        SequenceClassifier, TINY | HELD_OUT | {"n_members": 1}, (SERIES, LABELS),
        ({"class_weight": {"good": 2.0}},),
    ),
    "SequenceRegressor": _Case(
        SequenceRegressor, TINY | HELD_OUT | {"n_members": 1}, (SERIES, SERIES[:, 0] ** 2),
    ),
    "TextClassifier": _Case(
        TextClassifier, TINY | HELD_OUT | {"embedding_size": 3}, (TEXTS, LABELS),
        ({"label_smoothing": 0.3}, {"class_weight": {"good": 2.0}}),
    ),
    "TextTagger": _Case(
        TextTagger, TINY | HELD_OUT | {"embedding_size": 3}, (WORDS, TAGS), ({"label_smoothing": 0.3},)
    ),
    "AudioClassifier": _Case(
        AudioClassifier, TINY | HELD_OUT | {"rate": 8000, "num_layers": 1}, (CLIPS, LABELS),
        ({"label_smoothing": 0.3}, {"augmentation": False}, {"normalization": "recording"}),
    ),
    "Translator": _Case(
        Translator, TINY | HELD_OUT | {"embedding_size": 3, "unit": "word"}, (TEXTS, TEXTS[::-1]),
        ({"label_smoothing": 0.3},),
    ),
    "LanguageModel": _Case(LanguageModel, TINY | HELD_OUT | {"embedding_size": 3}, (RUNNING,)),
    "Forecaster": _Case(Forecaster, {"hidden_size": 2, "max_steps": 1, "horizon": 2}, (SERIES.ravel(),)),
}  # fmt: skip


def _changed(data: tuple[Any, ...], k: int) -> tuple[Any, ...]:
    """Change one example, or the end of a text, that may be trained on or held out."""
    first = data[0]
    if isinstance(first, str):
        return (first[:-1] + ("1" if first[-1] != "1" else "2"),)
    if isinstance(first, np.ndarray):
        first = first.copy()
        first[k] += 0.5
        return (first, *data[1:])
    return ([*first[:k], first[k][::-1], *first[k + 1 :]], *data[1:])


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_is_refused_for_other_settings_and_data(name: str, tmp_path: Path) -> None:
    """Whichever example differs, one that is trained on or one that is held out; else it is resumed."""
    case = CASES[name]
    case.make(**case.settings).fit(*case.data, checkpoint=tmp_path / "c")
    case.make(**case.settings).fit(*case.data, checkpoint=tmp_path / "c")
    refusal = "made with other settings or data"
    for other in case.others:
        with pytest.raises(ModelLoadError, match=refusal):
            case.make(**case.settings | other).fit(*case.data, checkpoint=tmp_path / "c")
    for k in range(0, 40, 8):  # of these five some are held out
        with pytest.raises(ModelLoadError, match=refusal):
            case.make(**case.settings).fit(*_changed(case.data, k), checkpoint=tmp_path / "c")


def test_vectors_of_the_user_are_part_of_a_checkpoint(tmp_path: Path) -> None:
    """Others for the same words would else be read with weights that were learned beside the first."""
    file, settings = tmp_path / "vectors.txt", TINY | {"embedding_size": 3}
    file.write_text("warm 1 2\ndull 3 4\n")
    TextClassifier(**settings, vectors=file).fit(TEXTS, LABELS, checkpoint=tmp_path / "c")
    file.write_text("warm 1 2\ndull 3 5\n")
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        TextClassifier(**settings, vectors=file).fit(TEXTS, LABELS, checkpoint=tmp_path / "c")


class _Rows:
    """Rows of a tensor."""

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows

    def subset(self, rows: torch.Tensor) -> "_Rows":
        return _Rows(self.rows[rows])

    def fingerprint(self, settings: str) -> str:
        return f"{settings}{self.rows.tolist()}"


def test_a_dataset_is_split_by_what_is_held_out() -> None:
    """There is no validation set where nothing is."""
    training, validation = split_dataset(_Rows(torch.arange(4)), np.array([True, False, True, False]))
    assert (training.rows.tolist(), validation.rows.tolist()) == ([1, 3], [0, 2])
    assert split_dataset(_Rows(torch.arange(4)), np.zeros(4, dtype=bool))[1] is None


def test_without_a_checkpoint_nothing_is_digested(tmp_path: Path) -> None:
    """The settings of the training stay as they are; with one, everything that differs shows."""
    config = TrainingConfig(max_steps=1, val_check_steps=1, batch_size=1, learning_rate=1.0)
    one, two = _Rows(torch.tensor([1])), _Rows(torch.tensor([2]))
    assert identified(config, Monitor(), one, two, 3) is config
    monitor = Monitor(checkpoint=tmp_path)
    variants = [(one, two, 3), (two, two, 3), (one, one, 3), (one, None, 3), (one, two, 4)]
    assert len({identified(config, monitor, *variant).identity for variant in variants}) == len(variants)
