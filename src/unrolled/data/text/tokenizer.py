"""Tokenizer: texts to words, characters or subwords, each with its place in the raw text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

from unrolled.errors import ArgumentError, DataError, MissingDependencyError

Unit = str | int  # "word", "char", or the number of subwords

UNITS = ("word", "char")
_MIN_COUNT = 2  # occurrences of a subword where their number is open: a word seen once is spelled
MIN_SUBWORDS = 256  # the bytes, of which every text is made
_MARKS_END = 0x20000  # combining marks stand below it, but for the last selectors
_SKIN = "\U0001f3fb-\U0001f3ff"
_FLAG = "\U0001f1e6-\U0001f1ff"
# Han and kana, which are written without spaces: each letter is a word of its own
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"


class Token(NamedTuple):
    """Token of a text.

    Args:
        text: in Unicode's composed form, NFC.
        start: its first character in the raw text.
        end: the character after its last.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Tokenizer:
    """Cut texts into tokens, which keep their place in the raw text.

    Tokens are in NFC, so that the two ways to write é are one token; nothing else about a text is changed.
    "word": runs of letters, digits and their marks, with apostrophes inside them; every other sign by itself,
    an emoji with its modifiers as one; each Han or kana letter by itself. "char": a character with the marks
    on it. A number: byte-pair subwords, so many, learned on the training text.

    Args:
        unit: "word", "char" or the number of subwords.
        model: JSON of the subwords; empty for the others.
        keeps_space: whether white space is part of the tokens, as it is of `pieces`.

    >>> [tuple(token) for token in Tokenizer("word").split("It isn't so: né 👍🏽!")][1:4]
    [("isn't", 3, 8), ('so', 9, 11), (':', 11, 12)]
    >>> [token.text for token in Tokenizer("char").split("né")]
    ['n', 'é']
    """

    unit: Unit = "word"
    model: str = ""
    keeps_space: bool = False

    @property
    def has_blank_tokens(self) -> bool:
        """True where a token may be white space alone."""
        return self.unit == "char" or self.keeps_space

    @classmethod
    def learn(
        cls, unit: Unit, texts: Iterable[str], *, argument: str = "unit", at_most: bool = False
    ) -> Tokenizer:
        """Make the tokenizer of a unit; only subwords learn anything from the texts.

        Args:
            unit: "word", "char" or the number of subwords.
            texts: of the training.
            argument: what messages call the unit.
            at_most: take fewer subwords where the texts have no more that occur twice.

        Raises:
            ArgumentError: there is no such unit.
            DataError: the texts have fewer subwords, or hold half a surrogate pair, which has no bytes.
            MissingDependencyError: subwords need tokenizers, and it is not installed.
        """
        if isinstance(unit, str):
            if unit not in UNITS:
                raise ArgumentError(
                    f"{argument}: expected 'word', 'char' or a number of subwords, got {unit!r}."
                )
            return cls(unit)
        return cls(int(unit), _learn_subwords(int(unit), texts, argument, at_most=at_most))

    def split(self, text: str) -> list[Token]:
        """Cut a text into tokens; white space belongs to none unless `keeps_space`, but is a character."""
        if self.unit == "word" and self.keeps_space:
            return [Token(_composed(text[slice(*span)]), *span) for span in _spans_with_space(text)]
        if self.unit == "word":
            return [
                Token(_composed(match.group()), *match.span()) for match in _patterns()["word"].finditer(text)
            ]
        if self.unit == "char":
            return [
                Token(_composed(match.group()), *match.span()) for match in _patterns()["char"].finditer(text)
            ]
        encoding = self._subwords.encode(_unicode(text))
        return [Token(token, *span) for token, span in zip(encoding.tokens, encoding.offsets, strict=True)]

    def pieces(self, text: str) -> list[str]:
        r"""Cut a text into pieces that give it back, in NFC, when they are joined; see `join`.

        White space is part of them, where `split` leaves it out: of "word" a single space belongs to the word
        behind it, and every other character of white space is a piece.

        >>> Tokenizer("word").pieces("To be,\n or not")
        ['To', ' be', ',', '\n', ' or', ' not']
        """
        if self.unit == "char":
            return _patterns()["char"].findall(_composed(text))
        if self.unit == "word":
            text = _composed(text)
            return [text[slice(*span)] for span in _spans_with_space(text)]
        return list(self._subwords.encode(_unicode(text)).tokens)

    def join(self, tokens: Iterable[str]) -> str:
        """Make the text of subwords or characters; those of `split` hold the spaces between words.

        >>> Tokenizer("char").join(["n", "é", " ", "o"])
        'né o'
        """
        if isinstance(self.unit, str):
            return "".join(tokens)
        return str(self._subwords.decoder.decode(list(tokens)))

    @property
    def subwords(self) -> tuple[str, ...]:
        """All subwords, in the order in which they were learned; none for words and characters."""
        if isinstance(self.unit, str):
            return ()
        numbers = self._subwords.get_vocab()
        return tuple(sorted(numbers, key=numbers.__getitem__))

    @cached_property
    def _subwords(self) -> Any:
        tokenizers = _import_tokenizers(self.unit)
        return tokenizers.Tokenizer.from_str(self.model)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON takes."""
        model = json.loads(self.model) if self.model else None
        return {"unit": self.unit, "model": model, "keeps_space": self.keeps_space}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Tokenizer:
        """Make the tokenizer that `to_dict` described."""
        model = "" if record["model"] is None else json.dumps(record["model"])
        return cls(record["unit"], model, record.get("keeps_space", False))  # which older files lack


def _spans_with_space(text: str) -> Iterator[tuple[int, int]]:
    """Yield where words and signs are, each with the one space before it, and all other white space."""
    done = 0
    for match in _patterns()["word"].finditer(text):
        start = match.start()
        if start > done and text[start - 1] == " ":
            start -= 1
        yield from ((k, k + 1) for k in range(done, start))
        done = match.end()
        yield start, done
    yield from ((k, k + 1) for k in range(done, len(text)))


def _unicode(text: str) -> str:
    """Return a text whose characters all have bytes, of which subwords are made."""
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise DataError(
            f"subwords: expected a text of whole characters, got {text[fault.start]!r} at character "
            f"{fault.start}, half of a surrogate pair, which has no bytes. Replace it: "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')."
        ) from fault
    return text


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Compile the patterns of words and characters; Python's letters lack the marks on them."""
    marks = _mark_class()
    word = rf"(?:[^\W{_IDEOGRAPH}][{marks}\u200c\u200d]*)+"
    sign = rf"[^\s][{marks}{_SKIN}]*"
    return {
        "word": re.compile(rf"{word}(?:['’]{word})*|[{_FLAG}]{{2}}|{sign}(?:\u200d{sign})*"),
        "char": re.compile(rf"[\s\S][{marks}]*"),
    }


