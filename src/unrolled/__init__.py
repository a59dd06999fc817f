"""unrolled: from ordered data to a recurrent network, and an honest account of what it is worth.

Everything here loads when it is first used, so that `import unrolled` costs next to nothing.

>>> import unrolled as ur
>>> ur.Forecaster.__name__
'Forecaster'
"""

from typing import TYPE_CHECKING

from unrolled.errors import (
    ArgumentError,
    DataError,
    MissingDependencyError,
    ModelLoadError,
    NotFittedError,
    StorageError,
    TrainingError,
    UnrolledError,
)
from unrolled.lazy import lazy_attributes

if TYPE_CHECKING:  # the table below, for type checkers and editors
    from unrolled import evaluate, kernels, nn, probe, stream
    from unrolled.data.audio.log_mel import LogMel, log_mel
    from unrolled.data.audio.read import read_recordings
    from unrolled.data.audio.recording import Recording
    from unrolled.data.describe.analyse import describe
    from unrolled.data.describe.description import Description
    from unrolled.data.io import examples
    from unrolled.data.io.read import read
    from unrolled.data.labelled.read import Labelled, read_labelled
    from unrolled.data.sequences import Role, Sequences
    from unrolled.data.text.conll import read_tagged
    from unrolled.data.text.pairs import read_pairs
    from unrolled.data.text.read import read_texts
    from unrolled.data.video.read import read_videos
    from unrolled.evaluate.comparison import compare
    from unrolled.evaluate.forecasting.backtest import BacktestResult, backtest
    from unrolled.evaluate.sequence.result import Comparison
    from unrolled.models.audio.classifier import AudioClassifier
    from unrolled.models.audio.transcription.transcriber import Transcriber
    from unrolled.models.forecasting.forecaster import Forecaster
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.regressor import SequenceRegressor
    from unrolled.models.sequence.tagger import SequenceTagger
    from unrolled.models.streaming.streams import Streams
    from unrolled.models.text.classifier import TextClassifier
    from unrolled.models.text.language.language_model import LanguageModel
    from unrolled.models.text.tagger import TextTagger
    from unrolled.models.text.translation.translator import Translator
    from unrolled.models.video.forecaster import FrameForecaster
    from unrolled.record import Record
    from unrolled.train.history import History

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "AudioClassifier",
    "BacktestResult",
    "Comparison",
    "DataError",
    "Description",
    "Forecaster",
    "FrameForecaster",
    "History",
    "Labelled",
    "LanguageModel",
    "LogMel",
    "MissingDependencyError",
    "ModelLoadError",
    "NotFittedError",
    "Record",
    "Recording",
    "Role",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "Sequences",
    "StorageError",
    "Streams",
    "TextClassifier",
    "TextTagger",
    "TrainingError",
    "Transcriber",
    "Translator",
    "UnrolledError",
    "__version__",
    "backtest",
    "compare",
    "describe",
    "evaluate",
    "examples",
    "kernels",
    "log_mel",
    "nn",
    "probe",
    "read",
    "read_labelled",
    "read_pairs",
    "read_recordings",
    "read_tagged",
    "read_texts",
    "read_videos",
    "stream",
]

_SOURCES = {  # public name: the module that holds it, or that it is
    "AudioClassifier": "unrolled.models.audio.classifier",
    "BacktestResult": "unrolled.evaluate.forecasting.backtest",
    "Comparison": "unrolled.evaluate.sequence.result",
    "Description": "unrolled.data.describe.description",
    "Forecaster": "unrolled.models.forecasting.forecaster",
    "FrameForecaster": "unrolled.models.video.forecaster",
    "History": "unrolled.train.history",
    "Labelled": "unrolled.data.labelled.read",
    "LanguageModel": "unrolled.models.text.language.language_model",
    "LogMel": "unrolled.data.audio.log_mel",
    "Record": "unrolled.record",
    "Recording": "unrolled.data.audio.recording",
    "Role": "unrolled.data.sequences",
    "SequenceClassifier": "unrolled.models.sequence.classifier",
    "SequenceRegressor": "unrolled.models.sequence.regressor",
    "SequenceTagger": "unrolled.models.sequence.tagger",
    "Sequences": "unrolled.data.sequences",
    "Streams": "unrolled.models.streaming.streams",
    "TextClassifier": "unrolled.models.text.classifier",
    "TextTagger": "unrolled.models.text.tagger",
    "Transcriber": "unrolled.models.audio.transcription.transcriber",
    "Translator": "unrolled.models.text.translation.translator",
    "backtest": "unrolled.evaluate.forecasting.backtest",
    "compare": "unrolled.evaluate.comparison",
    "describe": "unrolled.data.describe.analyse",
    "evaluate": "unrolled.evaluate",
    "examples": "unrolled.data.io.examples",
    "kernels": "unrolled.kernels",
    "log_mel": "unrolled.data.audio.log_mel",
    "nn": "unrolled.nn",
    "probe": "unrolled.probe",
    "read": "unrolled.data.io.read",
    "read_labelled": "unrolled.data.labelled.read",
    "read_recordings": "unrolled.data.audio.read",
    "read_pairs": "unrolled.data.text.pairs",
    "read_tagged": "unrolled.data.text.conll",
    "read_texts": "unrolled.data.text.read",
    "read_videos": "unrolled.data.video.read",
    "stream": "unrolled.stream",
}

__getattr__, __dir__ = lazy_attributes(__name__, _SOURCES)
