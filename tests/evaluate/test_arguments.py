"""Arguments of a comparison: names of baselines, ranges, and those that a kind has no use for."""

import pytest

from unrolled.errors import ArgumentError
from unrolled.evaluate.arguments import ComparisonArguments, check_pair
from unrolled.evaluate.sequence.candidates import SEQUENCE_BASELINES

ALLOWED = SEQUENCE_BASELINES["labels"]


def test_baselines_are_all_or_those_that_are_named() -> None:
    """Each once, in the order of the call."""
    assert ComparisonArguments().baseline_names(ALLOWED) == ALLOWED
    assert ComparisonArguments(baselines="reservoir").baseline_names(ALLOWED) == ("reservoir",)
    several = ComparisonArguments(baselines=["reservoir", "MiniRocket", "reservoir"])
    assert several.baseline_names(ALLOWED) == ("reservoir", "MiniRocket")
    assert (several.is_explicit, ComparisonArguments().is_explicit) == (True, False)


@pytest.mark.parametrize(
    ("baselines", "sentence"),
    [
        (["minirocket"], r"baselines: .* got 'minirocket'\. Did you mean 'MiniRocket'\?"),
        ([], "got none: a score means nothing without one"),
        (["last step"], "got 'last step'"),
    ],
)
def test_unknown_baselines_are_refused(baselines: list[str], sentence: str) -> None:
    """With the nearest spelling; those of another task are unknown."""
    with pytest.raises(ArgumentError, match=sentence):
        ComparisonArguments(baselines=baselines).baseline_names(ALLOWED)


def test_all_faulty_arguments_are_named_at_once() -> None:
    """A line each."""
    with pytest.raises(ArgumentError) as caught:
        ComparisonArguments(folds=1, level=100, baselines=["1-NN Euclid"]).baseline_names(ALLOWED)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["folds", "level", "baselines"]


def test_arguments_without_a_use_are_refused_by_name() -> None:
    """Those that are given; others may be."""
    arguments = ComparisonArguments(folds=3, groups=[1, 2])
    arguments.refuse("lengths", of="translations")
    with pytest.raises(ArgumentError, match="groups: a comparison of translations has no use for it"):
        arguments.refuse("lengths", "groups", of="translations")


@pytest.mark.parametrize(("test", "got"), [(3, "int"), ([1, 2, 3], "3 parts"), ("ab", "str")])
def test_a_test_set_is_a_pair(test: object, got: str) -> None:
    """Of anything."""
    assert check_pair(["X", "y"]) == ("X", "y")
    with pytest.raises(ArgumentError, match=rf"test: expected a pair \(X_test, y_test\), got {got}\."):
        check_pair(test)
