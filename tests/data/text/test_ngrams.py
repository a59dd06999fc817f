"""Words are hashed by their character n-grams, the same on every machine."""

from unrolled.data.text.ngrams import ngram_buckets, shape_bucket


def test_buckets_are_those_of_each_ngram_with_marked_ends() -> None:
    """CRC-32 is fixed: these numbers are what saved models rely on."""
    assert ngram_buckets("ab", 1000, shortest=2, longest=3) == [6, 885, 729, 444, 843]


def test_affixes_are_the_ngrams_at_the_ends() -> None:
    """Of each length the first and the last, of the whole word one; small and capital letters are alike."""
    whole = ngram_buckets("unfair", 1 << 20, shortest=2, longest=8)
    ends = ngram_buckets("Unfair", 1 << 20, shortest=2, longest=8, affixes=True)
    assert len(whole) == 7 + 6 + 5 + 4 + 3 + 2 + 1
    assert len(ends) == 6 * 2 + 1
    assert set(ends) <= set(whole)
    assert set(ends) & set(ngram_buckets("unripe", 1 << 20, shortest=2, longest=8, affixes=True))


def test_any_text_has_buckets() -> None:
    """Letters beyond Latin, emoji, and halves of surrogate pairs that a broken file may hold."""
    for word in ("né", "हिन्दी", "👍🏽", "\ud83d"):
        buckets = ngram_buckets(word, 64)
        assert buckets
        assert all(0 <= bucket < 64 for bucket in buckets)


def test_a_short_word_has_its_whole() -> None:
    """A single letter between its marks is one n-gram of three."""
    assert len(ngram_buckets("a", 64)) == 1


def test_words_of_one_shape_share_a_bucket() -> None:
    """Capitals, digits and signs tell shapes apart; how often they stand there does not."""
    shapes = {word: shape_bucket(word, 1 << 20) for word in ("Ann", "Robert", "ann", "NASA", "A-1", "B-22")}
    assert shapes["Ann"] == shapes["Robert"]
    assert shapes["A-1"] == shapes["B-22"]
    assert len(set(shapes.values())) == 4
