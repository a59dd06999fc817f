"""Compare a language model with a character n-gram model and gzip, on text that none was fitted on."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.documents import as_running_texts
from unrolled.errors import ArgumentError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.outcome import Outcome
from unrolled.evaluate.score_frame import score_frame
from unrolled.evaluate.sequence.verdict import MIN_SEQUENCES, CandidateLosses, sequence_verdict
from unrolled.evaluate.text.language_baselines import GzipCode, WittenBell, split_evenly
from unrolled.formatting import aligned_table, interval_text, number, p_value_text
from unrolled.models.protocols import end_if_interrupted
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.language.training import hold_out
from unrolled.record import Record
from unrolled.stats.intervals import mean_interval

Floats = NDArray[np.float64]

LANGUAGE_BASELINES: dict[str, Callable[[], Any]] = {"character n-gram": WittenBell, "gzip": GzipCode}
_TESTED_FRACTION = 0.1  # of X, where there is no test text
_BLOCK = 200  # characters of a block of a running text, at least
_MOST_BLOCKS = 200


@dataclass(frozen=True)
class LanguageRow:
    """Cost of the tested text by one candidate.

    Args:
        name: "lstm", "character n-gram" or "gzip".
        note: how the baseline was made; empty for the network.
        bits_per_character: of all of the text; an end of a document counts as a character.
        nats_per_character: the same in nats.
        interval: confidence interval of the bits at the comparison's level; NaN to NaN of a single unit.
        p_value: probability of a difference from the network this large, in this direction, if there were
            none; None for the network.
        fit_seconds: of the fit; of a model that was not fitted here as long as it took.
        predict_seconds: of the tested text.
    """

    name: str
    note: str
    bits_per_character: float
    nats_per_character: float
    interval: tuple[float, float]
    p_value: float | None
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True, eq=False)
class LanguageComparison(Record):
    """Cost of a text by a language model and its baselines, and the verdict.

    Args:
        rows: the network first, then its baselines from the best on.
        sentence: for a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of its
            baselines.
        p_value: of that; None where there are too few units.
        best_baseline: name of the one with the fewest bits.
        n_characters: tested, ends of documents counted.
        n_units: documents, or blocks of a running text, which intervals and tests take as units.
        unit: "documents" or "blocks".
        level: of the confidence intervals, in per cent.
        task: what is learned.
    """

    kind: ClassVar[str] = "language comparison"

    rows: tuple[LanguageRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    n_characters: int
    n_units: int
    unit: str
    level: float
    task: str = "texts"

    def to_frame(self) -> Any:
        """Return the rows as a frame; the interval's ends are called as in `bits_per_character-lo-95`."""
        metrics = ("bits_per_character", "nats_per_character")
        return score_frame(self.rows, metrics, self.level)

    def __str__(self) -> str:
        lines = [["model", "bits a character", f"{self.level:g} % interval", "nats", "p", "fit s", "score s"]]
        for row in self.rows:
            bits, nats = number(row.bits_per_character), number(row.nats_per_character)
            seconds = (number(value, 3) for value in (row.fit_seconds, row.predict_seconds))
            lines.append(
                [row.name, bits, interval_text(row.interval), nats, p_value_text(row.p_value), *seconds]
            )
        notes = [f"{row.name}: {row.note}." for row in self.rows if row.note]
        return "\n".join([aligned_table(lines), "", textwrap.fill(self.sentence, 100), *notes])


def compare_language(
    model: LanguageModel, X: Any, y: Any, arguments: ComparisonArguments, *, is_fitted: bool = False
) -> LanguageComparison:
    """Score a language model on a text beside a character n-gram model and gzip; see `compare`.

    Without a test text the last tenth of a running X is tested, or a tenth of its documents, drawn at random,
    and left out of the fit.

    Args:
        model: a copy of it is fitted, unless `is_fitted`.
        X: what all are fitted on: a running text or documents.
        y: None: a text is all that there is.
        arguments: of the comparison; it has no folds, groups or lengths.
        is_fitted: whether the model was fitted on X already, all of it, and is scored as it is.

    Raises:
        ArgumentError: an argument is out of range, or has no use here.
        DataError: X or the test text cannot be used as they are.
    """
    if y is not None:
        raise ArgumentError("y: a comparison of language models has no use for it. Leave it out.")
    arguments.refuse("folds", "groups", "lengths", of="language models")
    names, level = arguments.baseline_names(tuple(LANGUAGE_BASELINES)), arguments.level
    parts = _read_parts(X, arguments.test, is_fitted=is_fitted)
    fitted, fit_seconds = model, getattr(model, "seconds_", 0.0)
    if not is_fitted:
        fitted = type(model)(**model.get_params())
        fitted.fit(parts.training if parts.are_documents else parts.training[0])
        end_if_interrupted(fitted)
        fit_seconds = fitted.seconds_
    n_blocks, tested = parts.n_blocks, parts.tested
    start_s = time.perf_counter()
    costs = fitted.costs(tested)
    nats = [_model_blocks(fitted, tested, costs, n_blocks)]
    seconds, notes = [(fit_seconds, time.perf_counter() - start_s)], [""]
    for name in names:
        baseline, start_s = LANGUAGE_BASELINES[name](), time.perf_counter()
        baseline.fit(parts.training, are_documents=parts.are_documents)
        fit_s = time.perf_counter() - start_s
        nats.append(baseline.block_nats(tested, n_blocks).ravel())
        seconds.append((fit_s, time.perf_counter() - start_s - fit_s))
        notes.append(_note(baseline))
    lengths = np.repeat([cost.n_characters / n_blocks for cost in costs], n_blocks)
    unit = "documents" if parts.tested_are_documents else "blocks"
    return _compared([fitted.cell, *names], notes, nats, lengths, seconds, unit=unit, level=level)


