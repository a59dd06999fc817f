"""Measure the influence of each word of a text on the answer for it, by hiding one word at a time.

With a the log odds of the answer, and a' those where the vector of word t is zero:

    v_t = a - a'

Above 0 a word speaks for the answer, below 0 against it. A hidden word keeps its place, so that the others
stand in the order they stood in; word dropout has shown such words to estimators of texts while they learned.
Words that say the same stand in for each other: hiding either alone then changes little.

Source: Li, Monroe and Jurafsky, Understanding Neural Networks through Representation Erasure (2016), eq. 1,
with log odds in place of log probabilities.

Shapes: N texts of T_i words, A_i answers: one for a text, or one for each of its words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError
from unrolled.formatting import number, percent, quantity, shortened
from unrolled.probe.measure.attribution import log_odds
from unrolled.probe.measure.half_life import Floats
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.targets import NO_TARGET
from unrolled.probe.model.texts import TextCall
from unrolled.probe.wording.claims import checked
from unrolled.record import Record
from unrolled.train.progress import ProgressLine
from unrolled.train.threads import shared_processors

_NUMBERS_AT_ONCE = 1 << 22  # of the vectors, or the outputs, of a text's copies, each with a word hidden
_MOST_QUOTED = 40  # characters of a text in the sentence


@dataclass(frozen=True, eq=False)
class InfluenceResult(Record):
    """Influence of each word on the answers for its text.

    Args:
        sentence: the result for a person.
        name: the model's name in the sentence.
        words: N tuples of words, as the model reads them.
        answers: N tuples of A_i classes whose odds are explained: the predicted ones, or the right ones where
            they were given.
        influence: N arrays (A_i, T_i): by how much a word raises the log odds of an answer.
        turns: N arrays (A_i, T_i): whether another class is predicted where the word is hidden.
        per_word: whether every word has an answer.
    """

    kind: ClassVar[str] = "influence"

    sentence: str
    name: str
    words: tuple[tuple[str, ...], ...]
    answers: tuple[tuple[str, ...], ...]
    influence: tuple[Floats, ...]
    turns: tuple[NDArray[np.bool_], ...]
    per_word: bool

    def __str__(self) -> str:
        return self.sentence

    def to_frame(self) -> Any:
        """Return a pandas frame, a row for each answer and word: text, place, answer, word, influence, turns.

        `place` is that of the word; of an answer to each word, `answer_place` is that of the answer's.
        """
        names = ("text", "answer_place", "answer", "place", "word")
        rows: dict[str, list[Any]] = {name: [] for name in names}
        for i, (words, answers) in enumerate(zip(self.words, self.answers, strict=True)):
            for k, answer in enumerate(answers):
                rows["text"] += [i] * len(words)
                rows["answer_place"] += [k] * len(words)
                rows["answer"] += [answer] * len(words)
                rows["place"] += range(len(words))
                rows["word"] += words
        columns = {name: np.array(rows[name]) for name in names if self.per_word or name != "answer_place"}
        measured = {name: np.concatenate([each.ravel() for each in getattr(self, name)])
                    for name in ("influence", "turns")}  # fmt: skip
        return to_frame(columns | measured, "pandas")


@shared_processors()
def influence(model: Any, X: Any, y: Any = None) -> InfluenceResult:
    """Measure what each word of some texts does to the answer, by hiding one word at a time.

    Args:
        model: fitted TextClassifier, TextTagger or LanguageModel.
        X: texts, as the model reads them. Each is run as often as it has words.
        y: their labels, or tags, to explain the odds of the right class in place of the predicted one. A
            language model is always asked about the token that follows.

    Returns:
        A record that prints as a sentence.

    Raises:
        ArgumentError: the model reads no texts, or its outputs are not finite.
        NotFittedError: the model is not fitted.
        DataError: X or y cannot be used.

    >>> from unrolled import TextClassifier
    >>> texts = ["a warm film", "a dull film", "so warm", "so dull"] * 6
    >>> model = TextClassifier(hidden_size=8, n_members=1).fit(texts, ["good", "bad"] * 12)
    >>> result = influence(model, ["a warm plot"])
    >>> result.words[0][result.influence[0][0].argmax()], result.answers[0]
    ('warm', ('good',))
    """
    probed = as_probed_model(model, X, y, caller="influence")
    if not isinstance(probed.call, TextCall):
        raise ArgumentError(
            f"influence model: expected one that reads texts, got {type(model).__name__}. Run "
            "ur.probe.memory(model, X): it measures the influence of each step of sequences of numbers."
        )
    probed.require_finite()
    assert probed.classes is not None
    answers, influences, turns = [], [], []
    with ProgressLine("influence", len(probed), shown=None, unit="texts") as line:
        for i in range(len(probed)):
            classes, influence_of_text, turns_of_text = _hide_words(probed, i)
            answers.append(tuple(str(probed.classes[k]) for k in classes))
            influences.append(influence_of_text)
            turns.append(turns_of_text)
            line.advance(i + 1)
    result = InfluenceResult(
        sentence="",
        name=probed.name,
        words=tuple(tuple(map(str, words)) for words in probed.call.words),
        answers=tuple(answers),
        influence=tuple(influences),
        turns=tuple(turns),
        per_word=probed.per_step,
    )
    return checked(replace(result, sentence=_sentence(result)))


@torch.no_grad()
def _hide_words(probed: ProbedModel, i: int) -> tuple[list[int], Floats, NDArray[np.bool_]]:
    """Return the explained classes (A,) of a text, and influence and turns (A, T) of its words."""
    row, length = torch.tensor([i]), int(probed.lengths[i])
    outputs = probed.outputs(rows=row)
    predicted = outputs.argmax(-1)
    classes = _explained_classes(probed, row, predicted)
    odds = log_odds(outputs.double(), classes)
    at_once = max(1, _NUMBERS_AT_ONCE // (length * max(probed.values.shape[2], outputs.shape[-1])))
    influences, turns = [], []
    for places in torch.split(torch.arange(length), at_once):
        values = probed.values_at(row).repeat(len(places), 1, 1)
        values[torch.arange(len(places)), places] = 0.0
        hidden = probed.outputs(values, row.expand(len(places)))
        changed = log_odds(hidden.double(), classes.expand(len(places), *classes.shape[1:]))
        influences.append((odds - changed).reshape(len(places), -1))
        turns.append((hidden.argmax(-1) != predicted).reshape(len(places), -1))
    influence_of_words = torch.cat(influences).t().cpu().numpy()
    return classes.flatten().tolist(), influence_of_words, torch.cat(turns).t().cpu().numpy()


def _explained_classes(probed: ProbedModel, row: Tensor, predicted: Tensor) -> Tensor:
    """Return the right class (1,) or (1, T) where it is known, else the predicted one."""
    if probed.targets is None:
        return predicted
    targets = probed.targets[row]
    if probed.per_step:
        targets = targets[:, : predicted.shape[1]]
    return torch.where(targets == NO_TARGET, predicted, targets)


def _sentence(result: InfluenceResult) -> str:
    if result.per_word:
        return _per_word_sentence(result)
    n = len(result.words)
    turned = sum(bool(turns.any()) for turns in result.turns)
    finding = f"Hiding a single word turns {'the' if turned else 'no'} answer of {result.name}"
    if n > 1:
        finding += f" on {turned} of {n} texts" if turned else f" on {n} texts"
    influence_of_words, words, answer = result.influence[0][0], result.words[0], result.answers[0][0]
    strongest = int(influence_of_words.argmax())
    most = float(influence_of_words[strongest])
    place = f"{'In' if n == 1 else 'In the first,'} “{shortened(' '.join(words), _MOST_QUOTED)}”,"
    if most <= 0:
        return f"{finding}. {place} no word speaks for {answer!r}."
    return (
        f"{finding}. {place} “{words[strongest]}” speaks most for {answer!r}: it raises the log odds by "
        f"{number(most, 2)}."
    )


def _per_word_sentence(result: InfluenceResult) -> str:
    """Say where the influence on the answer at a word comes from, as shares of its squares."""
    same = near = total = 0.0
    for each in result.influence:
        squares = each**2
        distance = np.abs(np.subtract.outer(np.arange(len(each)), np.arange(len(each))))
        same, total = same + float(squares[distance == 0].sum()), total + float(squares.sum())
        near += float(squares[distance == 1].sum())
    tokens = quantity(sum(map(len, result.words)), "token")
    if not total:
        return f"The answers of {result.name} at {tokens} change with no token."
    shares = [percent(part / total, 0) for part in (same, near, total - same - near)]
    return (
        f"Of what moves the answers of {result.name} at {tokens}, {shares[0]} is the token's own influence, "
        f"{shares[1]} that of the tokens beside it, {shares[2]} that of tokens farther off (by its squares)."
    )
