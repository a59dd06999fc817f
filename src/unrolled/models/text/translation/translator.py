"""Translator: sequence to sequence with attention, learned from pairs of texts alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.splits import holdout_fraction, holdout_mask
from unrolled.data.text.bleu import TranslationScores, translation_scores
from unrolled.data.text.codec import CODEC_UNITS, TextCodec
from unrolled.data.text.pairs import as_pairs, as_sources
from unrolled.errors import ArgumentError
from unrolled.formatting import quantity
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.metadata import MetadataRequester
from unrolled.models.parameters import Choice, FloatRange, IntRange, RandomSource, UnusedBeside
from unrolled.models.persistence import PLAIN, record_field
from unrolled.models.sequence.training import stopping_facts
from unrolled.models.summary import Fact
from unrolled.models.text.translation.alignment import Alignment
from unrolled.models.text.translation.dataset import encode_pairs
from unrolled.models.text.translation.decoder import attention_weights, translate_tokens
from unrolled.models.text.translation.network import TranslationConfig, TranslationNetwork
from unrolled.models.text.translation.search import Hypothesis
from unrolled.models.text.translation.training import fit_translation_network, translation_training_config
from unrolled.nn.modules.attention import ATTENTIONS
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import check_float, check_int, optional_int

Ints = NDArray[np.int64]

_HIDDEN_SIZES = ((10_000, 512), (1_000, 256), (0, 128))  # pairs at least, units; where none are given


class Translation(NamedTuple):
    """One of several translations of a text.

    Args:
        text: the translation.
        score: log probability of a token, the mean over all of them where the length penalty is 1.
    """

    text: str
    score: float


class Translator(MetadataRequester, NetworkEstimator):
    """Translate texts: from one language to another, or from any text to another one.

    Recurrent layers read the source in both directions; others write the target token by token, each time
    from a mean of the source's states that attention weighs. All of it is learned from the pairs given,
    without anything to download.

    Args:
        unit: tokens of both languages: "subword" (extra `unrolled[text]`), "word" or "char". Subwords spell
            words that were never seen; words and characters outside the vocabulary are read as unknown and
            never written.
        vocabulary: tokens that both languages share; None for 6,000, or where there are fewer for all,
            of subwords for those that occur twice.
        cell: "gru", "lstm" or "rnn".
        hidden_size: units of a decoder layer, and of both directions of the encoder together; None for 512,
            256 below 10,000 pairs, 128 below 1,000.
        num_layers: decoder layers; the lowest reads the target, the others what was attended to as well.
        encoder_layers: each in both directions.
        embedding_size: numbers of a token's vector; those of the target are the weights of the softmax too.
        attention: "general", with a matrix between query and state; or "dot", which needs an even
            hidden_size.
        dropout: of vectors and states, from 0 to below 1.
        word_dropout: of whole tokens, which a training step then does not see.
        label_smoothing: share of the target that is spread over all tokens.
        max_epochs: passes over the pairs at most; None for 8, or as many as make 1,200 steps, but no more
            than 60.
        patience: epochs without a lower validation loss before the training stops early; None for all.
        batch_size: pairs a step; fewer where there are few pairs.
        learning_rate: the peak of its one cycle.
        validation_fraction: the part that is held out to choose the epoch by; None for none.
        random_state: seed of weights, shuffling, dropout and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds. Translations that take as long have one too, unless it is False.

    After `fit`: `codec_` (its `vocabulary`), `n_epochs_` and `stopping_reason_`, `n_pairs_`, `history_`,
    `networks_`, `network_config_`, `n_parameters_`, `seconds_`.

    >>> digits, words = "0123456789", "zero one two three four five six seven eight nine".split()
    >>> pairs = [(f"{a} {b}", f"{words[int(b)]} {words[int(a)]}") for a in digits for b in digits]
    >>> source, target = zip(*pairs)
    >>> small = {"hidden_size": 32, "embedding_size": 16, "dropout": 0.0, "word_dropout": 0.0}
    >>> model = Translator(unit="word", **small, max_epochs=25, learning_rate=1e-2).fit(source, target)
    >>> model.predict(["4 7", "7 4"])
    ['seven four', 'four seven']
    """

    _fit_call = "fit(source_texts, target_texts)"
    _network_class, _config_class = TranslationNetwork, TranslationConfig
    _learned: ClassVar = {
        "codec_": record_field(TextCodec),
        "n_epochs_": PLAIN,
        "n_pairs_": PLAIN,
        "seed_": PLAIN,
        "stopping_reason_": PLAIN,
    }
    _unused = (UnusedBeside(("patience",), "validation_fraction", (0, None), "holds nothing out"),)

    unit: Annotated[str, Choice(CODEC_UNITS)]
    vocabulary: Annotated[int | None, IntRange(least=1, most=1 << 20)]
    cell: Annotated[str, Choice(("gru", "lstm", "rnn"))]
    hidden_size: Annotated[int | None, IntRange(least=2, most=16_384)]
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    encoder_layers: Annotated[int, IntRange(least=1, most=64)]
    embedding_size: Annotated[int, IntRange(least=1, most=16_384)]
    attention: Annotated[str, Choice(ATTENTIONS)]
    word_dropout: Annotated[float, FloatRange(least=0, below=1)]
    label_smoothing: Annotated[float, FloatRange(least=0, below=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    batch_size: Annotated[int, IntRange(least=1)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]

    codec_: TextCodec
    n_epochs_: int
    n_pairs_: int
    seed_: int
    stopping_reason_: str

    def __init__(
        self,
        *,
        unit: str = "subword",
        vocabulary: int | None = None,
        cell: str = "gru",
        hidden_size: int | None = None,
        num_layers: int = 2,
        encoder_layers: int = 1,
        embedding_size: int = 256,
        attention: str = "general",
        dropout: float = 0.3,
        word_dropout: float = 0.1,
        label_smoothing: float = 0.1,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        validation_fraction: float | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    @shared_processors()
    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from texts and their translations.

        Ctrl-C keeps the best weights so far and says so. Pairs with more than 250 tokens on a side are left
        out, with a warning.

        Args:
            X: N source texts: a list, array, column or frame of one column of strings.
            y: N target texts, one for each.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict, as in SequenceClassifier.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line.
            DataError: X or y cannot be used as they are, or have fewer tokens than `vocabulary`.
            MissingDependencyError: `unit` is "subword", and tokenizers is not installed.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        if self.attention == "dot" and self.hidden_size is not None and self.hidden_size % 2:
            raise ArgumentError(
                "hidden_size: expected an even number beside attention='dot', half of it for each direction "
                f"of the encoder, got {self.hidden_size}."
            )
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s, seed = time.perf_counter(), self._draw_seed()
        sources, targets = as_pairs(X, y, who=type(self).__name__)
        fraction = 0.0 if self.validation_fraction is None else self.validation_fraction
        fraction = holdout_fraction(fraction, len(sources))
        is_held_out = holdout_mask(len(sources), fraction, seed, strata=None, groups=None)
        training = [text for side in (sources, targets) for text, out in zip(side, is_held_out, strict=True)
                    if not out]  # fmt: skip
        size = optional_int(self.vocabulary)
        codec = TextCodec.learn(self.unit, training, size=size)
        dataset, is_held_out = encode_pairs(codec, sources, targets, is_held_out, self.device)
        config = translation_training_config(
            int((~is_held_out).sum()),
            max_epochs=optional_int(self.max_epochs),
            batch_size=int(self.batch_size),
            patience=optional_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
        )
        with self._name_remedies():
            ensemble = fit_translation_network(
                dataset, self._make_config(codec, len(dataset)), config,
                label_smoothing=float(self.label_smoothing), validation_mask=is_held_out,
                device=self.device, monitor=monitor,
            )  # fmt: skip
        report_interruption(ensemble)
        learned = {
            "codec_": codec,
            "history_": ensemble.history,
            "n_pairs_": len(dataset),
            "seed_": seed,
            **stopping_facts("gradient", ensemble.history, is_held_out, fraction),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def predict(
        self, X: Any, *, beam: int = 5, max_length: int | None = None, length_penalty: float = 1.0
    ) -> list[str]:
        """Translate texts, each by the best hypothesis of a beam search.

        Args:
            X: N source texts, of any length.
            beam: hypotheses that go on at each step; 1 takes the likeliest token each time.
            max_length: most tokens of a translation; None for twice those of its source and ten.
            length_penalty: the log probability is divided by the number of tokens to this power: 0 favours
                short translations, 1 judges by the mean of a token.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: an argument is out of range.
            DataError: X cannot be used as it is.
        """
        searched = self._search(X, beam, max_length, length_penalty)
        return [self.codec_.decode(hypotheses[0].tokens) for hypotheses in searched]

    def predict_several(
        self,
        X: Any,
        n: int = 5,
        *,
        beam: int | None = None,
        max_length: int | None = None,
        length_penalty: float = 1.0,
    ) -> list[list[Translation]]:
        """Return at most n translations of each text with their scores, the best first.

        Args:
            X: N source texts.
            n: translations of each, at most `beam`.
            beam: hypotheses that go on at each step; None for five, or n where that is more.
            max_length: as of `predict`.
            length_penalty: as of `predict`.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: an argument is out of range.
            DataError: X cannot be used as it is.
        """
        check_int("n", n, least=1)
        beam = max(5, n) if beam is None else beam
        check_int("beam", beam, least=n)
        searched = self._search(X, beam, max_length, length_penalty)
        return [[Translation(self.codec_.decode(h.tokens), h.score) for h in each[:n]] for each in searched]

    def align(self, text: str, translation: str | None = None) -> Alignment:
        """Show from which tokens of a text each token of its translation was written; `plot()` draws it.

        Args:
            text: the source.
            translation: of it; None for that of `predict`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: a text cannot be used as it is.
        """
        self._require_fitted()
        name = f"{type(self).__name__}.align"
        source = self.codec_.encode(as_sources([text], who=f"{name} text")[0])
        if translation is None:
            translation = self.predict([text])[0]
        else:
            translation = as_sources([translation], who=f"{name} translation")[0]
        target = self.codec_.encode(translation)
        weights = attention_weights(self.networks_[0], source, target, self.codec_.end)
        readable = [tuple(self.codec_.readable(side.tolist())) for side in (source, target)]
        return Alignment(readable[0], readable[1], weights[: len(target)], translation)

    def score(self, X: Any, y: Any) -> float:
        """Compute BLEU, from 0 to 100, of the translations of `predict(X)` beside y; see `score_texts`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as they are.
            MissingDependencyError: sacrebleu is not installed.
        """
        return self.score_texts(X, y).bleu

    def score_texts(self, X: Any, y: Any, *, beam: int = 5) -> TranslationScores:
        """Compute BLEU and chrF of the translations of X beside y, with the signature of sacrebleu.

        Texts are scored cased and whole, as sacrebleu cuts them into words.

        Args:
            X: N source texts.
            y: N translations of them, by a person.
            beam: as of `predict`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as they are.
            MissingDependencyError: sacrebleu is not installed.
        """
        self._require_fitted()
        sources, targets = as_pairs(X, y, who=type(self).__name__)
        return translation_scores(self.predict(sources, beam=beam), targets)

    def _search(
        self, X: Any, beam: int, max_length: int | None, length_penalty: float
    ) -> list[list[Hypothesis]]:
        self._require_fitted()
        check_int("beam", beam, least=1, most=1000)
        if max_length is not None:
            check_int("max_length", max_length, least=1)
        check_float("length_penalty", length_penalty, least=0)
        sources = [self.codec_.encode(text) for text in as_sources(X, who=f"{type(self).__name__} X")]
        limits = [2 * len(source) + 10 if max_length is None else max_length for source in sources]
        return translate_tokens(
            self.networks_[0], sources, np.array(limits), beam=int(beam), end=self.codec_.end,
            length_penalty=float(length_penalty), shown=False if self.verbose is False else None,
        )  # fmt: skip

    def _make_config(self, codec: TextCodec, n_pairs: int) -> TranslationConfig:
        usual = next(size for least, size in _HIDDEN_SIZES if n_pairs >= least)
        return TranslationConfig(
            n_tokens=len(codec),
            cell=self.cell,
            hidden_size=int(self.hidden_size or usual),
            num_layers=int(self.num_layers),
            encoder_layers=int(self.encoder_layers),
            embedding_size=int(self.embedding_size),
            attention=self.attention,
            dropout=float(self.dropout),
            word_dropout=float(self.word_dropout),
        )

    def __sklearn_tags__(self) -> Any:
        """Describe an estimator of texts, whose y is required."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.target_tags.required = True
        return tags

    def _facts(self) -> tuple[Fact, ...]:
        config, unit = self.network_config_, {"char": "character"}.get(self.unit, self.unit)
        cell, layers = config.cell.upper(), quantity(config.num_layers, "layer")
        encoder = f"{quantity(config.encoder_layers, 'layer')} of {config.encoder_size} units a direction"
        return (
            Fact("Encoder", f"{cell}, {encoder}, both directions"),
            Fact("Decoder", f"{cell}, {layers} of {config.hidden_size} units, {config.attention} attention"),
            Fact(
                "Reads and writes", f"{quantity(len(self.codec_.vocabulary.tokens), unit)} of both languages"
            ),
            Fact("Pairs", f"{self.n_pairs_:,}"),
            Fact("Epochs", self.stopping_reason_),
        )

    def _card_footer(self) -> str:
        return (
            "Load it with `unrolled.Translator.load(folder)`; nothing in this folder is code, and no text\n"
            "that it was fitted on is in it.\n\n"
            "This card holds no score: a score means something only beside simpler translations, on the\n"
            "texts that the model is meant for. Run `unrolled.compare(model, X, y, test=...)`."
        )
