"""The page: its files, its traces, and the page itself in a real browser."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

import unrolled as ur

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def classifier() -> Any:
    """One of its classes has markup in its name."""
    rng = np.random.default_rng(5)
    X = [rng.normal(size=(8, 2)) + k % 2 for k in range(12)]
    model = ur.SequenceClassifier(hidden_size=6, n_members=2, max_epochs=3, random_state=0)
    return model.fit(X, ["low", "<b>high</b>"] * 6)


@pytest.fixture(scope="module")
def page(new_server: Callable[..., Any], classifier: Any) -> Any:
    """A server of the classifier."""
    return new_server(model=classifier)


@pytest.fixture
def browse(browser_class: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens pages in a browser."""
    opened = []

    def open_page(url: str, **options: Any) -> Any:
        opened.append(browser_class(url, tmp_path / f"profile{len(opened)}", **options))
        return opened[-1]

    yield open_page
    for browser in opened:
        browser.close()


def test_files_of_the_page_are_served(page: Any) -> None:
    """Each with its type, and with a policy that lets nothing in from elsewhere."""
    types = {"/": "text/html", "/page/main.js": "text/javascript", "/page/page.css": "text/css"}
    for path, kind in types.items():
        response = page.request("GET", path)
        assert response.status == 200
        assert response.headers["content-type"] == f"{kind}; charset=utf-8"
        assert "default-src 'self'" in response.headers["content-security-policy"]
    for path in ("/page/none.js", "/page/", "/page/../app.py", "/page/%2e%2e/tracer.py"):
        assert page.request("GET", path).status == 404


def test_the_page_is_open_and_its_data_are_not(new_server: Callable[..., Any], classifier: Any) -> None:
    """A browser asks for the page without the token that the page then asks its reader for."""
    locked = new_server(model=classifier, token=TOKEN)
    assert locked.request("GET", "/").status == 200
    assert locked.request("POST", "/trace", {"x": [[1, 2]]}).status == 401
    assert locked.request("POST", "/trace", {"x": [[1, 2]]}, Authorization=f"Bearer {TOKEN}").status == 200


def test_a_trace_equals_the_stream_and_moves_none(page: Any, classifier: Any) -> None:
    """The answers of the steps, and no new stream."""
    x = np.random.default_rng(1).normal(size=(4, 2))
    before = page.request("GET", "/streams").record["count"]
    traced = page.request("POST", "/trace", {"x": x.tolist()}).record
    assert traced["y"] == classifier.stream().steps(x).tolist()
    assert page.request("GET", "/streams").record["count"] == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"x": [[1, 2, 3]]}, 422, "bad_input"),
        ({"x": [[1, None]]}, 422, "bad_input"),
        ({"x": []}, 422, "bad_input"),
        ({"x": [[1, 2]] * 1001}, 422, "bad_input"),
        ({"x": [[1, 2]], "network": 9}, 422, "bad_input"),
        ({"x": [[1, 2]], "snapshot": "AAAA"}, 409, "other_model"),
        ({"x": "text"}, 422, "bad_input"),
        ({"snapshot": None}, 400, "bad_message"),
        (b"{", 400, "bad_message"),
        ({"x": [[1, 2]], "more": 1}, 400, "bad_message"),
    ],
)
def test_a_trace_of_bad_input_is_a_record(page: Any, body: Any, status: int, code: str) -> None:
    """A stable code and a sentence."""
    response = page.request("POST", "/trace", body)
    assert (response.status, response.record["error"]) == (status, code)
    assert response.record["message"].endswith(".")
    assert page.request("GET", "/trace").status == 405


def test_a_server_without_a_model_has_no_traces(served: Any) -> None:
    """Of the library's own streams, for example."""
    assert served.request("POST", "/trace", {"x": [[1, 2, 3]]}).record["error"] == "not_found"


def test_the_page_steps_rewinds_and_compares(page: Any, classifier: Any, browse: Callable[..., Any]) -> None:
    """By keyboard: type two steps, press Enter; go back with the arrow, rewind, reverse, shuffle."""
    browser = browse(page.url, width=390, height=800)
    browser.wait_for("document.getElementById('model').textContent.includes('units')")
    assert browser.run("document.documentElement.scrollWidth") == 390
    browser.run("document.getElementById('stream').value = 'typed'")
    browser.run("document.getElementById('values').focus()")
    browser.type("0.5,1; 1.5,-1; 0.25,2")
    browser.press("Enter")
    browser.wait_for("document.getElementById('status').textContent === 'Step 3 is stored.'")
    answer = classifier.stream().steps([[0.5, 1], [1.5, -1], [0.25, 2]])[2]
    shown = browser.run("document.getElementById('answer').textContent")
    best = classifier.classes_[int(answer.argmax())]
    assert f"{best}, {100 * answer.max():.1f} %" in shown  # the name of a class is text, not markup
    assert browser.run("document.querySelectorAll('#output-legend b').length") == 0
    pixels = "document.getElementById('state').getContext('2d').getImageData(0, 0, 30, 30).data"
    assert browser.run(f"[...{pixels}].some((value) => value > 0)")
    browser.run("document.getElementById('scroll').focus()")
    browser.press("ArrowLeft")
    assert browser.run("document.getElementById('answer').textContent").startswith("Step 2 ")
    browser.run("document.getElementById('rewind').click()")
    browser.wait_for("document.getElementById('status').textContent.includes('back at step 2')")
    assert page.request("GET", "/streams/typed").record["last"] == 2
    browser.run("document.getElementById('reverse').click()")
    browser.wait_for("document.querySelectorAll('#orders tbody tr').length === 2")
    browser.run("document.getElementById('values').value = '9,9'")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for("document.getElementById('status').textContent === 'Step 3 is stored.'")
    reply = page.request("POST", "/streams/typed/steps", {"n": 4, "x": [[0, 0]]}).record
    stream = classifier.stream()
    stream.steps([[0.5, 1], [1.5, -1], [9, 9]])
    assert reply["y"] == [stream.step([0, 0]).tolist()]
    assert browser.console == []


