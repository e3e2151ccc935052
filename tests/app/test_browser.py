"""The page in a browser: what users do on it, alone and beside one another, with a mouse, a keyboard and a phone."""

import base64
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from toy import SPACE, save_toy, toy_generator

from segvae_jax import pictures
from segvae_jax.app.session import region_of, repeat

pytest.importorskip("gradio", reason="the page needs Gradio")
playwright = pytest.importorskip("playwright.sync_api", reason="a browser is driven by playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.timeout(600),
]
ROOT = pathlib.Path(__file__).parent.parent.parent
# Runs in the server before anything else: notes every name it looks up and every host it talks to.
WATCH = """
import os, sys
def note(event, args):
    if event == "socket.getaddrinfo" or event == "socket.connect":
        host = args[0] if event == "socket.getaddrinfo" else args[1][0] if isinstance(args[1], tuple) else "localhost"
        with open(os.environ["HOSTS"], "a") as file:
            print(host, file=file)
sys.addaudithook(note)
"""
LOCAL = {"127.0.0.1", "localhost", "::1", "None"}
FACE = np.ones((8, 16), np.uint8)
FACE[:, :4] = 0


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    save_toy(folder / "toy")
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    pictures.write_index_png(folder / "face.png", FACE, SPACE)
    (folder / "bad.png").write_bytes(b"this is no picture")
    return folder


