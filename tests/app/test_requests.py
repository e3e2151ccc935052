"""What the server of the page takes from programs that are not the page, while it goes on for the others."""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from pages import ROOT
from toy import SPACE
from toy_server import ROOM, SESSIONS, SLOW

from segvae_jax import pictures

pytest.importorskip("gradio", reason="the page needs Gradio")
from benchmarks.page_client import API, PageClient  # needs what comes with Gradio

FACE = np.ones((8, 16), np.uint8)


class Server:
    """The page of a toy model in a process of its own, and what it says."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.uploads, self.errors = folder / "uploads", folder / "errors"
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": str(self.uploads),
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        }  # fmt: skip
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "tests/app/toy_server.py", str(port)],
                cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        self.address = f"http://127.0.0.1:{port}"
        line = self.process.stdout.readline()
        assert line.startswith(f"open {self.address}/"), self.errors.read_text()

    def memory(self):
        """Megabytes of memory in use."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return *self.process.communicate(timeout=60), self.process.returncode


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    assert server.process.poll() is not None or server.stop()[1:] == (None, 0)


@pytest.fixture(scope="module")
def user(server):
    user = PageClient(server.address)
    yield user
    user.http.close()


@pytest.fixture
def client(server, user):
    """A user of the server; whatever a test sends, nothing is in the log at its end."""
    yield user
    assert server.errors.read_text() == ""


@pytest.fixture
def generate(client):
    return client.event("generate", "one", {3: ["face"]})


def reason(client, event):
    """The one line that a mistake is answered with."""
    answer = client.completed(event)
    assert not answer["success"]
    return answer["output"]["error"]


def test_the_page_itself_is_answered(client, generate):
    answer = client.completed(generate)
    assert answer["success"] and "data:image/png" in json.dumps(answer["output"])
    assert client.http.get("/").headers["content-security-policy"].startswith("default-src 'self'")


def test_repeated_names_count_once(client):
    once, often = (
        client.completed(client.event("generate", f"names{count}", {3: ["face", "hat"] * count}))["output"]["data"]
        for count in (1, 100_000)
    )
    assert once == often


def test_a_mistake_is_one_line_on_the_page(client):
    for name in ("Remove", "Add", "play"):
        assert "there is no map yet" in reason(client, client.event(name, "mistaken"))
    assert "nose" in reason(client, client.event("generate", "mistaken", {3: ["nose"]}))


def test_a_class_that_is_not_on_the_map_any_more_is_one_line(client):
    assert client.completed(client.event("generate", "late", {3: ["face"]}))["success"]
    assert "hat" in reason(client, client.event("Remove", "late", {3: ["hat"]}))


@pytest.mark.parametrize("way", ["run", "api", "call", "call/v2"])
def test_no_call_goes_past_the_queue(client, generate, way):
    for name in ("predict", "answer", str(generate["fn_index"])):
        for slash in ("", "/"):
            assert client.http.post(f"{API}/{way}/{name}{slash}", json=generate).status_code == 404


def test_the_queue_has_an_end(client):
    assert client.completed(client.event("generate", "first", {3: ["face"]}))["success"]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        slow = [client.event("generate", f"queue{number}", {3: ["face"], 5: SLOW}) for number in range(45)]
        answers = list(pool.map(client.join, slow))
    statuses = [answer.status_code for answer in answers]
    assert {answer.json()["detail"][:13] for answer in answers if answer.status_code == 503} == {"Queue is full"}
    assert set(statuses) == {200, 503} and 32 <= statuses.count(200) <= 40
    for each, answer in zip(slow, answers, strict=True):
        if answer.status_code == 200:  # so that the next test does not wait
            waiting = {**each, "event_id": answer.json()["event_id"]}
            client.http.post(f"{API}/cancel", json=waiting)


