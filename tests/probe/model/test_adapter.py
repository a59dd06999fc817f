"""Estimators and modules become probed models with the same outputs, or are refused."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError, DataError, NotFittedError, UnrolledError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.probe import length, memory, order, states
from unrolled.probe.model.adapter import as_probed_model

from .conftest import LABELS, RAGGED, Ends, Last, Steps


def test_a_single_output_for_zero_and_one_is_a_logit() -> None:
    """Its loss is the log loss of a sigmoid, even where it lies between 0 and 1."""
    module = Last(answers=1)
    nn.init.constant_(module.head.bias, 0.5)
    probed = as_probed_model(module, RAGGED, [0, 1, 1, 0, 1])
    assert probed.task == "class"
    with torch.no_grad():
        module.eval()
        raw = torch.cat([module(torch.from_numpy(sequence[None]).float()) for sequence in RAGGED])[:, 0]
    expected = nn.functional.binary_cross_entropy_with_logits(
        raw, torch.tensor([0.0, 1, 1, 0, 1]), reduction="none"
    )
    np.testing.assert_allclose(probed.score().losses, expected, rtol=1e-5)


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("end", [nn.Softmax(-1), nn.LogSoftmax(-1)])
def test_probabilities_and_their_logarithms_are_recognised(end: nn.Module, *, per_step: bool) -> None:
    """Outputs, losses and gradients equal those of the logits."""
    y = [np.arange(len(sequence)) % 3 for sequence in RAGGED] if per_step else [0, 1, 2, 1, 0]
    plain = Ends(nn.Identity(), per_step=per_step)
    result = Ends(end, per_step=per_step)
    result.load_state_dict(plain.state_dict())
    probed, expected = (as_probed_model(module, RAGGED, y) for module in (result, plain))
    np.testing.assert_allclose(probed.score().losses, expected.score().losses, rtol=1e-5)
    for each in (probed, expected):
        each.losses(each.outputs()).sum().backward()
    torch.testing.assert_close(result.core.weight_hh_l0.grad, plain.core.weight_hh_l0.grad)
    assert memory(result, RAGGED).gradient == pytest.approx(memory(plain, RAGGED).gradient, rel=1e-3)


def test_logits_are_taken_for_probabilities_only_where_all_are_like_them() -> None:
    """One sequence whose answers do not sum to 1 shows that they are none; so does one below 0."""

    class Mixed(Ends):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + (0.01 if x.shape[1] == 1 else 0.0)

    for module in (Mixed(nn.Softmax(-1)), Ends(lambda logits: logits.softmax(-1) * 30 - 29 / 3)):
        probed = as_probed_model(module, RAGGED)
        with torch.no_grad():
            raw = probed.call(module.eval(), probed.values, probed.lengths, torch.arange(5))
            torch.testing.assert_close(probed.outputs(), raw.log_softmax(-1))


def test_a_single_output_for_other_numbers_is_a_number() -> None:
    """Its loss is the squared error."""
    module = Last(answers=1).double()
    y = np.array([0.5, 1, 1, 0, 2])
    probed = as_probed_model(module, RAGGED, y)
    assert probed.task == "number"
    scores = probed.score()
    np.testing.assert_allclose(scores.losses, (scores.predictions[:, 0] - y) ** 2, rtol=1e-5)


def test_outputs_of_a_classifier_are_its_log_probabilities() -> None:
    """Those of an ensemble, averaged as the classifier averages them."""
    model = ur.SequenceClassifier(hidden_size=4, max_epochs=2, n_members=2).fit(RAGGED, LABELS)
    probed = as_probed_model(model, RAGGED, LABELS)
    shares = probed.outputs().exp().detach().numpy()
    np.testing.assert_allclose(shares, model.predict_proba(RAGGED), atol=1e-6)
    scores = probed.score()
    assert (scores.predictions == model.predict(RAGGED)).all()
    assert scores.accuracies.mean() == model.score(RAGGED, LABELS)


def test_outputs_of_a_regressor_are_its_predictions() -> None:
    """In the units of y, not in those it was trained in."""
    y = np.array([100.0, 250, 90, 80, 300])
    model = ur.SequenceRegressor(hidden_size=4, max_epochs=2, n_members=2).fit(RAGGED, y)
    scores = as_probed_model(model, RAGGED, y).score()
    np.testing.assert_allclose(scores.predictions[:, 0], model.predict(RAGGED), rtol=1e-5)
    np.testing.assert_allclose(scores.losses, (model.predict(RAGGED) - y) ** 2, rtol=1e-4)


def test_accuracies_of_a_tagger_are_those_of_its_predictions() -> None:
    """Sequence by sequence."""
    y = [np.where(sequence[:, 0] > 0, "up", "down") for sequence in RAGGED]
    model = ur.SequenceTagger(hidden_size=4, max_epochs=2).fit(RAGGED, y)
    right = [float((result == tags).mean()) for result, tags in zip(model.predict(RAGGED), y, strict=True)]
    np.testing.assert_allclose(as_probed_model(model, RAGGED, y).score().accuracies, right, rtol=1e-6)


class Endless(Last):
    """Of a sequence of one length it says nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (float("nan") if x.shape[1] == len(RAGGED[2]) else 1.0)


