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
playwright.expect.set_options(timeout=30_000)  # the first event of a kind is compiled for
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
AT_THE_END = "innerHeight + scrollY >= document.documentElement.scrollHeight - 2"
LOCAL = {"127.0.0.1", "localhost", "::1", "None"}
FACE = np.ones((8, 16), np.uint8)
FACE[:, :4] = 0


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    save_toy(folder / "toy")
    save_toy(folder / "second")
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    pictures.write_index_png(folder / "face.png", FACE, SPACE)
    (folder / "bad.png").write_bytes(b"this is no picture")
    return folder


@pytest.fixture(scope="module")
def address(workplace):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "demo.py"), "--checkpoint=toy", "--checkpoint=second", f"--port={port}"]
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
    with page.expect_file_chooser() as chooser:
        button(page, "Upload a map").click()
    chooser.value.set_files(file)


def shown(page):
    """The large map as the browser has it."""
    return page.locator("#canvas img").get_attribute("src")


def shows(page, source):
    playwright.expect(page.locator("#canvas img")).to_have_attribute("src", source)


def history(page, *titles):
    playwright.expect(page.locator("#history button")).to_have_text(titles)


def index_map(page):
    return pictures.decode_index_map(downloaded(page, "Map"), "map.png", SPACE, FACE.size)


def reads(page, line):
    message = page.get_by_role("alert").filter(has_text=line)
    playwright.expect(message).to_be_visible()
    assert (
        message.bounding_box()["y"] + message.bounding_box()["height"] <= page.locator(".viewport").bounding_box()["y"]
    )
    for toast in page.locator(".toast-body").all():
        assert not toast.is_visible()


def downloaded(page, name):
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Download {name}", exact=True).click()
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
    np.testing.assert_array_equal(index_map(page), repeat(toy_generator(), downloaded(page, "Record").decode()))
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
    record = json.loads(downloaded(page, "Record"))
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
    button(page, "Show picture").click()
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
    button(page, "Show picture").click()
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