def test_long_bodies_are_refused_and_cost_no_memory(server, client):
    before = server.memory()
    names = ["face"] * 2_000_000
    body = json.dumps(client.event("generate", "long", {3: names})).encode()
    for _ in range(10):
        assert client.http.post(f"{API}/queue/join", content=body).status_code == 413
    pieces = (b"[" * 2**16 for _ in range(200))  # without a length in the head
    assert client.http.post(f"{API}/queue/join", content=pieces).status_code == 413
    files = [("files", (f"{number}.png", b"0" * 2**20)) for number in range(6)]
    assert client.http.post(f"{API}/upload", files=files).status_code == 413
    assert server.memory() < before + 100


BAD = {
    "no JSON": b"{", "no text": b"\xff\xfe", "nested deeply": b"[" * 10**4, "a list": b"[]", "nothing": b"{}",
    "no number": b'{"data": NaN}', "empty": b"",
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@pytest.mark.parametrize("path", ["queue/join", "cancel", "reset", "upload"])
def test_a_bad_body_is_answered_with_4xx(client, body, path):
    answer = client.http.post(f"{API}/{path}", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text


def test_bad_values_are_answered_with_422(client):
    """In the order of the values: the classes that are ticked, the number of maps, the seed and the temperature."""
    wrong = {
        "names": [3, "x", True, {}, [3], [[]], [None], None],
        "number of maps": [3, "4", True, {}, [4], None, 10**400],
        "seed": ["0", True, {}, [0]],
        "temperature": ["1", True, {}, [1], -0.1, 1e308, 10**400, None],
    }  # fmt: skip
    for place, values in zip((3, 4, 5, 6), wrong.values(), strict=True):
        for value in values:
            bad = client.event("generate", "one", {3: ["face"], place: value})
            assert client.join(bad).status_code == 422, (place, value)
    for region in (None, "", {}, {"region": 3}, {"region": ""}, {"region": "", "paint": 3}, []):
        assert client.join(client.event("Add", "one", {4: region})).status_code == 422, region
    for number in (None, {}, {"number": "x"}, {"number": None}, {"number": 1.5}, [1]):
        assert client.join(client.event("history", "one", event_data=number)).status_code == 422, number


@pytest.mark.parametrize(("given", "used"), [(-1, 0), (2**31, 2**31 - 2), (1e308, 2**31 - 2), (2.6, 3), (None, 0)])
def test_a_seed_out_of_range_is_corrected(client, given, used):
    answer = client.completed(client.event("generate", "seed", {3: ["face"], 5: given}))
    assert record(answer)["calls"][0]["seed"] == used


def record(answer):
    """The record in an answer."""
    text = next(re.search(r'map.json" href="data:application/json;base64,([^"]*)', value) for value in texts(answer))
    return json.loads(base64.b64decode(text[1]))


def texts(answer):
    return [value for value in answer["output"]["data"] if isinstance(value, str) and "map.json" in value]


def test_a_session_is_opened_again_and_a_damaged_one_is_one_line(client):
    made = client.completed(client.event("generate", "kept", {3: ["face"], 5: 12}))
    held = next(re.search(r'session.json" href="data:application/json;base64,([^"]*)', text) for text in texts(made))
    session = base64.b64decode(held[1])
    again = client.completed(client.event("restore", "later", event_data={"session": session.decode()}))
    assert record(again) == record(made)
    path = client.upload(session).json()[0]
    assert record(client.completed(client.event("reopen", "other", {3: {"path": path}}))) == record(made)
    for damaged in ("", "{}", session[:-9].decode()):
        assert "\n" not in reason(client, client.event("restore", "later", event_data={"session": damaged}))
    for data in (None, {}, {"session": 3}, []):
        assert client.join(client.event("restore", "later", event_data=data)).status_code == 422


def test_bad_events_are_answered_with_422(client, generate):
    for change in (
        {"fn_index": "0"}, {"fn_index": 10**6}, {"fn_index": None}, {"fn_index": True}, {"session_hash": None},
        {"session_hash": "a" * 100}, {"session_hash": "\ud800"}, {"session_hash": ["a"]}, {"session_hash": ""},
        {"data": {}}, {"data": generate["data"][1:]}, {"data": None},
    ):  # fmt: skip
        assert client.join({**generate, **change}).status_code == 422, change
    ignored = {"batched": True, "simple_format": True, "event_id": "x", "oauth_token": "x", "trigger_id": "x"}
    assert client.completed({**generate, **ignored})["success"]


def test_what_else_gradio_has_is_out_of_reach(client):
    for path in ("component_server", "process_recording", "vibe-edit", "stream/x", "run-history/connect"):
        assert client.http.post(f"{API}/{path}", json={}).status_code == 404
    assert client.http.put(f"{API}/upload").status_code == client.http.delete("/").status_code == 405
    for session in ("", "never"):
        assert client.http.get(f"{API}/queue/data", params={"session_hash": session}).status_code == 404


def test_an_upload_is_loaded_and_no_other_file(server, client, tmp_path):
    path = client.upload(pictures.index_png_bytes(FACE, SPACE)).json()[0]
    assert client.completed(client.event("upload", "up", {3: {"path": path}}))["success"]
    (tmp_path / "secret.png").write_bytes(pictures.index_png_bytes(FACE, SPACE))
    others = (f"{tmp_path}/secret.png", "/etc/passwd", f"{path}/../../../../etc/passwd", "", None, 3, "a\0b", path[:-1])
    for other in (*others, str(pathlib.Path(path).parent), "x" * 10**5):
        assert client.join(client.event("upload", "up", {3: {"path": other}})).status_code == 422, other


def test_an_upload_that_is_no_map_is_one_line(client):
    path = client.upload(b"GIF89a").json()[0]
    assert "cannot be read as an image" in reason(client, client.event("upload", "up", {3: {"path": path}}))


PART = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--x--\r\n'


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""])
@pytest.mark.parametrize(
    "body",
    [b"", b"--x\r\n\r\n", PART, PART.replace(b"files", b"\xff"), b"\xff" * 99],
    ids=["empty", "cut", "a text", "no name", "no text"],
)
def test_a_bad_upload_is_answered_with_4xx(client, kind, body):
    answer = client.http.post(f"{API}/upload", content=body, headers={"content-type": kind})
    assert 400 <= answer.status_code < 500 or answer.json() == []