def _fitted() -> ur.SequenceClassifier:
    return ur.SequenceClassifier(hidden_size=2, max_epochs=1).fit(RAGGED, LABELS)


@pytest.mark.parametrize(
    ("ask", "error", "sentence"),
    [
        (
            lambda: as_probed_model("gru", RAGGED, caller="order"),
            UnrolledError,
            "order: expected a fitted model",
        ),
        (lambda: as_probed_model(ur.SequenceClassifier, RAGGED), UnrolledError, "got type"),
        (lambda: as_probed_model(ur.SequenceClassifier(), RAGGED), NotFittedError, "not fitted yet"),
        (
            lambda: as_probed_model(_fitted(), RAGGED, ["a", "b"]),
            DataError,
            "one a sequence, 5 in all; got 2",
        ),
        (lambda: as_probed_model(_fitted(), RAGGED, [*"abac", "a"]), DataError, "(a, b), got 'c'"),
        (lambda: as_probed_model(Last(), RAGGED, [0, 1, 2, 3, 0]), DataError, "(0, 1, 2), got 3"),
        (lambda: as_probed_model(Last(), []), DataError, "probe X"),
        (lambda: as_probed_model(Last(), RAGGED, LABELS), DataError, "got 'b'. Give np.unique"),
        (
            lambda: as_probed_model(Last(2), RAGGED, [0.5] * 5),
            DataError,
            "2 numbers each, one an output; got 1",
        ),
        (lambda: as_probed_model(_fitted(), RAGGED, 3), DataError, "5 in all; got 3"),
        (lambda: as_probed_model(_fitted(), RAGGED, [*"aaaa", 1]), DataError, "of one type"),
        (
            lambda: as_probed_model(Steps(), RAGGED, [np.zeros(4, int)] * 5),
            DataError,
            "a step, 7 in all; got 4",
        ),
        (
            lambda: as_probed_model(Ends(lambda logits: logits.argmax(-1, keepdim=True)), RAGGED),
            UnrolledError,
            "expected outputs that are real numbers, the Ends gave torch.int64",
        ),
        (lambda: as_probed_model(Last(), RAGGED).score(), UnrolledError, "y: expected the labels"),
        (lambda: as_probed_model(nn.Linear(2, 3), RAGGED).layer, UnrolledError, "the Linear has none"),
        *(
            (
                ask,
                UnrolledError,
                "expected finite outputs, the Endless has others for sequence 2. Run ur.probe.gradients",
            )
            for ask in (
                lambda: order(Endless(), RAGGED, [0, 1, 2, 0, 1], retrain=False),
                lambda: memory(Endless(), RAGGED),
                lambda: states(Endless(), RAGGED),
                lambda: length(Endless(), RAGGED, [0, 1, 2, 0, 1]),
            )
        ),
    ],
)
def test_models_and_data_that_cannot_be_used_are_refused(ask: object, error: type, sentence: str) -> None:
    """The thing, the demand, what came."""
    with pytest.raises(error) as refused:
        ask()
    assert sentence in str(refused.value)


def test_recordings_are_probed_on_their_frames() -> None:
    """A step lasts 10 ms, and the outputs are those of the model."""
    rng = np.random.default_rng(0)
    waves = [rng.normal(size=2000 + 80 * k) for k in range(8)]
    model = AudioClassifier(rate=8000, hidden_size=4, num_layers=1, max_epochs=1)
    model.fit(waves, ["a", "b"] * 4)
    probed = as_probed_model(model, waves, ["b", "a"] * 4)
    assert probed.step_s == 0.01
    assert probed.lengths.tolist() == [model.features_.count(len(wave)) for wave in waves]
    np.testing.assert_allclose(
        probed.outputs().softmax(-1).detach().numpy(), model.predict_proba(waves), atol=1e-5
    )
    assert probed.targets is not None
    assert probed.targets.tolist() == [1, 0] * 4


@pytest.mark.parametrize("kind", [ur.Transcriber, ur.Translator, ur.FrameForecaster])
def test_estimators_of_texts_and_frames_are_refused_by_their_outputs(kind: type) -> None:
    """Whatever else is wrong with the call: no other argument would help."""
    for probe in (ur.probe.memory, ur.probe.states):
        with pytest.raises(ArgumentError, match=f"numbers, got {kind.__name__}. Give a classifier"):
            probe(kind(), [[1.0, 2.0]])
