"""Data of `unrolled probe`: sequences or texts, as the saved model reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.cli.options import SequenceColumns
from unrolled.errors import ArgumentError

if TYPE_CHECKING:
    from unrolled.report.records import LabelledData, TextData

_MOST_SEQUENCES = 12  # whose states are recorded, and whose words are hidden, spread evenly over the file
_MOST_CHARACTERS = 500  # of a running text, for the same
_TEXT_MODELS = ("TextClassifier", "TextTagger", "LanguageModel")


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Sequences or texts to probe a model on.

    Args:
        X: as the model reads them.
        few: a few of them, for the probes whose record holds every step.
        labels: of X; None where there are none.
        source: the file, for messages.
        shown: what the report says of them.
        are_texts: whether words can be hidden.
        has_targets: whether a loss can be computed: there are labels, or the model predicts X itself.
    """

    X: Any
    few: Any
    labels: Any
    source: str
    shown: LabelledData | TextData
    are_texts: bool
    has_targets: bool


def read_probe_data(model: Any, file: str, columns: SequenceColumns) -> ProbeData:
    """Read a file as a model reads it.

    Raises:
        ArgumentError: an option means nothing for the model.
        DataError: the file cannot be used; the sentence says why.
    """
    from unrolled.cli.sequence_report import labelled_data

    if type(model).__name__ in _TEXT_MODELS:
        return _text_data(model, file, columns)
    labelled = columns.read(file, "test").beside(model.output_classes())
    few = [labelled.sequences[k].values for k in _spread(len(labelled.sequences))]
    return ProbeData(
        X=labelled.sequences,
        few=few,
        labels=labelled.labels,
        source=labelled.source,
        shown=labelled_data(labelled),
        are_texts=False,
        has_targets=labelled.labels is not None,
    )


def _text_data(model: Any, file: str, columns: SequenceColumns) -> ProbeData:
    from unrolled.cli.sequence_report import label_texts
    from unrolled.data.labelled.read import labels_beside
    from unrolled.data.text.conll import read_tagged
    from unrolled.data.text.read import read_running_text, read_texts
    from unrolled.report.records import TextData

    given, kind = columns.given(), type(model).__name__
    unused = set(given) - (set() if kind == "LanguageModel" else {"label"})
    if unused:
        raise ArgumentError(f"--{min(unused)}: a {kind} has no use for it. Leave it out.")
    X: Any
    labels: Any = None
    names = np.array([], dtype=str)
    if kind == "TextTagger":
        tagged = read_tagged(file, **({"column": given["label"]} if given else {}))
        X, labels, source = tagged.words, tagged.tags, tagged.source
        raw = [" ".join(words) for words in X]
    elif kind == "TextClassifier" or model.has_ends_:
        texts = read_texts(file, label=given.get("label"))
        X, raw, source = texts.texts, texts.texts, texts.source
        if kind == "TextClassifier" and texts.labels is not None:
            labels = labels_beside(texts.labels, model.classes_)
            names = label_texts(labels)
    else:
        X, source = read_running_text(file), file
        raw = [X]
    return ProbeData(
        X=X,
        few=X[:_MOST_CHARACTERS] if isinstance(X, str) else [X[k] for k in _spread(len(X))],
        labels=labels,
        source=source,
        shown=TextData(source, raw, names),
        are_texts=True,
        has_targets=labels is not None or kind == "LanguageModel",
    )


def _spread(n: int) -> list[int]:
    positions: list[int] = np.unique(np.linspace(0, n - 1, _MOST_SEQUENCES).astype(int)).tolist()
    return positions