def _mark_class() -> str:
    """Return the ranges of combining marks, and of vowels and finals of Hangul, for a class of characters."""
    ranges: list[list[int]] = []
    for code in range(_MARKS_END):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    ranges += [[0x1160, 0x11FF], [0xD7B0, 0xD7FF]]  # a decomposed syllable is one character, as in NFC
    ranges.append([0xE0100, 0xE01EF])  # variation selectors
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def _import_tokenizers(unit: Unit) -> Any:
    try:
        import tokenizers  # noqa: PLC0415 (an extra)
    except ImportError as fault:
        raise MissingDependencyError(
            f'unit={unit}: subwords need tokenizers, which is not installed: pip install "unrolled[text]"'
        ) from fault
    return tokenizers


def _learn_subwords(size: int, texts: Iterable[str], argument: str, *, at_most: bool) -> str:
    """Learn byte-pair subwords, and return their JSON.

    Source: Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units (2016), on
    bytes as in GPT-2, so that no text has an unknown one.
    """
    if size < MIN_SUBWORDS:
        raise ArgumentError(
            f"{argument}: expected at least {MIN_SUBWORDS} subwords, the bytes that every text is made of, "
            f"got {size}. Give more, or unit='char'."
        )
    tokenizers = _import_tokenizers(size)
    subwords = tokenizers.Tokenizer(tokenizers.models.BPE())
    subwords.normalizer = tokenizers.normalizers.NFC()
    subwords.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    subwords.post_processor = tokenizers.processors.ByteLevel(trim_offsets=True)
    subwords.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=_MIN_COUNT if at_most else 0,
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    subwords.train_from_iterator([_unicode(text) for text in texts], trainer)
    learned = subwords.get_vocab_size()
    if learned < size and not at_most:
        raise DataError(
            f"{argument}: expected at most {learned:,} subwords, as many as the training text has, got "
            f"{size:,}. Give a smaller number, or unit='word'."
        )
    return str(subwords.to_str())