@pytest.fixture(scope="module")
def address(workplace):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "demo.py"), "--checkpoint=toy", f"--port={port}"]
    environment = {
        **os.environ, "PYTHONPATH": f"{workplace / 'watch'}:{ROOT}", "HOSTS": str(workplace / "hosts"),
        "XLA_FLAGS": "--xla_backend_optimization_level=0", "GRADIO_TEMP_DIR": str(workplace / "uploads"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }  # fmt: skip
    with (workplace / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=workplace, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            line = server.stdout.readline()
            assert line.startswith(f"open http://127.0.0.1:{port}/"), (workplace / "log").read_text()
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.communicate(timeout=60)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Opens pages of users of their own; afterwards none of them has asked another server, or failed in a script."""
    contexts, asked, failed = [], [], []

    def opened(**options):
        contexts.append(browser.new_context(accept_downloads=True, **options))
        contexts[-1].set_default_timeout(30_000)
        contexts[-1].on("request", lambda request: asked.append(request.url))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(address)
        page.get_by_role("button", name="Generate", exact=True).wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert failed == []


def generate(page):
    button(page, "Generate").click()
    page.locator("#samples button").nth(7).wait_for()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def upload(page, file):
    page.locator("input[type=file]").set_input_files(file)


def shown(page):
    """The large map as the browser has it."""
    return page.locator("#canvas img").get_attribute("src")


def shows(page, source):
    playwright.expect(page.locator("#canvas img")).to_have_attribute("src", source)


def history(page, *titles):
    playwright.expect(page.locator("#history button")).to_have_text(titles)


def index_map(page):
    return pictures.decode_index_map(downloaded(page, "PNG"), "map.png", SPACE, FACE.size)


def reads(page, line):
    playwright.expect(page.get_by_text(line, exact=True)).to_be_visible()


def downloaded(page, name):
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    return pathlib.Path(download.value.path()).read_bytes()


def test_one_of_many_maps_is_picked_and_returned_to(open_page):
    page = open_page()
    generate(page)
    thumbnail = page.locator("#samples button").nth(5)
    picked = thumbnail.locator("img").get_attribute("src")
    assert shown(page) != picked
    thumbnail.click()
    shows(page, picked)
    playwright.expect(page.get_by_label("Seed")).to_have_value("1")
    button(page, "Generate").click()
    history(page, "new", "new")
    button(page, "↶ Undo").click()
    shows(page, picked)
    button(page, "↷ Redo").click()
    playwright.expect(button(page, "↷ Redo")).to_be_disabled()
    page.locator("#history button").first.click()
    shows(page, picked)


def test_a_map_is_uploaded_edited_and_downloaded_with_its_record(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    np.testing.assert_array_equal(index_map(page), FACE)
    page.get_by_label("hat").last.check()
    button(page, "Add").click()
    history(page, "uploaded", "+ hat")
    page.locator("#samples button").nth(3).click()
    shows(page, page.locator("#samples img").nth(3).get_attribute("src"))
    np.testing.assert_array_equal(index_map(page), repeat(toy_generator(), downloaded(page, "JSON").decode()))
    button(page, "↶ Undo").click()
    playwright.expect(button(page, "↷ Redo")).to_be_enabled()  # the classes are those of the map before
    page.get_by_label("face").last.check()
    button(page, "Remove").click()
    history(page, "uploaded", "− face")
    assert (index_map(page) != 1).all()


def test_a_brushed_region_bounds_the_edit(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    page.get_by_label("face").last.check()
    button(page, "Brush region").click()
    box = page.locator("#canvas canvas").bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    page.mouse.up()
    button(page, "Restyle").click()
    history(page, "uploaded", "↻ face")
    record = json.loads(downloaded(page, "JSON"))
    region = region_of(record["calls"][1]["region"])
    assert region.shape == FACE.shape and region[4, 8] and not region[0].any() and not region[:, :5].any()
    assert (index_map(page)[~region] == FACE[~region]).all()


def test_the_map_grows_class_by_class(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    still = shown(page)
    button(page, "▶ Growth").click()
    playwright.expect(page.locator("#canvas img")).to_have_attribute("src", re.compile("^data:image/gif"))
    with Image.open(io.BytesIO(base64.b64decode(shown(page).partition(",")[2]))) as animation:
        assert animation.n_frames == 1 + len(np.unique(FACE[FACE > 0]))  # nothing, then class by class
    button(page, "■ Stop").click()
    shows(page, still)
    assert shown(page) == still


def test_a_map_and_its_edits_are_seen_as_pictures(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    still = shown(page)
    button(page, "Picture").click()
    playwright.expect(page.get_by_alt_text("the map as a picture")).to_be_visible()
    first = shown(page)
    assert first != still and first == f"data:image/png;base64,{base64.b64encode(downloaded(page, 'Picture')).decode()}"
    with Image.open(io.BytesIO(downloaded(page, "Picture"))) as picture:
        assert picture.mode == "RGB" and picture.size == FACE.shape[::-1]
    button(page, "Other look").click()
    playwright.expect(page.locator("#canvas img")).not_to_have_attribute("src", first)
    other = shown(page)
    page.get_by_label("face").last.check()
    button(page, "Remove").click()
    history(page, "uploaded", "− face")
    assert shown(page) not in (first, other, still)
    button(page, "↶ Undo").click()
    shows(page, other)
    button(page, "Picture").click()
    shows(page, still)


def test_a_bad_upload_is_one_line_and_the_page_goes_on(open_page, workplace):
    page = open_page()
    upload(page, workplace / "bad.png")
    reads(page, "your map: cannot be read as an image (not a PNG file): replace or remove the file")
    button(page, "Restyle").click()
    reads(page, "there is no map yet: generate or upload one first")
    generate(page)
    history(page, "new")
    assert "Traceback" not in (workplace / "log").read_text()


def test_users_do_not_see_one_another(open_page, workplace):
    one, other = open_page(), open_page()
    generate(one)
    upload(other, workplace / "face.png")
    history(other, "uploaded")
    history(one, "new")
    button(one, "Generate").click()
    history(one, "new", "new")
    button(other, "▶ Growth").click()
    button(other, "■ Stop").wait_for()
    np.testing.assert_array_equal(index_map(other), FACE)


def test_a_phone_has_nothing_to_scroll_to_the_side(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for _ in range(2):
        width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert width <= 390
        generate(page)


def test_the_keyboard_reaches_and_presses_all_that_it_takes(open_page):
    page = open_page()
    focus(page, "document.activeElement.closest('#generate')")
    page.keyboard.press("Enter")
    page.locator("#samples button").nth(7).wait_for()
    focus(page, "document.activeElement.closest('#samples button:nth-child(3)')")
    page.keyboard.press("Enter")
    third = page.locator("#samples button").nth(2)
    playwright.expect(third).to_have_attribute("aria-pressed", "true")
    assert third.locator("img").get_attribute("src") == shown(page)


def focus(page, reached):
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(f"Boolean({reached})"):
            return
    raise AssertionError(f"never reached: {reached}")


def test_the_server_asks_nobody(open_page, workplace):
    generate(open_page())
    assert set((workplace / "hosts").read_text().split()) <= LOCAL


def test_a_port_that_is_taken_is_told_in_one_line_before_anything_is_loaded(workplace, address):
    port = address.rstrip("/").rsplit(":")[-1]
    command = [sys.executable, str(ROOT / "demo.py"), "--checkpoint=nowhere", f"--port={port}"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(f"error: cannot listen at 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1
