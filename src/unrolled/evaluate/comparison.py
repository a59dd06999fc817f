"""Compare an estimator with baselines on the same data, with a verdict: sequences, recordings and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Never, overload

from unrolled.data.clips import holds_clips
from unrolled.errors import ArgumentError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.audio.classification import compare_recordings
from unrolled.evaluate.audio.transcription import TranscriptionComparison, compare_transcripts
from unrolled.evaluate.sequence.compare import compare_sequences
from unrolled.evaluate.sequence.result import Comparison
from unrolled.evaluate.text.classification import compare_texts
from unrolled.evaluate.text.language import LanguageComparison, compare_language
from unrolled.evaluate.text.translation import TranslationComparison, compare_translations
from unrolled.evaluate.video.classification import compare_videos
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.models.text.base import TextEstimator
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.translation.translator import Translator

AnyComparison = Comparison | TranscriptionComparison | TranslationComparison | LanguageComparison


@overload
def compare(
    model: Translator, X: Any, y: Any, *, test: Any = ..., folds: int | None = ..., groups: Any = ...,
    lengths: Any = ..., baselines: Sequence[str] | None = ..., level: float = ...,
) -> TranslationComparison: ...  # fmt: skip
@overload
def compare(
    model: Transcriber, X: Any, y: Any = ..., *, test: Any = ..., folds: int | None = ..., groups: Any = ...,
    lengths: Any = ..., baselines: Sequence[str] | None = ..., level: float = ...,
) -> TranscriptionComparison: ...  # fmt: skip
@overload
def compare(
    model: LanguageModel, X: Any, *, test: Any = ..., baselines: Any = ..., level: float = ...
) -> LanguageComparison: ...  # fmt: skip
@overload
def compare(
    model: Any, X: Any, y: Any, *, test: Any = ..., folds: int | None = ..., groups: Any = ...,
    lengths: Any = ..., baselines: Sequence[str] | None = ..., level: float = ...,
) -> Comparison: ...  # fmt: skip
def compare(
    model: Any, X: Any, y: Any = None, *, test: Any = None, folds: int | None = None, groups: Any = None,
    lengths: Any = None, baselines: Sequence[str] | None = None, level: float = 95,
) -> AnyComparison:  # fmt: skip
    """Score an estimator beside baselines on the same data, and test whether it is better.

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

    Where X is clips of frames, the same estimator on the middle frame alone, on the mean frame, and on
    frames whose order is lost stand beside, and a reservoir.

    Beside a TextClassifier stand the majority class and a logistic regression on TF-IDF, of words and of
    words and characters; beside a TextTagger the most frequent tag of each word, and a logistic regression on
    a word with its affixes and neighbours. Of a tagger every word counts, sentences being the units of
    intervals and tests.

    Beside an AudioClassifier stand the majority class, the neighbours, MiniRocket and the reservoir on its
    frames. Without `groups`, the speakers, a remark says that the scores are those of voices it has heard.

    Beside a Transcriber stand the commonest transcript and that of the nearest training recording; word error
    rates are compared, recordings are what intervals draw and tests swap. Without a test set one part in
    `folds` is held out, once, whole groups where there are some.

    Beside a Translator stand the source as it is, its words one by one (IBM model 1), and the translation of
    the nearest training source. BLEU is compared; sentences are what intervals draw and tests swap. Without
    a test set one part in `folds` is held out, once.

    Beside a LanguageModel, which is given a text and no y, stand a character n-gram model and gzip, in bits a
    character of `test`, a text or documents, or of a tenth of X; there are no folds. Units of intervals and
    tests are documents, or blocks of a running text.

    Args:
        model: a SequenceClassifier, SequenceRegressor, AudioClassifier, Transcriber, TextClassifier,
            TextTagger, Translator, LanguageModel, or an estimator of scikit-learn's kind; copies of it are
            fitted here.
        X: N sequences or clips, as for SequenceClassifier, N texts or N recordings. Where the model reads
            gaps (`missing=`), baselines that do not are given a line between known values.
        y: N labels, or numbers if the model is a regressor, or lists of tags if it is a tagger.
        test: (X_test, y_test), never fitted on, or (X_test, y_test, lengths_test) where its arrays are
            padded; None for cross-validation.
        folds: of the cross-validation, stratified by class; None for 5, or one a group where there are fewer.
            Of a Transcriber or a Translator one fold is tested.
        groups: N names; sequences of one group (a speaker, a patient) are tested in the same fold, and
            groups are the units of intervals and tests. With a test set they only keep groups together
            where an estimator holds out validation data. None: sequences that repeat another exactly are
            grouped with it, and a remark says so.
        lengths: N steps of each sequence of X, where arrays are padded; NaN at a sequence's end needs none.
        baselines: some of those above by name (`unrolled.evaluate.SEQUENCE_BASELINES`, `VIDEO_BASELINES`,
            `AUDIO_BASELINES`, `TRANSCRIPTION_BASELINES`, of texts `TEXT_BASELINES`, `TAG_BASELINES`,
            `TRANSLATION_BASELINES` and `LANGUAGE_BASELINES`); None for all.
        level: of the confidence intervals, in per cent.

    Raises:
        ArgumentError: an argument is out of range.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, a Translator sacrebleu, or a file
            soundfile, and it is not installed.

    >>> import numpy as np
    >>> import unrolled as ur
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 8)), np.repeat([0, 1], 30)
    >>> X[y == 1] += np.linspace(-2, 2, 8)
    >>> result = compare(ur.SequenceClassifier(hidden_size=4, max_epochs=2), X, y, folds=2,
    ...                  baselines=["majority class", "1-NN Euclidean"])
    >>> result.rows[0].name, result.n_sequences, result.best_baseline
    ('gru', 60, '1-NN Euclidean')
    """
    arguments = ComparisonArguments(test, folds, groups, lengths, baselines, level)
    return _comparison_of(model, X)(model, X, y, arguments)


def _refuse_tagger(*_: Any) -> Never:
    raise ArgumentError(
        "model: expected an estimator with one prediction a sequence, got a SequenceTagger. "
        "Score it with its own score(X, y)."
    )


# The first class that a model, or the last step of its pipeline, is an instance of decides; all others are
# compared as estimators of clips or of other sequences, as X is.
_COMPARISONS: tuple[tuple[type, Callable[..., AnyComparison]], ...] = (
    (Translator, compare_translations),
    (LanguageModel, compare_language),
    (TextEstimator, compare_texts),
    (AudioClassifier, compare_recordings),
    (Transcriber, compare_transcripts),
    (SequenceTagger, _refuse_tagger),
)


def _comparison_of(model: Any, X: Any) -> Callable[..., AnyComparison]:
    """Return the function that compares such a model on such data."""
    estimator = model[-1] if hasattr(model, "named_steps") else model
    kinds = (function for kind, function in _COMPARISONS if isinstance(estimator, kind))
    return next(kinds, compare_videos if holds_clips(X) else compare_sequences)
