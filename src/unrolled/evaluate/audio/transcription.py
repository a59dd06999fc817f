"""Compare a Transcriber with simple transcripts of the same recordings, by word error rate, with a verdict.

The word error rate of a set is that of its sums of errors and words. Intervals draw recordings anew, tests
swap the transcripts of two candidates recording by recording; see `unrolled.evaluate.corpus`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from unrolled.data.audio.error_rates import error_counts, error_rates
from unrolled.data.audio.recording import RecordingList
from unrolled.data.io.frames import to_frame
from unrolled.data.io.targets import as_groups
from unrolled.evaluate.arguments import DEFAULT_FOLDS, ComparisonArguments
from unrolled.evaluate.audio.classification import NO_SPEAKERS, recordings_of_test, speakers_across
from unrolled.evaluate.audio.transcription_baselines import TRANSCRIPTION_BASELINES
from unrolled.evaluate.corpus import CorpusResult, held_out_rows, judge_corpus, run_candidate, split_remarks
from unrolled.evaluate.outcome import Outcome
from unrolled.evaluate.score_frame import score_frame
from unrolled.formatting import aligned_table, number, p_value_text, percent, quantity
from unrolled.models.audio.inputs import AudioInputs, read_audio_inputs, require_targets
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.audio.transcription.transcripts import as_transcripts
from unrolled.record import Record
from unrolled.stats.intervals import bootstrap_interval

Floats = NDArray[np.float64]
Transcribed = tuple[RecordingList, list[str]]


@dataclass(frozen=True)
class TranscriptionRow:
    """Scores of one candidate.

    Args:
        name: "gru", "commonest transcript", ...
        word_error_rate: of the tested recordings.
        character_error_rate: likewise.
        exact: share of the recordings without an error.
        interval: confidence interval of the word error rate, at the comparison's level.
        p_value: probability of a difference from the network this large, in this direction, if there were
            none; None for the network.
        fit_seconds: of its fit.
        predict_seconds: of the test recordings.
    """

    name: str
    word_error_rate: float
    character_error_rate: float
    exact: float
    interval: tuple[float, float]
    p_value: float | None
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True, eq=False)
class TranscriptionComparison(Record):
    """Scores of all candidates on the same recordings, and the verdict.

    Args:
        rows: the network first, then its baselines from the best on.
        sentence: for a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of
            its baselines.
        p_value: of that; None where there are too few.
        best_baseline: name of the one with the lowest word error rate.
        n_sequences: recordings tested.
        level: of the confidence intervals, in per cent.
        remarks: what to know when reading the table, a sentence each.
        columns: a row a tested recording: its name, its transcript, and what each candidate wrote.
        unit: what is counted.
        task: what is learned.
    """

    kind: ClassVar[str] = "transcription comparison"
    _not_in_dict = frozenset({"columns"})

    rows: tuple[TranscriptionRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    n_sequences: int
    level: float
    remarks: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    unit: str = "recordings"
    task: str = "transcripts"

    @property
    def predictions(self) -> Any:
        """Frame of recording, transcript and what each candidate wrote, a row a tested recording."""
        return to_frame(self.columns, "pandas")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores; the first is the one with an interval."""
        return ("word_error_rate", "character_error_rate", "exact")

    def to_frame(self) -> Any:
        """Return the rows as a frame; the interval's ends are called as in `word_error_rate-lo-95`."""
        return score_frame(self.rows, self.metrics, self.level, texts=("name",))

    def __str__(self) -> str:
        header = ["model", "word errors", f"{self.level:g} % interval", "characters", "exact", "p"]
        lines = [[*header, "fit s", "predict s"]]
        for row in self.rows:
            rates = [percent(rate, 1) for rate in (row.word_error_rate, *row.interval)]
            shares = [percent(share, 1) for share in (row.character_error_rate, row.exact)]
            seconds = [number(value, 3) for value in (row.fit_seconds, row.predict_seconds)]
            interval = f"{rates[1]} to {rates[2]}"
            lines.append([row.name, rates[0], interval, *shares, p_value_text(row.p_value), *seconds])
        return "\n".join([aligned_table(lines), "", textwrap.fill(self.sentence, 100), *self.remarks])


