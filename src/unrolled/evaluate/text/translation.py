"""Compare a Translator with simple translations of the same texts, by BLEU, with a verdict.

BLEU of a corpus is no mean of its sentences, but made of sums of their counts (`bleu_statistics`). Intervals
draw sentences anew, tests swap the translations of two systems sentence by sentence; see
`unrolled.evaluate.corpus`.

Source: Koehn, Statistical Significance Tests for Machine Translation Evaluation (2004), the bootstrap;
Riezler and Maxwell, On Some Pitfalls in Automatic Evaluation and Significance Testing for MT (2005), the
swaps.
"""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from unrolled.data.io.frames import to_frame
from unrolled.data.text.bleu import bleu_statistics, corpus_bleu, require_sacrebleu, translation_scores
from unrolled.data.text.pairs import as_pairs
from unrolled.errors import DataError
from unrolled.evaluate.arguments import DEFAULT_FOLDS, ComparisonArguments, check_pair
from unrolled.evaluate.corpus import corpus_sentence, corpus_verdict
from unrolled.evaluate.outcome import Outcome
from unrolled.evaluate.score_frame import score_frame
from unrolled.evaluate.text.translation_baselines import TRANSLATION_BASELINES
from unrolled.formatting import aligned_table, interval_text, number, p_value_text, quantity
from unrolled.models.protocols import end_if_interrupted
from unrolled.models.text.translation.translator import Translator
from unrolled.record import Record
from unrolled.stats.intervals import bootstrap_interval

Floats = NDArray[np.float64]

_NOTES = {
    "copy": "the source as it is",
    "word by word": "IBM model 1, the likeliest word each",
    "nearest sentence": "the translation of the nearest training source, by TF-IDF",
}


@dataclass(frozen=True)
class TranslationRow:
    """Scores of one candidate.

    Args:
        name: "gru", "word by word", ...
        note: description of a baseline; empty for the network.
        bleu: of the tested texts, from 0 to 100.
        chrf: of character n-grams, from 0 to 100.
        interval: confidence interval of BLEU, at the comparison's level.
        p_value: probability of a difference from the network this large, in this direction, if there were
            none; None for the network.
        fit_seconds: of its fit.
        predict_seconds: of the test texts.
    """

    name: str
    note: str
    bleu: float
    chrf: float
    interval: tuple[float, float]
    p_value: float | None
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True, eq=False)
class TranslationComparison(Record):
    """Scores of all candidates on the same texts, and the verdict.

    Args:
        rows: the network first, then its baselines from the best on.
        sentence: for a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of
            its baselines.
        p_value: of that; None where there are too few.
        best_baseline: name of the one with the highest BLEU.
        n_sequences: texts tested.
        level: of the confidence intervals, in per cent.
        signature: how sacrebleu computed BLEU.
        remarks: what to know when reading the table, a sentence each.
        columns: a row a tested text: source, target, and each candidate's translation.
        unit: what is counted.
        task: what is learned.
    """

    kind: ClassVar[str] = "translation comparison"
    _not_in_dict = frozenset({"columns"})

    rows: tuple[TranslationRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    n_sequences: int
    level: float
    signature: str
    remarks: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    unit: str = "texts"
    task: str = "translations"

    @property
    def predictions(self) -> Any:
        """Frame of source, target and each candidate's translation, a row a tested text."""
        return to_frame(self.columns, "pandas")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores; the first is the one with an interval."""
        return ("bleu", "chrf")

    def to_frame(self) -> Any:
        """Return the rows as a frame; the interval's ends are called as in `bleu-lo-95`."""
        return score_frame(self.rows, self.metrics, self.level)

    def __str__(self) -> str:
        lines = [["model", "BLEU", f"{self.level:g} % interval", "chrF", "p", "fit s", "predict s"]]
        for row in self.rows:
            interval = interval_text(row.interval, "{:.1f}".format)
            seconds = (number(value, 3) for value in (row.fit_seconds, row.predict_seconds))
            lines.append(
                [
                    row.name,
                    f"{row.bleu:.1f}",
                    interval,
                    f"{row.chrf:.1f}",
                    p_value_text(row.p_value),
                    *seconds,
                ]
            )
        return "\n".join(
            [aligned_table(lines), "", textwrap.fill(self.sentence, 100), self.signature, *self.remarks]
        )


class _Result(NamedTuple):
    """Translations of one candidate, and what BLEU is made of."""

    name: str
    translations: list[str]
    statistics: Floats  # (N, 10)
    fit_seconds: float
    predict_seconds: float


def compare_translations(
    model: Translator, X: Any, y: Any, arguments: ComparisonArguments, *, fitted: Translator | None = None
) -> TranslationComparison:
    """Score a Translator beside simple translations; see `compare`.

    Without a test set one part in as many as there are folds is held out, once.

    Args:
        model: a copy of it is fitted.
        X: N source texts.
        y: N target texts.
        arguments: of the comparison; it has no groups or lengths.
        fitted: a copy of the model that was fitted on X and y already, which then is not fitted again.

    Raises:
        ArgumentError: an argument is out of range, or has no use here.
        DataError: X, y or the test set cannot be used as they are.
        KeyboardInterrupt: Ctrl-C ended the training.
        MissingDependencyError: sacrebleu is not installed.
    """
    arguments.refuse("groups", "lengths", of="translations")
    names = arguments.baseline_names(tuple(TRANSLATION_BASELINES))
    sources, targets = as_pairs(X, y, who="compare")
    require_sacrebleu()  # before anything is trained
    train, tested, remarks = _split(sources, targets, arguments.test, arguments.folds or DEFAULT_FOLDS)
    results = [_run(model.cell, fitted or clone(model), train, tested, is_fitted=fitted is not None)]
    results += [_run(name, TRANSLATION_BASELINES[name](), train, tested) for name in names]
    return _judged(results, tested, arguments.level, remarks)


def _split(
    sources: list[str], targets: list[str], test: Any, folds: int
) -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]], tuple[str, ...]]:
    """Return training pairs, tested pairs, and remarks."""
    if test is None:
        if len(sources) < 2 * folds:
            raise DataError(
                f"compare X: expected at least {2 * folds} texts, two a fold, got {len(sources)}."
            )
        order = np.random.default_rng(0).permutation(len(sources)).tolist()
        n_test = len(sources) // folds
        parts = [([sources[k] for k in rows], [targets[k] for k in rows])
                 for rows in (sorted(order[n_test:]), sorted(order[:n_test]))]  # fmt: skip
        train, tested = parts
        remarks: tuple[str, ...] = (f"One part in {folds} was held out, once, and tested.",)
    else:
        train, tested, remarks = (sources, targets), as_pairs(*check_pair(test), who="compare test"), ()
    training_sources = set(train[0])
    n_copied = sum(text in training_sources for text in tested[0])
    if n_copied:
        what = f"{n_copied:,} of {len(tested[0]):,} test sources are among those learned from"
        remarks += (f"{what}: whoever remembers them is right on them.",)
    return train, tested, remarks


