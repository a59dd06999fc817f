"""Runs the examples of a page: every ```python and ```shell block, in order, as a reader would.

What a block prints is compared with the ```text block beneath it. Words must be the same; numbers may
differ by 2 %, or by what the block says (```text within 30 %), since processors round differently; rows
of a table that nearly tie may change places.

    python docs/examples.py README.md              # says what differs
    python docs/examples.py README.md --write      # puts what is printed now into the page
"""
# ruff: noqa: T201, S102 (a script, whose business is to run what the page holds)

import contextlib
import io
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
_WITHIN = re.compile(r"within (\d+) %")
# By how little a draw is won, against whom, and how often: noise, whatever the processor.
_DRAW = re.compile(
    r"is (?:[01]\.\d % (?:better|worse) than|as good as) the best of its baselines \(.+?\)"
    r"(?P<origins>.+? would appear in) \d+ of 100"
)


@dataclass(frozen=True)
class Example:
    """One block and what the page says it prints (None where it shows nothing).

    Args:
        kind: "python" or "shell".
        code: the block.
        line: of its first line on the page.
        shown: the text beneath.
        within: by how much of itself a number may differ.
        span: where `shown` lies in the page.
    """

    kind: str
    code: str
    line: int
    shown: str | None
    within: float
    span: tuple[int, int]


def examples(page: str) -> Iterator[Example]:
    """The blocks of a page, each with its output."""
    fences = list(_FENCE.finditer(page))
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] not in {"python", "shell"}:
            continue
        line = page.count("\n", 0, fence.start(3)) + 1
        has_output = after is not None and after[1] == "text"
        shown, span = (after[3], after.span(3)) if after and has_output else (None, (0, 0))
        within = _WITHIN.search(after[2]) if after and has_output else None
        yield Example(fence[1], fence[3], line, shown, int(within[1]) / 100 if within else 0.02, span)


def printed(example: Example, names: dict[str, Any], path: str) -> str:
    """What the block prints. Of a shell block, the lines that start with `unrolled` are run."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as said:
        if example.kind == "python":
            exec(compile("\n" * (example.line - 1) + example.code, path, "exec"), names)
        else:
            _run_lines(example.code, said)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n" if out.getvalue() else ""


def _run_lines(code: str, said: io.StringIO) -> None:
    from unrolled.cli import main  # noqa: PLC0415 (a page may hold no shell line)

    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["unrolled"]:
            continue
        try:
            main(words[1:])
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{line}: status {end.code}: {said.getvalue()}") from end


def differences(shown: str, now: str, within: float = 0.02) -> list[str]:
    """What the page shows and the block does not print, and the other way round.

    >>> differences("a 100", "a 101"), differences("a 100", "a 103"), differences("a 100", "b 100")
    ([], ['- a 100', '+ a 103'], ['- a 100', '+ b 100'])
    """
    left, faults = [line for line in now.splitlines() if line.strip()], []
    for line in filter(str.strip, shown.splitlines()):
        same = next((other for other in left if _is_same(line, other, within)), None)
        if same is None:
            faults.append(f"- {line}")
        else:
            left.remove(same)
    return faults + [f"+ {line}" for line in left]


def _is_same(shown: str, now: str, within: float) -> bool:
    shown, now = (_DRAW.sub(r"is close to its baselines\g<origins> often", line) for line in (shown, now))
    if _NUMBER.sub("#", shown).split() != _NUMBER.sub("#", now).split():
        return False
    pairs = zip(*([float(n.replace(",", "")) for n in _NUMBER.findall(s)] for s in (shown, now)), strict=True)
    return all(abs(a - b) <= within * abs(a) + 1e-9 for a, b in pairs)


def faults_of(path: Path, *, write: bool = False) -> list[str]:
    """Run a page. With `write`, what is printed replaces what the page shows."""
    page = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    faults, written = [], page
    for example in examples(page):
        now = printed(example, names, str(path))
        if example.shown is None:
            if now and example.kind == "python":
                faults += [f"{path.name} line {example.line} prints what the page does not show:", now]
            continue
        if found := differences(example.shown, now, example.within):
            faults += [f"{path.name} line {example.line}:", *found]
            offset = len(written) - len(page)
            first, last = example.span[0] + offset, example.span[1] + offset
            written = written[:first] + now + written[last:]
    if write:
        path.write_text(written, encoding="utf-8")
    return faults


if __name__ == "__main__":
    pages = [Path(word).resolve() for word in sys.argv[1:] if word != "--write"]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # examples write files
        faults = [fault for page in pages for fault in faults_of(page, write="--write" in sys.argv)]
    print("\n".join(faults))
    sys.exit(bool(faults))
