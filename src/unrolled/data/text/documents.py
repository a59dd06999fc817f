"""Documents: strings or lists of words as `Sequences` of tokens, with their places in the raw text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unrolled.data.parse.numbers import is_missing
from unrolled.data.sequences import DeclaredOrder, Sequences
from unrolled.data.text.tokenizer import Token, Tokenizer
from unrolled.errors import DataError, DataTypeError

Ints = NDArray[np.int64]
Text = str | Sequence[str]  # raw, or as words


@dataclass(frozen=True, eq=False)
class Documents:
    """Texts as sequences of tokens.

    Args:
        sequences: N of them, int32 positions (ΣT,) among `sequences.tokens`, the distinct tokens of these
            very texts in the order in which they first occur.
        spans: (ΣT, 2) the first character of each token in its raw text, and the one after its last. Words of
            a list stand as if joined by spaces.
        texts: N raw texts.

    >>> documents = as_documents(["To be or not to be"], Tokenizer("word"))
    >>> documents.sequences.values.tolist(), documents.sequences.tokens
    ([0, 1, 2, 3, 4, 1], ('To', 'be', 'or', 'not', 'to'))
    >>> documents.spans[3].tolist()
    [9, 12]
    """

    sequences: Sequences
    spans: Ints
    texts: tuple[str, ...]

    def words(self, i: int) -> list[str]:
        """Return the tokens of a text."""
        tokens = self.sequences.tokens
        assert tokens is not None
        start, end = self.sequences.offsets[i : i + 2]
        return [tokens[position] for position in self.sequences.values[start:end]]


def as_documents(X: Any, tokenizer: Tokenizer, *, who: str = "texts") -> Documents:
    """Cut texts into tokens.

    Args:
        X: N texts: a list, array, column or frame of one column of strings; or N lists of words, which are
            tokens as they are; white space is one where the tokenizer makes such.
        tokenizer: of the strings.
        who: what messages call X.

    Raises:
        DataError: there is none, or one is missing, no text or without any token; the message names it.
    """
    items = as_texts(X, who=who)
    position_of: dict[str, int] = {}
    values: list[int] = []
    spans: list[tuple[int, int]] = []
    lengths = np.empty(len(items), dtype=np.int64)
    texts = []
    for i, item in enumerate(items):
        if not isinstance(item, str) and not tokenizer.has_blank_tokens:
            _refuse_blank(item, i, who)
        text, tokens = (item, tokenizer.split(item)) if isinstance(item, str) else _joined(item)
        if not tokens:
            raise _empty(i, text, who, tokenizer)
        texts.append(text)
        lengths[i] = len(tokens)
        for token in tokens:
            values.append(position_of.setdefault(token.text, len(position_of)))
            spans.append((token.start, token.end))
    sequences = Sequences(
        np.array(values, dtype=np.int32),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tuple(map(str, range(len(items)))),
        columns=("token",),
        order=DeclaredOrder.POSITION,
        source=who,
        tokens=tuple(position_of),
    )
    return Documents(sequences, np.array(spans, dtype=np.int64).reshape(-1, 2), tuple(texts))


def as_texts(X: Any, *, who: str = "texts") -> list[Text]:
    """Validate texts: N strings, or N lists of words.

    Raises:
        DataError: there is none, one is missing, or it is something else; the message names its position.

    >>> as_texts([["To", "be"], ["or"]])
    [['To', 'be'], ['or']]
    >>> as_texts(["To be", None])
    Traceback (most recent call last):
    unrolled.errors.DataError: texts, position 1: expected a text, got None. Leave it out, or write one there.
    """
    items = _as_list(X, who)
    if not items:
        raise DataError(f"{who}: expected at least one text, got none.")
    checked: list[Text] = []
    for i, item in enumerate(items):
        if isinstance(item, str):
            checked.append(str(item))
        elif isinstance(item, list | tuple | np.ndarray):
            checked.append(_words(item, i, who))
        else:
            raise _no_text(item, i, who)
    kinds = {isinstance(item, str) for item in checked}
    if len(kinds) > 1:
        raise DataTypeError(
            f"{who}: expected either strings or lists of words, got both. Join the words: ' '.join(words)."
        )
    return checked


def as_strings(X: Any, *, who: str = "texts") -> list[str]:
    """Validate texts that are strings: N of them, where `as_texts` takes lists of words too.

    Raises:
        DataError: there is none, one is missing, or no string; the message names its position.

    >>> as_strings([["To", "be"]])
    Traceback (most recent call last):
    unrolled.errors.DataTypeError: texts, position 0: expected a string, got a list of words. ...
    """
    strings: list[str] = []
    for i, text in enumerate(as_texts(X, who=who)):
        if not isinstance(text, str):
            raise DataTypeError(
                f"{who}, position {i}: expected a string, got a list of words. Join them: ' '.join(words)."
            )
        strings.append(text)
    return strings


def as_running_texts(X: Any, *, who: str = "text") -> tuple[list[str], bool]:
    """Validate the text of a language model: one running text, or several documents.

    Args:
        X: a string; or N strings, as for `as_texts`, or what `read_texts` returned.
        who: what messages call X.

    Returns:
        The strings, and whether they are documents, each with an end of its own.

    Raises:
        DataError: there is none, one is missing, empty, or no string; the message names its position.

    >>> as_running_texts("To be, or not to be"), as_running_texts(["To be", "or not"])
    ((['To be, or not to be'], False), (['To be', 'or not'], True))
    """
    if isinstance(X, bytes | bytearray):
        raise DataTypeError(f"{who}: expected a text, got bytes. Decode them: content.decode('utf-8').")
    if X is None or isinstance(X, PurePath):
        got, way = ("None", "Pass a string") if X is None else (f"the path {X}", "Read it: path.read_text()")
        raise DataTypeError(f"{who}: expected a text or a list of documents, got {got}. {way}.")
    if isinstance(X, str):
        if not X:
            raise DataError(f"{who}: expected a text, got an empty one. Pass a string with something in it.")
        return [str(X)], False
    texts = as_strings(getattr(X, "texts", X), who=who)
    if "" in texts:
        i = texts.index("")
        raise DataError(f"{who}, position {i}: expected a text, got an empty one. Leave it out.")
    return texts, True


def _as_list(X: Any, who: str) -> list[Any]:
    """Convert a list, an array, a column or a frame of one column."""
    if isinstance(X, str | bytes):
        raise DataError(f"{who}: expected a list of texts, got one text. A single text is given as [text].")
    if isinstance(X, Mapping | AbstractSet):  # whose keys would be read, or in another order each time
        way = "list(x.values())" if isinstance(X, Mapping) else "sorted(x)"
        raise DataTypeError(f"{who}: expected a list of texts, got {type(X).__name__}. Pass {way}.")
    if hasattr(X, "collect"):
        raise DataTypeError(f"{who}: expected texts in memory, got a lazy frame. Call its .collect() first.")
    if hasattr(X, "columns") or hasattr(X, "column_names"):
        frame = nw.from_native(X, eager_only=True)
        if len(frame.columns) != 1:
            raise DataError(
                f"{who}: expected one column of texts, got {len(frame.columns)} columns. Select one: "
                f"frame[{frame.columns[0]!r}]."
            )
        return list(frame[frame.columns[0]].to_list())
    if isinstance(X, np.ndarray):
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        return list(X) if X.ndim else [X.item()]
    for method in ("to_list", "tolist", "to_pylist"):  # pandas and polars, numpy, Arrow
        if hasattr(X, method):
            return list(getattr(X, method)())
    if isinstance(X, Iterable):
        return list(X)
    raise DataTypeError(f"{who}: expected a list of texts, got {type(X).__name__}.")


def _words(item: Sequence[Any] | NDArray[Any], i: int, who: str) -> list[str]:
    words = [str(word) if isinstance(word, str) else word for word in item]
    for k, word in enumerate(words):
        if not isinstance(word, str) or not word:
            raise _no_word(word, k, i, who)
    return words


def _refuse_blank(words: Sequence[str], i: int, who: str) -> None:
    for k, word in enumerate(words):
        if not word.strip():
            raise _no_word(word, k, i, who)


def _no_word(word: Any, k: int, i: int, who: str) -> DataError:
    got = repr(word) if isinstance(word, str | int | float | None) else type(word).__name__
    return DataError(f"{who}, position {i}, word {k}: expected a word, got {got}. Leave it out.")


def _joined(words: Sequence[str]) -> tuple[str, list[Token]]:
    """Join words by spaces, and say where each then stands."""
    from unicodedata import normalize  # noqa: PLC0415

    tokens, start = [], 0
    for word in words:
        tokens.append(Token(normalize("NFC", word), start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), tokens


def _no_text(item: Any, i: int, who: str) -> DataError:
    place = f"{who}, position {i}"
    if isinstance(item, bytes):
        return DataTypeError(f"{place}: expected a text, got bytes. Decode them: item.decode('utf-8').")
    if is_missing(np.array([item], dtype=object))[0]:
        got = "None" if item is None else "NaN"
        return DataError(f"{place}: expected a text, got {got}. Leave it out, or write one there.")
    kind = type(item).__name__
    return DataTypeError(f"{place}: expected a text, got {item!r} ({kind}). Write it as one: str(item).")


def _empty(i: int, text: str, who: str, tokenizer: Tokenizer) -> DataError:
    got = "an empty one" if not text else f"{text[:20]!r}, which has none"
    unit = tokenizer.unit if isinstance(tokenizer.unit, str) else "subword"
    return DataError(
        f"{who}, position {i}: expected a text with at least one {unit}, got {got}. Leave it out, or write "
        "something there."
    )