class _Parts(NamedTuple):
    """Texts to fit on, and others to test on."""

    training: list[str]
    are_documents: bool
    tested: list[str]
    tested_are_documents: bool

    @property
    def n_blocks(self) -> int:
        """Blocks that each tested text is cut into: a running one, of at least ten times 200 characters."""
        n_characters = len(self.tested[0])
        if self.tested_are_documents or n_characters < _BLOCK * MIN_SEQUENCES:
            return 1
        return min(n_characters // _BLOCK, _MOST_BLOCKS)


def _read_parts(X: Any, test: Any, *, is_fitted: bool) -> _Parts:
    """Validate the texts; without a test text split one off."""
    training, are_documents = as_running_texts(X, who="compare X")
    if test is not None:
        return _Parts(training, are_documents, *as_running_texts(test, who="compare test"))
    if is_fitted:
        raise ArgumentError("test: a fitted model is scored on text it has not seen, got none. Pass some.")
    return _Parts(*_split(training, are_documents=are_documents))


def training_and_test(X: Any) -> tuple[Any, Any]:
    """Split a text as `compare` does: its last tenth to test on, or a tenth of the documents.

    Returns:
        Two strings of a running text, or two lists of documents.

    Raises:
        ArgumentError: the tenth is too short.
        DataError: X cannot be used as it is.

    >>> training, tested = training_and_test("to be or not to be " * 100)
    >>> len(training), len(tested)
    (1710, 190)
    """
    texts, are_documents = as_running_texts(X, who="text")
    training, _, tested, _ = _split(texts, are_documents=are_documents)
    return (training, tested) if are_documents else (training[0], tested[0])


def _split(training: list[str], *, are_documents: bool) -> tuple[list[str], bool, list[str], bool]:
    n_characters = sum(map(len, training))
    training, tested = hold_out(training, _TESTED_FRACTION, 0, are_documents=are_documents)
    if not tested:
        raise ArgumentError(
            f"test: expected some text to test on, and a tenth of {n_characters:,} characters is too short; "
            "got none. Pass test=, or a longer text."
        )
    return training, are_documents, tested, are_documents


def _note(baseline: Any) -> str:
    if isinstance(baseline, WittenBell):
        return f"Witten-Bell, {baseline.order_} characters, chosen on the training text"
    return "zlib at its highest level, behind the last 32 kB of the training text"


def _model_blocks(model: LanguageModel, texts: Sequence[str], costs: Sequence[Any], n_blocks: int) -> Floats:
    """Sum the costs of tokens over blocks: (documents * n_blocks,)."""
    if n_blocks == 1:
        return np.array([cost.nats.sum() for cost in costs])
    blocks = []
    for text, cost in zip(texts, costs, strict=True):
        lengths = [len(piece) for piece in model.codec_.tokenizer.pieces(text)]
        lengths += [1] * (len(cost.nats) - len(lengths))  # the end
        blocks.append(split_evenly(cost.nats, n_blocks, np.array(lengths)))
    return np.concatenate(blocks)


def _compared(
    names: list[str], notes: list[str], nats: list[Floats], lengths: Floats,
    seconds: list[tuple[float, float]], *, unit: str, level: float,
) -> LanguageComparison:  # fmt: skip
    """Test the first candidate against the others, on contributions of units to the mean bits a character."""
    candidates, rows = [], []
    for name, costs, times in zip(names, nats, seconds, strict=True):
        bits = costs / math.log(2)
        mean = float(bits.sum() / lengths.sum())
        values = mean + (bits - mean * lengths) * (len(lengths) / lengths.sum())
        candidates.append(CandidateLosses(name, values, number(mean), sum(times)))
    verdict = sequence_verdict(candidates[0], candidates[1:], is_labels=False, measure="bits", unit=unit)
    for k, (candidate, note, times) in enumerate(zip(candidates, notes, seconds, strict=True)):
        mean = float(candidate.losses.mean())
        rows.append(
            LanguageRow(
                name=candidate.name,
                note=note,
                bits_per_character=mean,
                nats_per_character=mean * math.log(2),
                interval=mean_interval(candidate.losses, level),
                p_value=verdict.p_values[k - 1] if k else None,
                fit_seconds=times[0],
                predict_seconds=times[1],
            )
        )
    return LanguageComparison(
        rows=(rows[0], *sorted(rows[1:], key=lambda row: row.bits_per_character)),
        sentence=verdict.sentence,
        outcome=verdict.outcome,
        p_value=verdict.p_value,
        best_baseline=verdict.best_baseline,
        n_characters=round(float(lengths.sum())),
        n_units=len(lengths),
        unit=unit,
        level=level,
    )