def _run(
    name: str, candidate: Any, train: tuple[list[str], list[str]], tested: tuple[list[str], list[str]],
    *, is_fitted: bool = False,
) -> _Result:  # fmt: skip
    """Fit a candidate and translate the test texts with it."""
    start_s = time.perf_counter()
    if not is_fitted:
        candidate.fit(*train)
        end_if_interrupted(candidate)
    fit_s = candidate.seconds_ if is_fitted else time.perf_counter() - start_s
    start_s = time.perf_counter()
    translations = candidate.predict(tested[0])
    predict_s = time.perf_counter() - start_s
    return _Result(name, translations, bleu_statistics(translations, tested[1]), fit_s, predict_s)


def _judged(
    results: list[_Result], tested: tuple[list[str], list[str]], level: float, remarks: tuple[str, ...]
) -> TranslationComparison:
    """Test the network against its baselines, and put the scores together."""
    network, *others = results
    verdict = corpus_verdict(network.statistics, [other.statistics for other in others], corpus_bleu)
    scores = [translation_scores(result.translations, tested[1]) for result in results]
    rows = [
        TranslationRow(
            result.name, _NOTES.get(result.name, ""), score.bleu, score.chrf,
            bootstrap_interval(result.statistics, corpus_bleu, level), p,
            result.fit_seconds, result.predict_seconds,
        )
        for result, score, p in zip(results, scores, [None, *verdict.p_values], strict=True)
    ]  # fmt: skip
    best, n = rows[1 + verdict.order[0]], len(tested[0])
    texts = {"source": tested[0], "target": tested[1]} | {r.name: r.translations for r in results}
    return TranslationComparison(
        rows=(rows[0], *(rows[1 + k] for k in verdict.order)),
        sentence=corpus_sentence(verdict, _compared(rows[0], best, n), best.name, n_rows=n, unit="text"),
        outcome=verdict.outcome,
        p_value=verdict.p_value,
        best_baseline=best.name,
        n_sequences=n,
        level=level,
        signature=f"BLEU {scores[0].signature}",
        remarks=remarks,
        columns={name: np.array(each, dtype=object) for name, each in texts.items()},
    )


def _compared(network: TranslationRow, best: TranslationRow, n: int) -> str:
    return (
        f"the {network.name.upper()} has a BLEU of {network.bleu:.1f} on {quantity(n, 'text')}, the best of "
        f"the simple ones ({best.name}) {best.bleu:.1f}"
    )