def compare_transcripts(
    model: Transcriber, X: Any, y: Any, arguments: ComparisonArguments, *, fitted: Transcriber | None = None
) -> TranscriptionComparison:
    """Score a Transcriber beside simple transcripts; see `compare`.

    Without a test set one part in as many as there are folds is held out, once; of groups whole ones.

    Args:
        model: a copy of it is fitted.
        X: N recordings, as for `fit`.
        y: N transcripts; None for those of a table.
        arguments: of the comparison; it has no lengths.
        fitted: a copy of the model that was fitted on X and y already, which then is not fitted again.

    Raises:
        ArgumentError: an argument is out of range, or has no use here.
        DataError: X, y or the test set cannot be used as they are.
        KeyboardInterrupt: Ctrl-C ended the training.
        MissingDependencyError: a file needs soundfile, which is not installed.
    """
    arguments.refuse("lengths", of="recordings")
    names = arguments.baseline_names(tuple(TRANSCRIPTION_BASELINES))
    model.check_parameters()
    inputs = _read(model, X, y, arguments.groups, model.rate, "compare")
    train, tested, remarks = _split(model, inputs, arguments)
    candidates = [
        (model.cell, fitted or clone(model)),
        *((name, TRANSCRIPTION_BASELINES[name]()) for name in names),
    ]
    results = [
        run_candidate(name, candidate, train, tested, error_counts, is_fitted=candidate is fitted)
        for name, candidate in candidates
    ]
    return _judged(results, tested, arguments.level, remarks)


def _read(model: Transcriber, X: Any, y: Any, groups: Any, rate: int | None, who: str) -> AudioInputs:
    inputs = read_audio_inputs(
        X, y, groups, who=f"{who} X", rate=rate, resample=bool(model.resample), transcripts=True
    )
    texts = as_transcripts(
        require_targets(inputs.y, f"{who} y", transcripts=True), len(inputs.recordings), f"{who} y"
    )
    return inputs._replace(y=texts)


def _split(
    model: Transcriber, inputs: AudioInputs, arguments: ComparisonArguments
) -> tuple[Transcribed, Transcribed, list[str]]:
    """Return training and tested recordings with their transcripts, and remarks."""
    remarks, folds, groups = list(inputs.recordings.notes), None, inputs.groups
    if arguments.test is not None:
        X, y = recordings_of_test(arguments.test)
        other = _read(model, X, y, None, inputs.recordings.rate, "compare test")
        train, tested = (inputs.recordings, inputs.y), (other.recordings, other.y)
        remarks += speakers_across(groups, other.groups)
    else:
        folds, n = arguments.folds or DEFAULT_FOLDS, len(inputs.recordings)
        mask = held_out_rows(n, folds, None if groups is None else as_groups(groups, n), "recordings")
        train, tested = (_part(inputs, rows) for rows in (np.flatnonzero(~mask), np.flatnonzero(mask)))
        remarks += [NO_SPEAKERS] if groups is None else []
    return train, tested, remarks + split_remarks(folds, train[1], tested[1], "tested transcripts")


def _part(inputs: AudioInputs, rows: NDArray[np.int64]) -> Transcribed:
    items = tuple(inputs.recordings[int(row)] for row in rows)
    return RecordingList(items, inputs.recordings.rate), [inputs.y[row] for row in rows]


def _accuracy(sums: Floats) -> Floats:
    """Return less the word error rate (...,) of sums (..., 4) of `error_counts`: more is better."""
    return np.asarray(-sums[..., 0] / np.maximum(sums[..., 1], 1))


def _judged(
    results: Sequence[CorpusResult], tested: Transcribed, level: float, remarks: list[str]
) -> TranscriptionComparison:
    """Test the network against its baselines, and put the scores together."""
    recordings, texts = tested
    judgement = judge_corpus(
        results, _accuracy, lambda result, p: _row(result, texts, level, p), _compared, unit="recording"
    )
    names = [recording.name for recording in recordings]
    columns = {"recording": names, "transcript": texts} | {r.name: r.texts for r in results}
    return TranscriptionComparison(
        **judgement._asdict(),
        level=level,
        remarks=tuple(remarks),
        columns={name: np.array(each, dtype=object) for name, each in columns.items()},
    )


def _row(result: CorpusResult, texts: list[str], level: float, p_value: float | None) -> TranscriptionRow:
    rates = error_rates(result.texts, texts)
    low, high = bootstrap_interval(result.counts, _accuracy, level)
    return TranscriptionRow(
        result.name, rates.word_error_rate, rates.character_error_rate, rates.n_right / rates.n_texts,
        (-high, -low), p_value, result.fit_seconds, result.predict_seconds,
    )  # fmt: skip


def _compared(network: TranscriptionRow, best: TranscriptionRow, n: int) -> str:
    return (
        f"the {network.name.upper()} has {percent(network.word_error_rate, 1)} of the words wrong on "
        f"{quantity(n, 'recording')}, the best of the simple ones ({best.name}) "
        f"{percent(best.word_error_rate, 1)}"
    )
