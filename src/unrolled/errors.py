"""Errors of the package, each also of a built-in class.

    UnrolledError
    ├── ArgumentError       an argument is out of range or misspelt      (also a ValueError)
    │   └── TensorError     a layer's tensor has a wrong shape or type   (also a RuntimeError, as torch's)
    ├── DataError           the data cannot be used as it is             (also a ValueError)
    │   └── DataTypeError   it holds something other than numbers        (also a TypeError)
    ├── NotFittedError      predict before fit                           (also a ValueError, AttributeError)
    ├── ModelLoadError      a saved model is missing, cut or altered     (also a ValueError)
    ├── StorageError        something could not be written               (also an OSError)
    │   └── StoreError      a store of streams cannot be used, with a code
    ├── StreamError         a stream cannot do what was asked, with a code  (also a ValueError)
    ├── TrainingError       training cannot go on                        (also a RuntimeError)
    └── MissingDependencyError  an optional part is not installed        (also an ImportError)

Each message is one sentence (or one a fault): the thing, the demand, what came, the way out. The
built-in bases are there so that code which knows nothing of unrolled can still catch them.
"""


class UnrolledError(Exception):
    """Base of every error that the package raises on purpose."""


class ArgumentError(UnrolledError, ValueError):
    """An argument has the wrong value; the message names it and says what is allowed."""


class TensorError(ArgumentError, RuntimeError):
    """A tensor of a layer has the wrong shape, dtype or device, for which torch raises RuntimeError."""


class DataError(UnrolledError, ValueError):
    """The data cannot be used as it is; the message names file, row and column where it can."""


class DataTypeError(DataError, TypeError):
    """The data holds texts, dates or other objects where numbers are meant."""


class NotFittedError(UnrolledError, ValueError, AttributeError):
    """The estimator has not been fitted yet (the bases are those of scikit-learn's own)."""


class ModelLoadError(UnrolledError, ValueError):
    """A saved model is missing a file, or a file was cut or altered."""


class StorageError(UnrolledError, OSError):
    """Something could not be written; what stood there before still stands."""


class StoreError(StorageError):
    """A store of streams cannot be used; nothing was applied, and `code` is stable."""

    def __init__(self, sentence: str, code: str = "storage_failed") -> None:
        super().__init__(sentence)
        self.code = code


class StreamError(UnrolledError, ValueError):
    """A stream cannot do what was asked; nothing has changed, and `code` is stable."""

    def __init__(self, sentence: str, code: str = "bad_input") -> None:
        super().__init__(sentence)
        self.code = code


class TrainingError(UnrolledError, RuntimeError):
    """Training cannot go on, such as when the loss is no longer finite."""


class MissingDependencyError(UnrolledError, ImportError):
    """An optional part is not installed; the message holds the exact install command."""
