"""Every error of the package has one base, and a built-in one for code that knows nothing of it."""

import pytest

from unrolled import errors

BASES = {
    "ArgumentError": (ValueError,),
    "TensorError": (errors.ArgumentError, ValueError, RuntimeError),
    "DataError": (ValueError,),
    "DataTypeError": (errors.DataError, ValueError, TypeError),
    "NotFittedError": (ValueError, AttributeError),
    "ModelLoadError": (ValueError,),
    "StorageError": (OSError,),
    "StoreError": (errors.StorageError, OSError),
    "StreamError": (ValueError,),
    "TrainingError": (RuntimeError,),
    "MissingDependencyError": (ImportError,),
}


def _public() -> dict[str, type]:
    return {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_the_list_is_complete() -> None:
    """A new error is added here and to the tree at the module's top."""
    assert set(_public()) == {*BASES, "UnrolledError"}
    assert all(name in (errors.__doc__ or "") for name in _public())


@pytest.mark.parametrize("name", BASES)
def test_each_is_caught_by_its_built_in_base(name: str) -> None:
    """And by UnrolledError."""
    kind = getattr(errors, name)
    assert issubclass(kind, (errors.UnrolledError,))
    assert all(issubclass(kind, base) for base in BASES[name])
    assert str(kind("a sentence.")) == "a sentence."
