"""Constraints name the parameter, what is allowed and what came; None passes where the type admits it."""

from typing import Annotated, Any

import numpy as np
import pytest

from unrolled.errors import ArgumentError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.transcription.transcriber import Transcriber
from unrolled.models.estimator import Estimator
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.parameters import (
    Boolean,
    Choice,
    Constraint,
    Device,
    FloatRange,
    IntRange,
    NotUsed,
    RandomState,
    UnusedBeside,
    Verbosity,
    draw_seed,
    parameter_constraints,
    parameter_defaults,
)
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.tagger import TextTagger
from unrolled.models.text.translation.translator import Translator

ESTIMATORS = (Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger)
UNCONSTRAINED = {"class_weight"}  # weights depend on the classes of y


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused", "message"),
    [
        (IntRange(least=1, most=9), [1, np.int8(9)], [0, 10, True, 2.0, "3"], "a whole number from 1 to 9"),
        (FloatRange(least=0, below=1), [0, 0.5, np.float32(0.1)], [1, -0.1, np.nan, True, "1"], "at least 0"),
        (Choice(("gru", "lstm")), ["gru"], ["grue", None, np.array(["gru", "lstm"])], "one of gru, lstm"),
        (
            Choice(("last", "mean"), separator="+"),
            ["last", "mean+last"],
            ["last+", "max"],
            "one of last, mean",
        ),
        (Boolean(), [True, np.False_], [1, "yes", None], "True or False"),
        (
            Verbosity(),
            [True, np.False_, 0, np.int64(2)],
            ["no", np.array([1]), np.zeros(900), 0.5, -1],
            "True, False or None",
        ),
        (Device(), ["cpu"], ["cdua", 0], "the name of one that torch can use here"),
        (NotUsed("nothing is pooled"), [], ["last"], "nothing is pooled; got 'last'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Constraint) else None,
)
def test_a_constraint_refuses_in_a_sentence(
    constraint: Constraint, allowed: list[Any], refused: list[Any], message: str
) -> None:
    """Numpy's numbers are numbers; booleans are not."""
    for value in allowed:
        constraint.check("device", value)
    for value in refused:
        with pytest.raises(ArgumentError, match=r"^device: ") as fault:
            constraint.check("device", value)
        assert message in str(fault.value)


def test_none_passes_where_the_type_admits_it() -> None:
    """The annotation says so once."""
    Smoother(window=None).check_parameters()
    with pytest.raises(ArgumentError, match="method: expected one of mean, median; got None"):
        Smoother(method=None).check_parameters()  # type: ignore[arg-type]
    assert parameter_constraints(SequenceClassifier)["max_epochs"] == (IntRange(least=1), True)
    assert parameter_constraints(SequenceClassifier)["num_layers"] == (IntRange(least=1, most=64), False)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_has_a_constraint(estimator: type[Estimator]) -> None:
    """And every default satisfies it."""
    unconstrained = set(parameter_defaults(estimator)) - set(parameter_constraints(estimator))
    assert unconstrained <= UNCONSTRAINED
    estimator().check_parameters()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_rules_name_parameters_and_values_that_exist(estimator: type[Estimator]) -> None:
    """A misspelt one would refuse nothing."""
    names = set(parameter_defaults(estimator))
    for rule in estimator.unused_rules():
        assert {*rule.names, rule.other} <= names
        for value in rule.values:
            beside = set(estimator.defaults_beside(rule.other, value))
            assert beside >= set(rule.names) if rule.only is None else not beside & set(rule.names)
            parameter_constraints(estimator)[rule.other][0].check(rule.other, value)


class Smoother(Estimator):
    """Two parameters, one of which the other makes useless."""

    _unused = (UnusedBeside(("window",), "method", ("median",), "needs none"),)

    window: Annotated[int | None, IntRange(least=1)]
    method: Annotated[str, Choice(("mean", "median"))]

    def __init__(self, window: int | None = None, method: str = "mean") -> None:
        self._store_parameters(locals())


def test_what_does_nothing_beside_another_is_refused() -> None:
    """Unless it has its default."""
    Smoother(3).check_parameters()
    Smoother(method="median").check_parameters()
    with pytest.raises(ArgumentError) as fault:
        Smoother(3, "median").check_parameters()
    assert str(fault.value) == "window: method='median' needs none; got 3. Leave it out."


def test_the_rules_of_a_base_hold_for_what_is_made_from_it() -> None:
    """Beside those of its own."""

    class Shifter(Smoother):
        _unused = (UnusedBeside(("method",), "window", (7,), "is the mean of a week"),)

    assert [rule.names for rule in Shifter.unused_rules()] == [("window",), ("method",)]
    with pytest.raises(ArgumentError, match=r"^window: method='median' needs none"):
        Shifter(3, "median").check_parameters()


@pytest.mark.parametrize("estimator", [*ESTIMATORS, AudioClassifier, TextClassifier, TextTagger, Translator])
def test_no_rule_of_an_estimator_is_repeated(estimator: type[Estimator]) -> None:
    """What it breaks would be said twice."""
    rules = [repr(rule) for rule in estimator.unused_rules()]
    assert len(rules) == len(set(rules))


def test_a_wrong_parameter_is_named_once() -> None:
    """No rule speaks of what is wrong by itself."""
    with pytest.raises(ArgumentError) as fault:
        Smoother(0, "median").check_parameters()
    assert str(fault.value) == "window: expected a whole number at least 1, got 0."
    with pytest.raises(ArgumentError) as fault:
        Smoother(3, "medain").check_parameters()
    assert str(fault.value).startswith("method: expected one of mean, median; got 'medain'.")


def test_a_wrong_parameter_is_named_where_none_makes_others_useless() -> None:
    """Its rule reads no value that was refused."""
    with pytest.raises(ArgumentError) as fault:
        Transcriber(validation_fraction=0.9).check_parameters()
    assert str(fault.value).startswith("validation_fraction: expected a number at least 0 and at most 0.5")


@pytest.mark.parametrize(
    "source", [0, 2**62, np.int64(3), None, np.random.RandomState(0), np.random.default_rng(0)]
)
def test_sources_of_seeds_are_allowed(source: Any) -> None:
    """And give a number that seeds torch and numpy."""
    RandomState().check("random_state", source)
    assert 0 <= draw_seed(source) <= 2**62


@pytest.mark.parametrize("source", [-1, 2**62 + 1, 0.5, "0", True, [1]])
def test_other_sources_of_seeds_are_refused(source: Any) -> None:
    """With the argument's name."""
    with pytest.raises(ArgumentError, match="random_state: expected a whole number"):
        RandomState().check("random_state", source)


@pytest.mark.parametrize(
    ("value", "offer"), [("none", "False"), ("off", "False"), ("auto", "True"), (1, "True")]
)
def test_a_word_for_true_or_false_is_offered_as_such(value: Any, offer: str) -> None:
    """stem='none' is meant as stem=False."""
    with pytest.raises(ArgumentError, match=rf"Did you mean stem={offer}\?$"):
        Boolean().check("stem", value)
    with pytest.raises(ArgumentError, match=r"got 'maybe'\.$"):
        Boolean().check("stem", "maybe")
