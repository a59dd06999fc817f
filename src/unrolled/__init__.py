"""unrolled: from ordered data to a recurrent network, and an honest account of what it is worth.

Everything here loads when it is first used, so that `import unrolled` costs next to nothing.

>>> import unrolled as ur
>>> ur.Forecaster.__name__
'Forecaster'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unrolled.errors import (
    ArgumentError,
    DataError,
    MissingPartError,
    ModelFolderError,
    NotFittedError,
    StorageError,
    TrainingError,
    UnrolledError,
)

if TYPE_CHECKING:  # what the table below loads, told to type checkers and editors
    from unrolled import kernels, nn, probe
    from unrolled.data import examples
    from unrolled.data.describe import describe
    from unrolled.data.labelled import read_labelled
    from unrolled.data.sequences import Sequences
    from unrolled.data.tables import read
    from unrolled.evaluate.backtest import BacktestResult, backtest
    from unrolled.evaluate.comparison import Comparison, compare
    from unrolled.models.forecaster import Forecaster
    from unrolled.models.sequence_classifier import SequenceClassifier
    from unrolled.models.sequence_regressor import SequenceRegressor
    from unrolled.models.sequence_tagger import SequenceTagger

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "BacktestResult",
    "Comparison",
    "DataError",
    "Forecaster",
    "MissingPartError",
    "ModelFolderError",
    "NotFittedError",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "Sequences",
    "StorageError",
    "TrainingError",
    "UnrolledError",
    "__version__",
    "backtest",
    "compare",
    "describe",
    "examples",
    "kernels",
    "nn",
    "probe",
    "read",
    "read_labelled",
]

# name: the module that holds it, or that it is
_LAZY = {
    "BacktestResult": "unrolled.evaluate.backtest",
    "Comparison": "unrolled.evaluate.comparison",
    "Forecaster": "unrolled.models.forecaster",
    "SequenceClassifier": "unrolled.models.sequence_classifier",
    "SequenceRegressor": "unrolled.models.sequence_regressor",
    "SequenceTagger": "unrolled.models.sequence_tagger",
    "Sequences": "unrolled.data.sequences",
    "backtest": "unrolled.evaluate.backtest",
    "compare": "unrolled.evaluate.comparison",
    "describe": "unrolled.data.describe",
    "examples": "unrolled.data.examples",
    "kernels": "unrolled.kernels",
    "nn": "unrolled.nn",
    "probe": "unrolled.probe",
    "read": "unrolled.data.tables",
    "read_labelled": "unrolled.data.labelled",
}
_MODULES = {"examples", "kernels", "nn", "probe"}


def __getattr__(name: str) -> Any:
    """Load a public name on first use and keep it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")
    module = import_module(_LAZY[name])
    globals()[name] = module if name in _MODULES else getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