def test_the_page_says_what_is_wrong(page: Any, browse: Callable[..., Any]) -> None:
    """A step of another width, and a stream that another client moved."""
    browser = browse(page.url)
    browser.wait_for("document.getElementById('model').textContent !== ''")
    status = "document.getElementById('status').textContent"
    for text, said in [("1 2 3", "expected 2 values"), ("1,two", "expected numbers"), ("", "no values")]:
        browser.run(f"document.getElementById('values').value = '{text}'")
        browser.run("document.getElementById('values-form').requestSubmit()")
        browser.wait_for(f"{status}.includes('{said}')")
    browser.run("document.getElementById('stream').value = 'shared'")
    browser.run("document.getElementById('values').value = '1,2'")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for(f"{status} === 'Step 1 is stored.'")
    page.request("POST", "/streams/shared/steps", {"n": 2, "x": [[0, 0]]})
    browser.run("document.getElementById('values').value = '3,4'")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for(f"{status}.includes('Another client')")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for(f"{status} === 'Step 3 is stored.'")


def test_a_locked_page_asks_for_the_token(
    new_server: Callable[..., Any], classifier: Any, browse: Callable[..., Any]
) -> None:
    """And steps with it, over HTTP and the WebSocket."""
    locked = new_server(model=classifier, token=TOKEN)
    browser = browse(locked.url)
    browser.wait_for("!document.getElementById('token-form').hidden")
    browser.run(f"document.getElementById('token').value = '{TOKEN}'")
    browser.run("document.getElementById('token-form').requestSubmit()")
    browser.wait_for("document.getElementById('model').textContent !== ''")
    browser.run("document.getElementById('values').value = '1,2'")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for("document.getElementById('status').textContent === 'Step 1 is stored.'")


def _type(browser: Any, text: str, said: str) -> None:
    """Type into the field, submit it, and wait for the status."""
    browser.run(f"document.getElementById('values').value = {json.dumps(text)}")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for(f"document.getElementById('status').textContent.includes({json.dumps(said)})")


def test_a_page_of_text_shows_tokens_and_writes_on(
    new_server: Callable[..., Any], language_model: Any, browse: Callable[..., Any]
) -> None:
    """A column a token; what is written is stored, and rewinding takes it back."""
    server = new_server(model=language_model)
    browser = browse(server.url, width=390, height=800)
    browser.wait_for("document.getElementById('model').textContent.includes('units')")
    assert browser.run("document.documentElement.scrollWidth") == 390
    _type(browser, "to be", "Step 5 is stored.")
    best = language_model.predict_proba("to be")[-1].max()
    assert f"{100 * best:.1f} %" in browser.run("document.getElementById('answer').textContent")
    browser.run("document.getElementById('scroll').focus()")
    browser.press("Home")
    assert browser.run("document.getElementById('answer').textContent").startswith("Step 1 (“t”): next “")
    browser.run("document.getElementById('rewind').click()")
    browser.wait_for("document.getElementById('status').textContent.includes('back at step 1')")
    browser.run("document.getElementById('write').click()")
    browser.wait_for("document.getElementById('status').textContent.startsWith('It wrote: ')")
    assert server.request("GET", "/streams/first").record["last"] == 61
    _type(browser, "  ", "There is no text")
    browser.run("document.getElementById('shuffle').click()")
    browser.wait_for("document.querySelectorAll('#orders tbody tr').length === 2")
    assert browser.console == []


def test_a_page_of_sound_reads_a_file(
    new_server: Callable[..., Any], audio_classifier: Any, tones: Any, browse: Callable[..., Any]
) -> None:
    """A column a frame, from a file of the model's rate; rewinding goes to the end of a frame."""
    server = new_server(model=audio_classifier, options={"threshold": 0.6})
    browser, wav = browse(server.url), io.BytesIO()
    browser.wait_for("document.getElementById('model').textContent.includes('units')")
    samples = (tones * 30_000).astype(np.int16)
    wavfile.write(wav, 8000, samples)
    content = base64.b64encode(wav.getvalue()).decode()
    browser.run(
        "(() => { const transfer = new DataTransfer(), input = document.getElementById('file');"
        f"const bytes = Uint8Array.from(atob('{content}'), (each) => each.charCodeAt(0));"
        "transfer.items.add(new File([bytes], 'tones.wav')); input.files = transfer.files;"
        "input.dispatchEvent(new Event('change')); })()"
    )
    browser.wait_for("document.getElementById('values').value === 'tones.wav, 0.4 s'")
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for("document.getElementById('status').textContent === '0.40 s are stored.'")
    live = audio_classifier.stream(threshold=0.6)
    answer = live.feed(samples)[-1]
    shown = browser.run("document.getElementById('answer').textContent")
    assert shown.endswith(f" s: {int(answer.argmax())}, {100 * answer.max():.1f} %")
    found = browser.run("document.getElementById('detections').textContent")
    assert f"at {live.detections[0].seconds:.2f} s" in found
    browser.run("document.getElementById('scroll').focus()")
    browser.press("Home")
    browser.run("document.getElementById('rewind').click()")
    browser.wait_for("document.getElementById('status').textContent.includes('back at sample 200')")
    assert server.request("GET", "/streams/first").record["last"] == 200
    browser.run("document.getElementById('values-form').requestSubmit()")
    browser.wait_for("document.getElementById('status').textContent.includes('s are stored')")
    assert server.request("GET", "/streams/first").record["last"] == 3400
    assert browser.console == []
