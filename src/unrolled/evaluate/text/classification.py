"""Compare an estimator of texts, or of their tags, with simple models of counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.frames import BACKENDS
from unrolled.data.io.targets import as_groups, as_labels
from unrolled.data.text.documents import Text, as_texts
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.arguments import ComparisonArguments, check_pair
from unrolled.evaluate.sequence.baselines import MajorityClass
from unrolled.evaluate.sequence.candidates import Candidate, model_candidate
from unrolled.evaluate.sequence.compare import compare_prepared
from unrolled.evaluate.sequence.prepared import PreparedComparison
from unrolled.evaluate.sequence.result import Comparison
from unrolled.evaluate.sequence.scores import uneven_classes
from unrolled.evaluate.sequence.split import (
    EvaluationData,
    Partition,
    partition_by_folds,
    partition_by_test_set,
    resolve_folds,
    unseen_class_remarks,
)
from unrolled.evaluate.text.baselines import MostFrequentTag, TfidfLogistic, TokenLogistic
from unrolled.models.text.tagger import TextTagger

Array = NDArray[Any]
Ints = NDArray[np.int64]

TEXT_BASELINES: dict[str, Callable[[], Any]] = {
    "majority class": MajorityClass,
    "TF-IDF words": TfidfLogistic,
    "TF-IDF words and characters": lambda: TfidfLogistic(characters=True),
}
TAG_BASELINES: dict[str, Callable[[], Any]] = {
    "most frequent tag": MostFrequentTag,
    "logistic regression": TokenLogistic,
}
_MIN_CHARACTERS = 20  # of a text: shorter ones are written twice by chance


def compare_texts(model: Any, X: Any, y: Any, arguments: ComparisonArguments) -> Comparison:
    """Score an estimator of texts beside simple models of counts; see `compare`.

    Of a tagger every word is scored by itself, and sentences are the groups that intervals and tests take as
    one.

    Raises:
        ArgumentError: an argument is out of range, or lengths are given.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
    """
    if y is None:
        raise ArgumentError("compare y: expected what the model predicts of X, got None. Pass it.")
    if arguments.lengths is not None:
        raise ArgumentError("lengths: texts have their own and are not padded. Leave it out.")
    is_tagger = isinstance(model[-1] if hasattr(model, "named_steps") else model, TextTagger)
    makers = TAG_BASELINES if is_tagger else TEXT_BASELINES
    names = arguments.baseline_names(tuple(makers))
    data, backend = _text_data(X, y, arguments.groups, tagged=is_tagger)
    partition, remarks = _split(data, arguments, tagged=is_tagger)
    prepared = PreparedComparison(
        "labels",
        [model_candidate(model), *(Candidate(name, makers[name]) for name in names)],
        partition,
        tuple(remarks),
        excluded={},
        backend=backend,
        unit="words" if is_tagger else "texts",
        uneven=None if is_tagger else uneven_classes(partition.training_y, partition.tested.y),
    )
    return compare_prepared(prepared, arguments.level)


def _text_data(
    X: Any, y: Any, groups: Any = None, *, tagged: bool = False, who: str = "compare"
) -> tuple[EvaluationData, str]:
    """Validate texts, their labels or tags, and groups; return them with the library that X came from.

    Raises:
        DataError: X, y or groups cannot be used as they are.
    """
    texts = as_texts(X, who=f"{who} X")
    targets = _tags(texts, y, who) if tagged else as_labels(y, len(texts), who=f"{who} y")
    group_ids = None if groups is None else as_groups(groups, len(texts))
    library = type(X).__module__.partition(".")[0]
    data = EvaluationData(texts, [np.empty((0, 1))] * len(texts), targets, group_ids)
    return data, library if library in BACKENDS else "pandas"


def _tags(texts: Sequence[Text], y: Any, who: str) -> Array:
    """Return tags (N,), an array of objects that holds an array (T_i,) a sentence."""
    if any(isinstance(text, str) for text in texts):
        raise DataError(
            f"{who} X: expected lists of words, which every baseline reads alike, got a raw text. Split it "
            "first: text.split()."
        )
    if not hasattr(y, "__len__") or len(y) != len(texts):
        got = len(y) if hasattr(y, "__len__") else repr(y)
        raise DataError(f"{who} y: expected {len(texts)} lists of tags, one a sentence, got {got}.")
    tags = np.empty(len(texts), dtype=object)
    for i, (words, one) in enumerate(zip(texts, y, strict=True)):
        if isinstance(one, str) or not hasattr(one, "__len__") or len(one) != len(words):
            got = len(one) if hasattr(one, "__len__") and not isinstance(one, str) else repr(one)
            raise DataError(f"{who} y, sentence {i}: expected {len(words)} tags, one a word, got {got}.")
        tags[i] = as_labels(one, len(words), who=f"{who} y, sentence {i}")
    return tags


def _split(
    data: EvaluationData, arguments: ComparisonArguments, *, tagged: bool
) -> tuple[Partition, list[str]]:
    """Split texts into folds, copies kept together, or read the test set; and say what there is to know.

    Raises:
        ArgumentError: the test set is no pair.
        DataError: there are too few texts, or a class is in one fold only.
    """
    if arguments.test is None:
        folds, remarks = resolve_folds(arguments.folds, data)
        data, copied = _group_copies(data, 2 * folds)
        return partition_by_folds(data, folds, stratified=not tagged), [*remarks, *copied]
    tested, _ = _text_data(*check_pair(arguments.test), tagged=tagged, who="compare test")
    partition = partition_by_test_set(data, tested)
    unseen = [] if tagged else unseen_class_remarks(partition.splits[0])
    return partition, [*_copies_across(data, tested), *unseen]


def _content(text: Text) -> str:
    return text if isinstance(text, str) else " ".join(text)


def _group_copies(data: EvaluationData, min_groups: int) -> tuple[EvaluationData, tuple[str, ...]]:
    """Make texts that repeat another one a group with it, and say so; with groups they stay as they are."""
    if data.groups is not None:
        return data, ()
    number_of: dict[Any, int] = {}
    ids = []
    for i, text in enumerate(map(_content, data.X)):
        key = text if len(text) >= _MIN_CHARACTERS else i
        ids.append(number_of.setdefault(key, len(number_of)))
    repeated = len(ids) - len(number_of)
    if not repeated or len(number_of) < min_groups:
        return data, ()
    remark = (
        f"{repeated:,} of {len(ids):,} texts repeat another one exactly: copies are kept together and count "
        "as one. Pass groups= to group otherwise."
    )
    return replace(data, groups=np.array(ids, dtype=np.int64)), (remark,)


def _copies_across(train: EvaluationData, tested: EvaluationData) -> tuple[str, ...]:
    """Return a sentence where test texts are among the training texts; else none."""
    training_texts = {_content(text) for text in train.X}
    copied = sum(len(text) >= _MIN_CHARACTERS and text in training_texts for text in map(_content, tested.X))
    if not copied:
        return ()
    what = f"{copied:,} of {len(tested):,} test texts are in X as well"
    return (f"{what}: whoever remembers X is right on them.",)