def test_a_session_that_reads_no_answer_is_refused(client):
    statuses = [client.join(client.event("play", "silent")).status_code for _ in range(12)]
    assert statuses == [200] * 8 + [429] * 4


def test_the_session_that_was_used_least_recently_gives_way(client):
    assert client.completed(client.event("generate", "oldest", {3: ["face"]}))["success"]
    for number in range(SESSIONS):
        client.completed(client.event("play", f"new{number}"))
    assert "there is no map yet" in reason(client, client.event("play", "oldest"))


def test_answers_that_nobody_reads_are_bounded(client):
    """Also while they are still to be made."""
    client.join(client.event("generate", "unread0", {3: ["face"], 5: SLOW}))
    for number in range(SESSIONS + 5):
        assert client.join(client.event("play", f"unread{number}")).status_code in (200, 503)
    assert client.http.get(f"{API}/queue/data", params={"session_hash": "unread0"}).status_code == 404


def test_uploads_have_a_limit_in_all_and_end_with_the_server(server, client):
    """The last test of the file: the server is stopped in it."""
    statuses = [client.upload(bytes([number])).status_code for number in range(ROOM // 4096 + 5)]
    assert statuses[0] == 200 and statuses[-1] == 503 and set(statuses) == {200, 503}
    assert any(path.is_file() for path in server.uploads.rglob("*"))
    assert server.stop()[1:] == (None, 0)
    assert not any(path.is_file() for path in server.uploads.rglob("*"))
    assert list(server.uploads.glob("segvae_page_*")) == []
