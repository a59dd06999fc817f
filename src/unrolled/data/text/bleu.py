"""BLEU and chrF of translations, by sacrebleu: scores of a corpus, and the statistics of each sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import MissingDependencyError
from unrolled.record import Record

Floats = NDArray[np.float64]

_ORDERS = 4  # n-grams of 1 to 4 tokens


@dataclass(frozen=True)
class TranslationScores(Record):
    """Scores of translations beside one reference each.

    Args:
        bleu: from 0 to 100, of cased texts, cut into words by sacrebleu.
        chrf: F of character n-grams of 1 to 6, from 0 to 100.
        n_texts: how many texts were translated.
        signature: how BLEU was computed; figures of another signature are not comparable.
        chrf_signature: how chrF was.
    """

    kind: ClassVar[str] = "translation scores"

    bleu: float
    chrf: float
    n_texts: int
    signature: str
    chrf_signature: str

    @property
    def sentence(self) -> str:
        """BLEU and chrF in one sentence, with the signature of BLEU."""
        return f"BLEU {self.bleu:.2f}, chrF {self.chrf:.1f} on {self.n_texts:,} texts ({self.signature})."

    def __str__(self) -> str:
        return self.sentence


def translation_scores(translations: Sequence[str], references: Sequence[str]) -> TranslationScores:
    """Score translations beside one reference each.

    Raises:
        MissingDependencyError: sacrebleu is not installed.

    >>> translation_scores(["a dog runs in the park"], ["a dog runs in the park"]).sentence
    'BLEU 100.00, chrF 100.0 on 1 texts (nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...).'
    """
    metrics = _import_metrics()
    bleu, chrf = metrics.BLEU(), metrics.CHRF()
    scores = [
        float(metric.corpus_score(list(translations), [list(references)]).score) for metric in (bleu, chrf)
    ]
    signatures = [str(metric.get_signature()) for metric in (bleu, chrf)]
    return TranslationScores(scores[0], scores[1], len(translations), signatures[0], signatures[1])


def bleu_statistics(translations: Sequence[str], references: Sequence[str]) -> Floats:
    """Count what BLEU is made of, for each sentence.

    Returns:
        (N, 10) tokens of the translation and of its reference, and for n-grams of 1 to 4 tokens how many
        match, and how many there are. BLEU of a corpus is that of their sums: see `corpus_bleu`.

    Raises:
        MissingDependencyError: sacrebleu is not installed.

    >>> bleu_statistics(["a dog runs"], ["a dog sleeps"]).astype(int).tolist()
    [[3, 3, 2, 1, 0, 0, 3, 2, 1, 0]]
    """
    bleu = _import_metrics().BLEU(effective_order=True)
    rows = np.empty((len(translations), 2 + 2 * _ORDERS))
    for row, translation, reference in zip(rows, translations, references, strict=True):
        score = bleu.sentence_score(translation, [reference])
        row[:] = [score.sys_len, score.ref_len, *score.counts, *score.totals]
    return rows


def corpus_bleu(sums: Floats) -> Floats:
    """Compute BLEU (...,), from 0 to 100, of sums (..., 10) of the statistics of sentences.

        BLEU = min(1, exp(1 - r / c)) · exp(mean over n of log p_n) · 100

    c and r are the tokens of translations and references, p_n the share of n-grams that match. The k-th
    order without a match has p_n = 1 / (2^k · n-grams), as sacrebleu smooths it; without n-grams of an order
    BLEU is 0.

    Source: Papineni et al., BLEU (2002); Chen and Cherry (2014), smoothing 3.

    >>> statistics = bleu_statistics(["a dog runs in a park"] * 2, ["a dog runs in the park"] * 2)
    >>> round(float(corpus_bleu(statistics.sum(0))), 2)
    53.73
    """
    lengths, counts, totals = sums[..., :2], sums[..., 2 : 2 + _ORDERS], sums[..., 2 + _ORDERS :]
    misses = counts == 0
    smoothed = np.where(misses, 0.5 ** misses.cumsum(-1), counts)
    precisions = smoothed / np.maximum(totals, 1)
    brevity = np.minimum(0.0, 1 - lengths[..., 1] / np.maximum(lengths[..., 0], 1e-9))
    scores = 100 * np.exp(brevity + np.log(precisions).mean(-1))
    is_zero = (totals == 0).any(-1) | (counts[..., 0] == 0)
    return np.asarray(np.where(is_zero, 0.0, scores))


def require_sacrebleu() -> None:
    """Pass if sacrebleu is there: asked before a training whose translations are scored.

    Raises:
        MissingDependencyError: sacrebleu is not installed.
    """
    _import_metrics()


def _import_metrics() -> Any:
    try:
        from sacrebleu import metrics  # noqa: PLC0415 (an extra)
    except ImportError as fault:
        raise MissingDependencyError(
            'score: BLEU needs sacrebleu, which is not installed: pip install "unrolled[text]"'
        ) from fault
    return metrics
