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
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from unrolled.data.io.frames import to_frame
from unrolled.data.text.bleu import bleu_statistics, corpus_bleu, require_sacrebleu, translation_scores
from unrolled.data.text.pairs import as_pairs
from unrolled.evaluate.arguments import DEFAULT_FOLDS, ComparisonArguments, check_pair
from unrolled.evaluate.corpus import CorpusResult, held_out_rows, judge_corpus, run_candidate, split_remarks
from unrolled.evaluate.outcome import Outcome
from unrolled.evaluate.score_frame import score_frame
from unrolled.evaluate.text.translation_baselines import TRANSLATION_BASELINES
from unrolled.formatting import aligned_table, interval_text, number, p_value_text, quantity
from unrolled.models.text.translation.translator import Translator
from unrolled.record import Record
from unrolled.stats.intervals import bootstrap_interval

Pairs = tuple[list[str], list[str]]

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
    candidates = [
        (model.cell, fitted or clone(model)),
        *((name, TRANSLATION_BASELINES[name]()) for name in names),
    ]
    results = [
        run_candidate(name, candidate, train, tested, bleu_statistics, is_fitted=candidate is fitted)
        for name, candidate in candidates
    ]
    return _judged(results, tested, arguments.level, remarks)


def _split(
    sources: list[str], targets: list[str], test: Any, folds: int
) -> tuple[Pairs, Pairs, tuple[str, ...]]:
    """Return training pairs, tested pairs, and remarks."""
    if test is not None:
        train, tested = (sources, targets), as_pairs(*check_pair(test), who="compare test")
        return train, tested, tuple(split_remarks(None, train[0], tested[0], "test sources"))
    mask = held_out_rows(len(sources), folds, None, "texts")
    train, tested = (
        ([sources[k] for k in rows], [targets[k] for k in rows])
        for rows in (np.flatnonzero(~mask), np.flatnonzero(mask))
    )
    return train, tested, tuple(split_remarks(folds, train[0], tested[0], "test sources"))


def _judged(
    results: list[CorpusResult], tested: Pairs, level: float, remarks: tuple[str, ...]
) -> TranslationComparison:
    """Test the network against its baselines, and put the scores together."""
    scores = {result.name: translation_scores(result.texts, tested[1]) for result in results}

    def make_row(result: CorpusResult, p_value: float | None) -> TranslationRow:
        score = scores[result.name]
        interval = bootstrap_interval(result.counts, corpus_bleu, level)
        return TranslationRow(
            result.name, _NOTES.get(result.name, ""), score.bleu, score.chrf, interval, p_value,
            result.fit_seconds, result.predict_seconds,
        )  # fmt: skip

    judgement = judge_corpus(results, corpus_bleu, make_row, _compared, unit="text")
    texts = {"source": tested[0], "target": tested[1]} | {r.name: r.texts for r in results}
    return TranslationComparison(
        **judgement._asdict(),
        level=level,
        signature=f"BLEU {scores[results[0].name].signature}",
        remarks=remarks,
        columns={name: np.array(each, dtype=object) for name, each in texts.items()},
    )


def _compared(network: TranslationRow, best: TranslationRow, n: int) -> str:
    return (
        f"the {network.name.upper()} has a BLEU of {network.bleu:.1f} on {quantity(n, 'text')}, the best of "
        f"the simple ones ({best.name}) {best.bleu:.1f}"
    )
