"""A model and its sequences as one thing: answers, losses, and what cannot be asked."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError, DataError, NotFittedError, UnrolledError
from unrolled.probe import length, memory, order, states
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.torch_module import are_probabilities

RAGGED = [np.random.default_rng(k).normal(size=(n, 2)) for k, n in enumerate((4, 7, 1, 7, 3))]
LABELS = ["b", "a", "b", "a", "a"]


class Last(nn.Module):
    """Knows no lengths; answers from the last state."""

    def __init__(self, answers: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        self.core = nn.GRU(2, 5, num_layers=2, batch_first=True, dropout=dropout)
        self.head = nn.Linear(5, answers)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.core(x)[0][:, -1])


class Steps(Last):
    """Answers every step, as a tuple with its state."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        output, state = self.core(x)
        return self.head(output), state


class Packed(Last):
    """Takes lengths and packs its rows."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        rows = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.core(rows)[1][-1])


def test_a_module_without_lengths_never_reads_padding() -> None:
    """Each ragged sequence is answered as it is alone."""
    module = Last()
    together = as_probed_model(module, RAGGED).outputs()
    for k, own in enumerate(RAGGED):
        torch.testing.assert_close(together[k], as_probed_model(module, [own]).outputs()[0])


def test_a_module_that_packs_gives_the_same_answers() -> None:
    """With lengths in its forward, or in batches of one length: the same network, the same answers."""
    plain, packed = Last(), Packed()
    packed.load_state_dict(plain.state_dict())
    torch.testing.assert_close(
        as_probed_model(packed, RAGGED).outputs(), as_probed_model(plain, RAGGED).outputs()
    )


def test_a_module_is_asked_in_evaluation_mode_and_left_as_it_was() -> None:
    """Dropout is off while it is asked, and on again afterwards."""
    module = Last()
    module.head.eval()
    subject = as_probed_model(module, RAGGED, [0, 1, 2, 1, 0])
    assert torch.equal(subject.outputs(), subject.outputs())
    assert module.training
    assert module.core.training
    assert not module.head.training


def test_answers_of_steps_are_padded_and_judged_step_by_step() -> None:
    """A step beyond a sequence's end counts neither in the loss nor in the hits."""
    module = Steps()
    y = [np.arange(len(own)) % 3 for own in RAGGED]
    subject = as_probed_model(module, RAGGED, y)
    judged = subject.score()
    for k, own in enumerate(RAGGED):
        alone = as_probed_model(module, [own], [y[k]]).score()
        np.testing.assert_allclose(judged.losses[k], alone.losses[0], rtol=1e-5)
        assert judged.accuracies[k] == pytest.approx(alone.accuracies[0])
        assert (judged.predictions[k, : len(own)] == alone.predictions[0]).all()


def test_one_answer_for_zero_and_one_is_a_logit() -> None:
    """Its loss is the log loss of a sigmoid, even where it lies between 0 and 1: that cannot be told."""
    module = Last(answers=1)
    nn.init.constant_(module.head.bias, 0.5)
    subject = as_probed_model(module, RAGGED, [0, 1, 1, 0, 1])
    assert subject.task == "class"
    with torch.no_grad():
        module.eval()
        raw = torch.cat([module(torch.from_numpy(own[None]).float()) for own in RAGGED])[:, 0]
    wanted = nn.functional.binary_cross_entropy_with_logits(
        raw, torch.tensor([0.0, 1, 1, 0, 1]), reduction="none"
    )
    np.testing.assert_allclose(subject.score().losses, wanted, rtol=1e-5)


class Ends(Last):
    """Ends in some function of its logits."""

    def __init__(self, end: Callable[[Tensor], Tensor], *, per_step: bool = False) -> None:
        super().__init__()
        self.end, self.per_step = end, per_step

    def forward(self, x: Tensor) -> Tensor:
        output = self.core(x)[0]
        return self.end(self.head(output if self.per_step else output[:, -1]))


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("end", [nn.Softmax(-1), nn.LogSoftmax(-1)])
def test_probabilities_and_their_logarithms_are_told_from_logits(end: nn.Module, *, per_step: bool) -> None:
    """The same answers, losses and gradients as of the logits."""
    y = [np.arange(len(own)) % 3 for own in RAGGED] if per_step else [0, 1, 2, 1, 0]
    plain = Ends(nn.Identity(), per_step=per_step)
    told = Ends(end, per_step=per_step)
    told.load_state_dict(plain.state_dict())
    found, wanted = (as_probed_model(module, RAGGED, y) for module in (told, plain))
    np.testing.assert_allclose(found.score().losses, wanted.score().losses, rtol=1e-5)
    for subject in (found, wanted):
        subject.losses(subject.outputs()).sum().backward()
    torch.testing.assert_close(told.core.weight_hh_l0.grad, plain.core.weight_hh_l0.grad)
    assert memory(told, RAGGED).gradient == pytest.approx(memory(plain, RAGGED).gradient, rel=1e-3)


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    """Of a softmax that is sure, and wrong."""
    sure = Ends(lambda logits: nn.functional.one_hot(logits.argmax(-1) * 0, 3).float())
    subject = as_probed_model(sure, RAGGED, [0, 1, 2, 1, 0])
    assert subject.score().losses.tolist() == pytest.approx([0, 87.3, 87.3, 87.3, 0], rel=1e-2)


def test_logits_are_taken_for_probabilities_only_where_all_are_like_them() -> None:
    """One sequence whose answers do not sum to 1 shows that they are none; so does one below 0."""

    class Mixed(Ends):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + (0.01 if x.shape[1] == 1 else 0.0)

    for module in (Mixed(nn.Softmax(-1)), Ends(lambda logits: logits.softmax(-1) * 30 - 29 / 3)):
        subject = as_probed_model(module, RAGGED)
        with torch.no_grad():
            raw = subject.call(module.eval(), subject.values, subject.lengths, torch.arange(5))
            torch.testing.assert_close(subject.outputs(), raw.log_softmax(-1))


