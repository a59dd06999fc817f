"""Backtests and comparisons: a model beside simple ones, from the same splits, with a verdict.

    backtest       forecasts from rolling origins, beside BASELINES, in METRICS; of frames, beside
                   FRAME_BASELINES
    compare        estimators of whole sequences, beside SEQUENCE_BASELINES; of clips, beside
                   VIDEO_BASELINES; of recordings, beside AUDIO_BASELINES or TRANSCRIPTION_BASELINES; of
                   texts, beside TEXT_BASELINES, TAG_BASELINES, TRANSLATION_BASELINES and LANGUAGE_BASELINES
    has_lookahead  does a forecast change with what comes after its origin?

>>> from unrolled import evaluate
>>> evaluate.METRICS
('mae', 'rmse', 'mase', 'smape', 'crps', 'coverage')
"""

from typing import TYPE_CHECKING

from unrolled.lazy import lazy_attributes

if TYPE_CHECKING:  # the table below, for type checkers and editors
    from unrolled.evaluate.audio.classification import AUDIO_BASELINES
    from unrolled.evaluate.audio.transcription import TranscriptionComparison
    from unrolled.evaluate.audio.transcription_baselines import TRANSCRIPTION_BASELINES
    from unrolled.evaluate.comparison import compare
    from unrolled.evaluate.forecasting.backtest import BacktestResult, backtest, has_lookahead
    from unrolled.evaluate.forecasting.baselines import BASELINES
    from unrolled.evaluate.forecasting.frame_backtest import FrameBacktest
    from unrolled.evaluate.forecasting.frame_baselines import FRAME_BASELINES
    from unrolled.evaluate.forecasting.metrics import METRICS
    from unrolled.evaluate.forecasting.verdict import Verdict
    from unrolled.evaluate.sequence.candidates import SEQUENCE_BASELINES
    from unrolled.evaluate.sequence.result import Comparison, ComparisonRow
    from unrolled.evaluate.text.classification import TAG_BASELINES, TEXT_BASELINES
    from unrolled.evaluate.text.language import LANGUAGE_BASELINES, LanguageComparison
    from unrolled.evaluate.text.translation import TranslationComparison
    from unrolled.evaluate.text.translation_baselines import TRANSLATION_BASELINES
    from unrolled.evaluate.video.classification import VIDEO_BASELINES

__all__ = [
    "AUDIO_BASELINES",
    "BASELINES",
    "FRAME_BASELINES",
    "LANGUAGE_BASELINES",
    "METRICS",
    "SEQUENCE_BASELINES",
    "TAG_BASELINES",
    "TEXT_BASELINES",
    "TRANSCRIPTION_BASELINES",
    "TRANSLATION_BASELINES",
    "VIDEO_BASELINES",
    "BacktestResult",
    "Comparison",
    "ComparisonRow",
    "FrameBacktest",
    "LanguageComparison",
    "TranscriptionComparison",
    "TranslationComparison",
    "Verdict",
    "backtest",
    "compare",
    "has_lookahead",
]

_SOURCES = {
    "AUDIO_BASELINES": "unrolled.evaluate.audio.classification",
    "BASELINES": "unrolled.evaluate.forecasting.baselines",
    "FRAME_BASELINES": "unrolled.evaluate.forecasting.frame_baselines",
    "FrameBacktest": "unrolled.evaluate.forecasting.frame_backtest",
    "LANGUAGE_BASELINES": "unrolled.evaluate.text.language",
    "LanguageComparison": "unrolled.evaluate.text.language",
    "METRICS": "unrolled.evaluate.forecasting.metrics",
    "SEQUENCE_BASELINES": "unrolled.evaluate.sequence.candidates",
    "TAG_BASELINES": "unrolled.evaluate.text.classification",
    "TEXT_BASELINES": "unrolled.evaluate.text.classification",
    "TRANSCRIPTION_BASELINES": "unrolled.evaluate.audio.transcription_baselines",
    "VIDEO_BASELINES": "unrolled.evaluate.video.classification",
    "TRANSLATION_BASELINES": "unrolled.evaluate.text.translation_baselines",
    "BacktestResult": "unrolled.evaluate.forecasting.backtest",
    "Comparison": "unrolled.evaluate.sequence.result",
    "ComparisonRow": "unrolled.evaluate.sequence.result",
    "TranscriptionComparison": "unrolled.evaluate.audio.transcription",
    "TranslationComparison": "unrolled.evaluate.text.translation",
    "Verdict": "unrolled.evaluate.forecasting.verdict",
    "backtest": "unrolled.evaluate.forecasting.backtest",
    "compare": "unrolled.evaluate.comparison",
    "has_lookahead": "unrolled.evaluate.forecasting.backtest",
}

__getattr__, __dir__ = lazy_attributes(__name__, _SOURCES)