def paint(page, *places):
    """Drags over places of the map, as shares of its width and height."""
    canvas = page.locator("#canvas canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for number, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_map_is_painted_and_made_plausible(open_page):
    page = open_page()
    button(page, "Blank map").click()
    history(page, "blank")
    button(page, "Paint").click()
    page.get_by_role("radio", name="eye").last.click()
    paint(page, (0.3, 0.5), (0.6, 0.5))
    page.get_by_role("radio", name="face").last.click()
    button(page, "Fill").click()
    paint(page, (0.1, 0.1))
    button(page, "Eraser").click()
    paint(page, (0.01, 0.01))
    button(page, "Keep painting").click()
    history(page, "blank", "painted")
    painted = index_map(page)
    assert painted[0, 0] == 0 and painted[4, 7] == SPACE.channel("eye") and painted[7, 15] == SPACE.channel("face")
    button(page, "Paint").click()
    page.get_by_role("radio", name="hat").last.click()
    paint(page, (0.9, 0.9))
    button(page, "Undo stroke").click()
    playwright.expect(button(page, "Keep painting")).to_be_hidden()
    button(page, "Make it plausible").click()
    history(page, "blank", "painted", "+ hat")
    playwright.expect(page.locator("#samples button")).to_have_count(4)
    made = index_map(page)
    assert made[0, 0] == 0 and (made == SPACE.channel("hat")).any()
    np.testing.assert_array_equal(made, repeat(toy_generator(), downloaded(page, "Record").decode()))
    button(page, "Before").click()
    playwright.expect(page.get_by_alt_text("the map before the last step")).to_be_visible()


def test_drawings_survive_a_reload_and_sessions_are_downloaded_and_opened(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    page.get_by_label("hat").last.check()
    button(page, "Add").click()
    history(page, "uploaded", "+ hat")
    page.locator("#samples button").nth(2).click()
    shows(page, page.locator("#samples img").nth(2).get_attribute("src"))
    button(page, "Paint").click()
    paint(page, (0.5, 0.5))
    before, session = shown(page), downloaded(page, "Session")
    page.reload()
    history(page, "uploaded", "+ hat")
    shows(page, before)
    playwright.expect(button(page, "Keep painting")).to_be_visible()
    button(page, "Start anew").click()
    history(page)
    page.reload()
    button(page, "Generate").wait_for()
    (workplace / "session.json").write_bytes(session)
    with page.expect_file_chooser() as chooser:
        button(page, "Open a session").click()
    chooser.value.set_files(workplace / "session.json")
    history(page, "uploaded", "+ hat")
    shows(page, before)
    (workplace / "session.json").write_bytes(session[:-5])
    with page.expect_file_chooser() as chooser:
        button(page, "Open a session").click()
    chooser.value.set_files(workplace / "session.json")
    reads(page, "this is not JSON")
    shows(page, before)


def test_the_region_is_gone_after_its_edit_and_stays_for_another_look(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    button(page, "Brush region").click()
    paint(page, (0.4, 0.5), (0.6, 0.5))
    region = lambda: page.evaluate("JSON.parse(localStorage.getItem('segvae:pending')).region")
    assert region()
    button(page, "Other look").click()
    page.get_by_label("face").last.check()
    button(page, "Restyle").click()
    history(page, "uploaded", "↻ face")
    assert region() == ""
    assert json.loads(downloaded(page, "Record"))["calls"][1]["region"]


def test_models_are_switched_and_each_has_its_own_session(open_page, workplace, address):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    names = page.get_by_role("navigation", name="Model").get_by_role("link")
    playwright.expect(names.first).to_have_attribute("aria-current", "page")
    assert names.all_inner_texts()[:4] == ["toy", "second", "cartoon", "fashion"]
    names.nth(2).click()
    page.get_by_role("button", name="Generate", exact=True).wait_for()
    assert page.url == f"{address}model-cartoon"
    page.get_by_label("hair").first.wait_for()
    playwright.expect(names.nth(2)).to_have_attribute("aria-current", "page")
    history(page)
    page.go_back()
    history(page, "uploaded")


def test_a_seed_out_of_range_is_corrected_in_its_field(open_page):
    page = open_page()
    seed = page.get_by_label("Seed")
    for given, used in (("-5", "0"), ("99999999999", str(2**31 - 2))):
        seed.fill(given)
        seed.blur()
        playwright.expect(seed).to_have_value(used)
    generate(page)
    assert json.loads(downloaded(page, "Record"))["calls"][0]["seed"] == 2**31 - 2


def test_a_zoomed_map_is_painted_where_the_hand_is(open_page, workplace):
    page = open_page()
    upload(page, workplace / "face.png")
    history(page, "uploaded")
    size = lambda: page.locator("#canvas img").bounding_box()["width"]
    before = size()
    button(page, "Zoom in").click()
    assert size() == pytest.approx(2 * before, rel=0.02)
    button(page, "Paint").click()
    page.get_by_role("radio", name="hat").last.click()
    page.locator(".viewport").evaluate("view => view.scrollTo(view.scrollWidth, view.scrollHeight)")
    corner = page.locator(".viewport").bounding_box()
    page.mouse.click(corner["x"] + 0.98 * corner["width"], corner["y"] + 0.96 * corner["height"])
    button(page, "Keep painting").click()
    history(page, "uploaded", "painted")
    assert index_map(page)[7, 15] == SPACE.channel("hat") and (index_map(page)[:, :12] == FACE[:, :12]).all()
    button(page, "Zoom out").click()
    assert size() == pytest.approx(before, rel=0.02)


def test_the_buttons_of_edits_stay_in_reach_on_a_phone(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    generate(page)
    for scrolled in ("scrollTo(0, 0), scrollY === 0", f"scrollTo(0, 10 ** 6), {AT_THE_END}"):
        page.wait_for_function(scrolled)
        for name in ("Restyle", "Remove", "Add", "Add all ticked", "Make it plausible"):
            box = button(page, name).bounding_box()
            assert 0 <= box["x"] and box["x"] + box["width"] <= 390 and 0 < box["y"] and box["y"] + box["height"] <= 844
    bar = page.locator("#actions").bounding_box()
    last = page.get_by_label("8").last.bounding_box()  # nothing lies under the bar at the end of the page
    assert last["y"] + last["height"] <= bar["y"]


AUDIT = pathlib.Path(__file__).with_name("audit.js").read_text("utf-8")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_contrast_and_sizes_are_those_of_wcag(open_page, width, scheme):
    page = open_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert page.evaluate(AUDIT) == []
    generate(page)
    button(page, "Paint").click()
    assert page.evaluate(AUDIT) == []


def test_a_map_is_painted_with_the_keyboard_alone(open_page):
    page = open_page()
    focus(page, "document.activeElement.closest('#blank')")
    page.keyboard.press("Enter")
    history(page, "blank")
    page.mouse.move(0, 0)
    focus(page, "document.activeElement.closest('[data-tool=paint]')")
    page.keyboard.press("Space")
    focus(page, "document.activeElement.closest('.paints button')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Tab")
    focus(page, "document.activeElement.closest('#canvas canvas')")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    playwright.expect(button(page, "Keep painting")).to_be_visible()
    focus(page, "document.activeElement.closest('[data-keep]')")
    page.keyboard.press("Enter")
    history(page, "blank", "painted")
    assert set(np.unique(index_map(page))) == {0, SPACE.channel("eye")}


def test_the_server_asks_nobody(open_page, workplace):
    generate(open_page())
    assert set((workplace / "hosts").read_text().split()) <= LOCAL


def test_a_port_that_is_taken_is_told_in_one_line_before_anything_is_loaded(workplace, address):
    port = address.rstrip("/").rsplit(":")[-1]
    command = [sys.executable, str(ROOT / "demo.py"), "--checkpoint=nowhere", f"--port={port}"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(f"error: cannot listen at 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1
