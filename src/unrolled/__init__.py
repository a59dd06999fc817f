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
    MissingDependencyError,
    ModelLoadError,
    NotFittedError,
    StorageError,
    TrainingError,
    UnrolledError,
)

if TYPE_CHECKING:  # what the table below loads, told to type checkers and editors
    from unrolled import kernels, nn, probe
    from unrolled.data.describe.analyse import describe
    from unrolled.data.io import examples
    from unrolled.data.io.labelled import read_labelled
    from unrolled.data.io.read import read
    from unrolled.data.sequences import Sequences
    from unrolled.evaluate.forecasting.backtest import BacktestResult, backtest
    from unrolled.evaluate.sequence.compare import Comparison, compare
    from unrolled.models.forecasting.forecaster import Forecaster
    from unrolled.models.sequence.classifier import SequenceClassifier
    from unrolled.models.sequence.regressor import SequenceRegressor
    from unrolled.models.sequence.tagger import SequenceTagger

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "BacktestResult",
    "Comparison",
    "DataError",
    "Forecaster",
    "MissingDependencyError",
    "ModelLoadError",
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
    "BacktestResult": "unrolled.evaluate.forecasting.backtest",
    "Comparison": "unrolled.evaluate.sequence.compare",
    "Forecaster": "unrolled.models.forecasting.forecaster",
    "SequenceClassifier": "unrolled.models.sequence.classifier",
    "SequenceRegressor": "unrolled.models.sequence.regressor",
    "SequenceTagger": "unrolled.models.sequence.tagger",
    "Sequences": "unrolled.data.sequences",
    "backtest": "unrolled.evaluate.forecasting.backtest",
    "compare": "unrolled.evaluate.sequence.compare",
    "describe": "unrolled.data.describe.analyse",
    "examples": "unrolled.data.io.examples",
    "kernels": "unrolled.kernels",
    "nn": "unrolled.nn",
    "probe": "unrolled.probe",
    "read": "unrolled.data.io.read",
    "read_labelled": "unrolled.data.io.labelled",
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
