"""Compare an estimator of whole sequences with baselines, on the same splits, with a verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError, UnrolledError
from unrolled.evaluate.audio.classification import AUDIO_BASELINES, prepare_recordings, reads_recordings
from unrolled.evaluate.forecasting.verdict import Outcome
from unrolled.evaluate.sequence.candidates import (
    NOTES,
    SEQUENCE_BASELINES,
    CandidatePredictions,
    fit_and_predict,
)
from unrolled.evaluate.sequence.prepared import (
    ComparisonSettings,
    PreparedComparison,
    check_comparison_arguments,
    excluded_remarks,
    prepare_sequences,
)
from unrolled.evaluate.sequence.scores import (
    Scoring,
    format_metric,
    log_losses,
    prediction_losses,
    score_columns,
    score_interval,
    uneven_scores,
)
from unrolled.evaluate.sequence.split import EvaluationData, Task
from unrolled.evaluate.sequence.verdict import CandidateLosses, ComparisonVerdict, sequence_verdict
from unrolled.evaluate.text.classification import (
    TAG_BASELINES,
    TEXT_BASELINES,
    flat_words,
    prepare_texts,
    reads_tags,
    reads_texts,
)
from unrolled.evaluate.text.language import LanguageComparison, compare_language, refuse_arguments
from unrolled.evaluate.text.translation import TranslationComparison, compare_translations
from unrolled.formatting import aligned_table, number, p_value_text
from unrolled.jsonable import to_jsonable
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.translation.translator import Translator
from unrolled.record import Record
from unrolled.stats.dependence import fold_inflation

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ComparisonRow:
    """Scores of one candidate.

    Args:
        name: "gru", "MiniRocket", ...
        note: description of a baseline; empty for the network.
        accuracy: share of the tested sequences that it is right on; None where numbers are learned.
        rmse: root of its mean squared error; None where classes are learned. So are mae and r2.
        mae: its mean absolute error.
        r2: 1 less its squared error over that of the mean; None as well where y never changes.
        interval: confidence interval of the accuracy, or of the RMSE, at the comparison's level.
        p_value: probability of a difference from the network this large, in this direction, if there were
            none; None for the network.
        fit_seconds: of one fit; the mean of the folds.
        predict_seconds: of the test data; the mean of the folds.
        balanced_accuracy: mean share of right answers of a class, each class counted alike; None where
            classes are even, or numbers are learned. So are the following.
        rare_recall: share of right answers on the rarest class.
        auc: area under the ROC curve, of several classes the mean of each against the rest; None as well
            where a class is not tested.
        log_loss: mean log loss of the probabilities, a tenth of them mixed with the classes' frequencies.
    """

    name: str
    note: str
    accuracy: float | None
    rmse: float | None
    mae: float | None
    r2: float | None
    interval: tuple[float, float]
    p_value: float | None
    fit_seconds: float
    predict_seconds: float
    balanced_accuracy: float | None = None
    rare_recall: float | None = None
    auc: float | None = None
    log_loss: float | None = None


@dataclass(frozen=True, eq=False)
class Comparison(Record):
    """Scores of all candidates on the same sequences, and the verdict.

    Args:
        rows: the network first, then its baselines from the best on.
        sentence: for a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of
            its baselines.
        p_value: of that; None where there are too few.
        best_baseline: name of the one with the highest accuracy, the lowest RMSE, or where classes are uneven
            the lowest log loss.
        task: "labels" or "numbers".
        n_sequences: tested.
        groups: how many groups they are in; None without groups.
        folds: of the cross-validation; None where a test set was given.
        level: of the confidence intervals, in per cent.
        remarks: what to know when reading the table, a sentence each.
        columns: a row a tested sequence: y, and each candidate's prediction.
        backend: library of the frame that X was.
        unit: what is counted: "sequences", "texts", "words" or "recordings".
    """

    kind: ClassVar[str] = "comparison"

    rows: tuple[ComparisonRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    task: Task
    n_sequences: int
    groups: int | None
    folds: int | None
    level: float
    remarks: tuple[str, ...]
    columns: dict[str, Array]
    backend: str = "pandas"
    unit: str = "sequences"

    @property
    def predictions(self) -> Any:
        """Frame of y and each candidate's prediction, a row a tested sequence in the order of X."""
        return to_frame(self.columns, self.backend)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores; the first is the one with an interval."""
        if self.task == "numbers":
            return ("rmse", "mae", "r2")
        uneven = ("balanced_accuracy", "rare_recall", "auc", "log_loss")
        return ("accuracy", *(uneven if self.rows[0].log_loss is not None else ()))

    def to_frame(self) -> Any:
        """Return the rows as a frame; the interval's ends are called as in `accuracy-lo-95`."""
        main = self.metrics[0]
        texts = {name: [getattr(row, name) for row in self.rows] for name in ("name", "note")}
        numbers = {name: [getattr(row, name) for row in self.rows] for name in self.metrics}
        for k, side in enumerate(("lo", "hi")):
            numbers[f"{main}-{side}-{self.level:g}"] = [row.interval[k] for row in self.rows]
        for name in ("p_value", "fit_seconds", "predict_seconds"):
            numbers[name] = [getattr(row, name) for row in self.rows]
        arrays = {name: np.array(values, dtype=object) for name, values in texts.items()}
        arrays |= {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}
        return to_frame(arrays, self.backend)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single predictions, ready for JSON."""
        facts = super().to_dict() | {"rows": [to_jsonable(asdict(row)) for row in self.rows]}
        return {name: fact for name, fact in facts.items() if name not in {"columns", "backend"}}

    def __str__(self) -> str:
        main, *others = self.metrics
        titles = [name.replace("_", " ") for name in others]
        lines = [["model", main, f"{self.level:g} % interval", *titles, "p", "fit s", "predict s"]]
        for row in self.rows:
            score, *other_scores = (format_metric(name, getattr(row, name)) for name in self.metrics)
            interval = " to ".join(format_metric(main, end) for end in row.interval)
            seconds = (number(value, 3) for value in (row.fit_seconds, row.predict_seconds))
            lines.append([row.name, score, interval, *other_scores, p_value_text(row.p_value), *seconds])
        return "\n".join([aligned_table(lines), "", textwrap.fill(self.sentence, 100), *self.remarks])


@overload
def compare(
    model: Translator, X: Any, y: Any, *, test: Any = ..., folds: int = ..., groups: Any = ...,
    lengths: Any = ..., baselines: Sequence[str] | None = ..., level: float = ...,
) -> TranslationComparison: ...  # fmt: skip
@overload
def compare(
    model: LanguageModel, X: Any, *, test: Any = ..., baselines: Any = ..., level: float = ...
) -> LanguageComparison: ...  # fmt: skip
@overload
def compare(
    model: Any, X: Any, y: Any, *, test: Any = ..., folds: int = ..., groups: Any = ...,
    lengths: Any = ..., baselines: Sequence[str] | None = ..., level: float = ...,
) -> Comparison: ...  # fmt: skip
def compare(
    model: Any, X: Any, y: Any = None, *, test: Any = None, folds: int = 5, groups: Any = None,
    lengths: Any = None, baselines: Sequence[str] | None = None, level: float = 95,
) -> Comparison | TranslationComparison | LanguageComparison:  # fmt: skip
    """Score an estimator of whole sequences, or of texts, beside baselines, and test whether it is better.

    All candidates are fitted on the same sequences and predict the same others, which none was fitted on.
    Folds share most of their training data, which makes their mean less sure than as many separate sequences
    would: confidence intervals and p-values allow for it (Nadeau and Bengio 2003).

    The baselines: the majority class (of numbers the mean of y, and a straight line from the last step); the
    nearest training sequence (features scaled, ragged sequences resampled to the longest), also after
    dynamic time warping; MiniRocket (ragged sequences resampled); the same estimator as a reservoir of the
    usual size; on sequences whose steps are sorted, so that their order is lost; and as a feed-forward net,
    where all sequences have one length. Where classes are uneven (the commonest has at least three times as
    many sequences as the rarest), the verdict and the p-values are of the log loss, because always naming the
    commonest class is right often; balanced accuracy, recall of the rarest class and AUC stand beside. Time
    warping and MiniRocket take part where aeon is installed.

    Beside a TextClassifier stand the majority class and a logistic regression on TF-IDF, of words and of
    words and characters; beside a TextTagger the most frequent tag of each word, and a logistic regression on
    a word with its affixes and neighbours. Of a tagger every word counts, sentences being the units of
    intervals and tests.

    Beside an AudioClassifier stand the majority class, the neighbours, MiniRocket and the reservoir on its
    frames. Without `groups`, the speakers, a remark says that the scores are those of voices it has heard.

    Beside a Translator stand the source as it is, its words one by one (IBM model 1), and the translation of
    the nearest training source. BLEU is compared; sentences are what intervals draw and tests swap. Without
    a test set one part in `folds` is held out, once.

    Beside a LanguageModel, which is given a text and no y, stand a character n-gram model and gzip, in bits a
    character of `test`, a text or documents, or of a tenth of X; there are no folds. Units of intervals and
    tests are documents, or blocks of a running text.

    Args:
        model: a SequenceClassifier, SequenceRegressor, AudioClassifier, TextClassifier, TextTagger,
            Translator, LanguageModel, or an estimator of scikit-learn's kind; copies of it are fitted here.
        X: N sequences, as for SequenceClassifier, N texts or N recordings. Where the model reads gaps
            (`missing=`), baselines that do not are given a line between known values.
        y: N labels, or numbers if the model is a regressor, or lists of tags if it is a tagger.
        test: (X_test, y_test), never fitted on, or (X_test, y_test, lengths_test) where its arrays are
            padded; None for cross-validation.
        folds: of the cross-validation, stratified by class.
        groups: N names; sequences of one group (a speaker, a patient) are tested in the same fold, and
            groups are the units of intervals and tests. With a test set they only keep groups together
            where an estimator holds out validation data. None: sequences that repeat another exactly are
            grouped with it, and a remark says so.
        lengths: N steps of each sequence of X, where arrays are padded; NaN at a sequence's end needs none.
        baselines: some of those above by name (`unrolled.evaluate.SEQUENCE_BASELINES`, `AUDIO_BASELINES`, of
            texts `TEXT_BASELINES`, `TAG_BASELINES` and `TRANSLATION_BASELINES`); None for all.
        level: of the confidence intervals, in per cent.

    Raises:
        ArgumentError: an argument is out of range.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, and it is not installed.

    >>> import unrolled as ur
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 8)), np.repeat([0, 1], 30)
    >>> X[y == 1] += np.linspace(-2, 2, 8)
    >>> result = compare(ur.SequenceClassifier(hidden_size=4, max_epochs=2), X, y, folds=2,
    ...                  baselines=["majority class", "1-NN Euclidean"])
    >>> result.rows[0].name, result.n_sequences, result.best_baseline
    ('gru', 60, '1-NN Euclidean')
    """
    if isinstance(model, Translator):
        refuse_arguments("translations", groups=groups, lengths=lengths)
        return compare_translations(model, X, y, test=test, folds=folds, baselines=baselines, level=level)
    if isinstance(model, LanguageModel):
        given_folds = None if folds == 5 else folds  # the default
        refuse_arguments("language models", y=y, folds=given_folds, groups=groups, lengths=lengths)
        return compare_language(model, X, test=test, baselines=baselines, level=level)
    if y is None and not reads_recordings(model):
        raise ArgumentError("compare y: expected what the model predicts of X, got None. Pass it.")
    task = _task_of(model)
    is_explicit = baselines is not None
    names = check_comparison_arguments(_baseline_names(model, task), folds, level, baselines)
    settings = ComparisonSettings(task, names, is_explicit, test, folds, groups, lengths)
    prepared = _prepare_of(model)(model, X, y, settings)
    tested, excluded, uneven = prepared.tested, dict(prepared.excluded), prepared.uneven
    classes = None if uneven is None else uneven.classes
    network, *candidates = prepared.candidates
    results = [fit_and_predict(network, prepared.splits, classes)]
    for candidate in candidates:
        try:
            results.append(fit_and_predict(candidate, prepared.splits, classes))
        except UnrolledError as error:  # a reservoir that overflows, say, leaves the others as they are
            excluded[candidate.name] = str(error).rstrip(".")
    if len(results) == 1:
        raise ArgumentError(
            f"baselines: expected one at least that can take part; {excluded_remarks(excluded)[0]}"
        )
    results = [result.in_order(prepared.order) for result in results]
    if prepared.unit == "words":
        tested, results = flat_words(tested), [result.flat() for result in results]
    scoring = Scoring(task, level, 1.0 if test is not None else fold_inflation(folds), uneven)
    rows, verdict = _score(results, tested, scoring, prepared.unit)
    remarks = prepared.remarks + (() if uneven is None else (uneven.remark,))
    return Comparison(
        rows=rows,
        sentence=verdict.sentence,
        outcome=verdict.outcome,
        p_value=verdict.p_value,
        best_baseline=verdict.best_baseline,
        task=task,
        n_sequences=len(tested),
        groups=None if tested.groups is None else int(tested.groups.max()) + 1,
        folds=folds if test is None else None,
        level=level,
        remarks=(*remarks, *excluded_remarks(excluded)),
        columns={"y": tested.y, **{result.name: result.predictions for result in results}},
        backend=prepared.backend,
        unit=prepared.unit,
    )


def _score(
    results: Sequence[CandidatePredictions], data: EvaluationData, scoring: Scoring, unit: str
) -> tuple[tuple[ComparisonRow, ...], ComparisonVerdict]:
    """Return the network's row, then those of its baselines from the best on; and the verdict."""
    is_labels = scoring.task == "labels"
    hits = [prediction_losses(result.predictions, data.y, is_labels=is_labels) for result in results]
    losses = hits
    scores = [
        score_columns(loss, result.predictions, data.y, is_labels=is_labels)
        for result, loss in zip(results, hits, strict=True)
    ]
    if scoring.uneven is not None:
        losses = [log_losses(result.probabilities, data.y, scoring.uneven) for result in results]
        scores = [
            score | uneven_scores(result.predictions, result.probabilities, data.y, scoring.uneven)
            for score, result in zip(scores, results, strict=True)
        ]
    metric = "log_loss" if scoring.uneven is not None else "accuracy" if is_labels else "rmse"
    candidates = [
        CandidateLosses(
            result.name,
            loss,
            format_metric(metric, score[metric]),
            result.fit_seconds + result.predict_seconds,
        )
        for result, loss, score in zip(results, losses, scores, strict=True)
    ]
    verdict = sequence_verdict(
        candidates[0], candidates[1:], is_labels=is_labels, groups=data.groups, inflation=scoring.inflation,
        is_log_loss=scoring.uneven is not None, unit=unit,
    )  # fmt: skip
    rows = [
        ComparisonRow(
            name=result.name,
            note=NOTES.get(result.name, "") if k else "",
            **score,
            interval=score_interval(hit, data.groups, scoring),
            p_value=verdict.p_values[k - 1] if k else None,
            fit_seconds=result.fit_seconds,
            predict_seconds=result.predict_seconds,
        )
        for k, (result, hit, score) in enumerate(zip(results, hits, scores, strict=True))
    ]
    order = np.argsort([loss.mean() for loss in losses[1:]], kind="stable")
    return (rows[0], *(rows[1 + k] for k in order)), verdict


def _task_of(model: Any) -> Task:
    """Return what the model learns, by scikit-learn's tags."""
    if isinstance(model, SequenceTagger):
        raise ArgumentError(
            "model: expected an estimator with one prediction a sequence, got a SequenceTagger. "
            "Score it with its own score(X, y)."
        )
    if reads_tags(model):
        return "labels"
    try:
        if not isinstance(model, type):
            if is_regressor(model):
                return "numbers"
            if is_classifier(model):
                return "labels"
    except AttributeError:  # no tags at all
        pass
    raise ArgumentError(f"model: expected a classifier or a regressor, fitted or not, got {model!r}.")


def _baseline_names(model: Any, task: Task) -> tuple[str, ...]:
    """Return the names of all baselines that such a model is compared with."""
    if reads_recordings(model):
        return AUDIO_BASELINES
    if not reads_texts(model):
        return SEQUENCE_BASELINES[task]
    return tuple(TAG_BASELINES if reads_tags(model) else TEXT_BASELINES)


def _prepare_of(model: Any) -> Callable[..., PreparedComparison]:
    """Return the function that reads and splits what such a model learns from."""
    if reads_recordings(model):
        return prepare_recordings
    return prepare_texts if reads_texts(model) else prepare_sequences
