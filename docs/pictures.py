"""Draws the pictures of the docs into docs/images.

python docs/pictures.py                          # the drawings
python docs/pictures.py demo-report.html         # and the README's picture of this page, in Chromium
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import unrolled as ur

IMAGES = Path(__file__).parent / "images"
_INK, _BLUE, _GREY, _RULE = "#1c2127", "#0067a8", "#5f6770", "#dfe2e5"
_STYLE = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif"'


def drawings() -> dict[str, str]:
    """Each SVG by its file's name."""
    return {"unrolled.svg": _unrolled(), "sp500-axes.svg": _axes()}


def _svg(width: int, height: int, title: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" {_STYLE}>'
    )
    paper = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{title}</title>", paper, *parts, "</svg>\n"])


def _text(x: float, y: float, words: str, *, size: int = 15, fill: str = _INK, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{words}</text>'


def _arrow(x1: float, y1: float, x2: float, y2: float, colour: str = _INK) -> str:
    """A line with a head; it runs right or up."""
    head = f"{x2},{y2} {x2 - 9},{y2 - 4.5} {x2 - 9},{y2 + 4.5}"
    if x1 == x2:
        head = f"{x2},{y2} {x2 - 4.5},{y2 + 9} {x2 + 4.5},{y2 + 9}"
    line = f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="2"/>'
    return f'{line}<polygon points="{head}" fill="{colour}"/>'


def _letter(name: str, below: str) -> str:
    return f'{name}<tspan font-size="11" dy="4">{below}</tspan>'


def _weights() -> str:
    both = [f'W<tspan font-size="10" dy="4">{i}</tspan><tspan dy="-4">, </tspan>' for i in "xh"]
    return "".join(both) + "b"


def _unrolled() -> str:
    """One copy of the layer a step, the same weights in each."""
    steps = ["1", "2", "3", "12"]
    parts = [_arrow(24, 110, 84, 110, _BLUE), _text(44, 98, _letter("h", "0"), fill=_BLUE)]
    for k, step in enumerate(steps):
        x = 150 + 170 * k
        parts += [
            f'<rect x="{x - 62}" y="80" width="124" height="60" rx="6" fill="#f2f6f9" stroke="{_INK}"/>',
            _text(x, 107, "tanh"),
            _text(x, 128, _weights(), size=13),
            _arrow(x, 196, x, 144),
            _text(x, 216, _letter("x", step)),
            _arrow(x, 80, x, 34),
            _text(x, 24, _letter("h", step), fill=_BLUE),
        ]
        if step == "3":
            parts.append(_text(x + 85, 115, "· · ·", size=18, fill=_BLUE))
        elif step != "12":
            parts.append(_arrow(x + 64, 110, x + 106, 110, _BLUE))
    parts.append(_text(405, 246, "one layer, drawn once a step: the same weights in every copy", fill=_GREY))
    return _svg(750, 262, "A recurrent layer, unrolled over twelve months", parts)


def _axes() -> str:
    """The S&P 500 on a linear and on a log axis."""
    series = ur.examples.load("sp500")
    years = 1950 + np.arange(len(series.target)) / 12
    linear, log = (0.0, 500.0, 1000.0, 1500.0, 2000.0), (20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
    heads = [
        ("Equal heights are equal amounts", linear, False),
        ("Equal heights are equal percentages", log, True),
    ]
    parts = []
    for k, (head, ticks, is_log) in enumerate(heads):
        parts += _panel(60 + 410 * k, head, years, series.target, ticks, is_log=is_log)
    return _svg(830, 300, "S&amp;P 500 at the end of each month, 1950 to 2015, on two axes", parts)


def _panel(
    left: int,
    head: str,
    years: NDArray[np.float64],
    y: NDArray[np.float64],
    ticks: tuple[float, ...],
    *,
    is_log: bool,
) -> list[str]:
    scale = np.log if is_log else np.asarray
    low, high = (15.0, 2500.0) if is_log else (0.0, 2250.0)

    def height(value: NDArray[np.float64] | float) -> NDArray[np.float64]:
        share = (scale(value) - scale(low)) / (scale(high) - scale(low))
        return np.asarray(266 - 220 * share)

    across = left + 340 * (years - 1950) / 66
    parts = [_text(left - 4, 26, head, anchor="start")]
    for tick in ticks:
        at = float(height(tick))
        parts.append(f'<line x1="{left}" x2="{left + 340}" y1="{at:.1f}" y2="{at:.1f}" stroke="{_RULE}"/>')
        parts.append(_text(left - 6, round(at + 4, 1), f"{tick:,.0f}", size=11, fill=_GREY, anchor="end"))
    parts += [
        _text(left + 340 * (year - 1950) / 66, 286, str(year), size=11, fill=_GREY)
        for year in (1960, 1980, 2000)
    ]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, height(y), strict=True))
    parts.append(f'<polyline points="{points}" fill="none" stroke="{_BLUE}" stroke-width="1.4"/>')
    return parts


def _photograph(page: Path) -> None:
    """The first screen of a report."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("docs/pictures.py: expected Chromium, got none. Install chromium.")
    target = IMAGES / "report.png"
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=5000"]
    size = ["--window-size=1180,1130", f"--screenshot={target}"]
    subprocess.run([browser, *options, *size, page.resolve().as_uri()], check=True, capture_output=True)  # noqa: S603


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, drawing in drawings().items():
        (IMAGES / name).write_text(drawing, encoding="utf-8")
    if len(sys.argv) > 1:
        _photograph(Path(sys.argv[1]))
