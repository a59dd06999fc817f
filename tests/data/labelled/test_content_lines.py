"""Lines that say something keep their numbers."""

from unrolled.data.labelled.content_lines import content_lines


def test_blank_lines_and_comments_are_counted_and_skipped() -> None:
    """Whatever ends the lines; a form feed, at which splitlines breaks, stays in one."""
    text = "# head\n\n a\x0cb \r\n%c\rd\n"
    assert list(content_lines(text, ("#", "%"))) == [(3, "a\x0cb"), (5, "d")]
    assert [line for line, _ in content_lines(text, ("%",))] == [1, 3, 5]


def test_an_empty_text_has_no_lines() -> None:
    """Nor has one of blanks."""
    assert not list(content_lines("", ("%",)))
    assert not list(content_lines(" \n\t\n", ("%",)))