def test_a_class_that_is_masked_makes_no_probabilities_of_logits() -> None:
    """Answers of minus infinity are refused as they were, and not told as a sure mistake."""
    masked = Ends(lambda logits: logits + torch.tensor([0.0, 0.0, -torch.inf]))
    subject = as_probed_model(masked, RAGGED)
    assert not subject.gives_probabilities
    with pytest.raises(ArgumentError, match="expected finite outputs"):
        subject.require_finite()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("K", [2, 3, 10, 100])
def test_probabilities_of_any_precision_are_known(dtype: torch.dtype, K: int) -> None:
    """Their sum misses 1 by what each was rounded by."""
    logits = 3 * torch.randn(50, K, generator=torch.Generator().manual_seed(K))
    assert are_probabilities(logits.softmax(-1).to(dtype))
    assert not are_probabilities(logits.to(dtype))


def test_one_answer_for_other_numbers_is_a_number() -> None:
    """Its loss is the squared error."""
    module = Last(answers=1).double()
    y = np.array([0.5, 1, 1, 0, 2])
    subject = as_probed_model(module, RAGGED, y)
    assert subject.task == "number"
    judged = subject.score()
    np.testing.assert_allclose(judged.losses, (judged.predictions[:, 0] - y) ** 2, rtol=1e-5)


def test_a_classifiers_answers_are_the_logs_of_its_probabilities() -> None:
    """Those of an ensemble, averaged as the classifier averages them."""
    model = ur.SequenceClassifier(hidden_size=4, max_epochs=2, n_members=2).fit(RAGGED, LABELS)
    subject = as_probed_model(model, RAGGED, LABELS)
    shares = subject.outputs().exp().detach().numpy()
    np.testing.assert_allclose(shares, model.predict_proba(RAGGED), atol=1e-6)
    judged = subject.score()
    assert (judged.predictions == model.predict(RAGGED)).all()
    assert judged.accuracies.mean() == model.score(RAGGED, LABELS)


def test_a_regressors_answers_are_its_predictions() -> None:
    """In the units of y, not in those it was trained in."""
    y = np.array([100.0, 250, 90, 80, 300])
    model = ur.SequenceRegressor(hidden_size=4, max_epochs=2, n_members=2).fit(RAGGED, y)
    judged = as_probed_model(model, RAGGED, y).score()
    np.testing.assert_allclose(judged.predictions[:, 0], model.predict(RAGGED), rtol=1e-5)
    np.testing.assert_allclose(judged.losses, (model.predict(RAGGED) - y) ** 2, rtol=1e-4)


def test_a_taggers_hits_are_those_of_its_predictions() -> None:
    """Sequence by sequence."""
    y = [np.where(own[:, 0] > 0, "up", "down") for own in RAGGED]
    model = ur.SequenceTagger(hidden_size=4, max_epochs=2).fit(RAGGED, y)
    right = [float((told == own).mean()) for told, own in zip(model.predict(RAGGED), y, strict=True)]
    np.testing.assert_allclose(as_probed_model(model, RAGGED, y).score().accuracies, right, rtol=1e-6)


def test_a_forecasters_windows_are_sequences() -> None:
    """The medians of its horizon, in units of each origin; beside other steps stands what stood there."""
    y = np.random.default_rng(0).normal(size=80).cumsum()
    model = ur.Forecaster(horizon=3, cell="gru", hidden_size=4, max_steps=8, window=12).fit(y)
    subject = as_probed_model(model, None)
    assert subject.values.shape[:2] == (79, 12)
    batch = model.last_windows()
    with torch.no_grad():
        wanted = model.networks_[0](batch)[..., 3]
        torch.testing.assert_close(subject.outputs(), wanted)
        rows = torch.tensor([5, 70, 5])
        torch.testing.assert_close(subject.select(rows).outputs(), wanted[rows])
        torch.testing.assert_close(subject.outputs(subject.values[rows], rows=rows), wanted[rows])
    known = batch.known > 0
    assert torch.equal(subject.targets[known], batch.target[known])
    assert subject.targets[~known].isnan().all()
    assert known.sum() == 79 * 3 - 3  # the last two origins lack three steps together
    told = ur.probe.order(model, None, None, retrain=False, repeats=19)
    assert (told.task, told.p_value, told.outcome) == ("number", None, "not tested")
    assert told.sentence.startswith("Whether order matters to this model is not tested, because its windows")
    assert "case" not in told.sentence  # none is claimed to be due to chance
    with pytest.raises(UnrolledError, match="retrain=False"):
        ur.probe.order(model, y, None)


def test_some_and_rearranged_take_sequences_and_steps_along() -> None:
    """Values, lengths, and what is known of sequences and of steps."""
    y = [np.arange(len(own)) % 3 for own in RAGGED]
    subject = as_probed_model(Steps(), RAGGED, y)
    twice = subject.select(torch.tensor([1, 1, 0]))
    assert twice.lengths.tolist() == [7, 7, 4]
    order = torch.arange(7).flip(0).expand(3, 7)
    moved = twice.permuted(order)
    assert torch.equal(moved.values, twice.values.flip(1))
    assert torch.equal(moved.targets, twice.targets.flip(1))


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
def test_what_cannot_be_asked_is_refused_in_a_sentence(ask: object, error: type, sentence: str) -> None:
    """The thing, the demand, what came."""
    with pytest.raises(error) as refused:
        ask()
    assert sentence in str(refused.value)
