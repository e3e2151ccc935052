"""Uses the web page as several people do for an hour, and prints its memory over time, its errors and its mistakes.

    python -m benchmarks.page_load [--hours=1] [--users=8] [--limit=10] [--checkpoint=cartoon]

A person is taken to do something every 15 seconds. The script leaves these pauses out and does all the rest: each user
sends the next event as soon as the last one is answered, so the queue is fuller than with people. What depends on the
clock, that sessions and uploads of long ago are dropped, is not tried. It ends after `--limit` minutes in any case, and
says how much of the time it got through. A user counts an answer as mixed if its record has a call that the user did
not make, and at the end each last map is made again from its record.
"""

import base64
import dataclasses
import itertools
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from absl import flags
from jaxtyping import UInt8

from benchmarks.page_client import PageClient
from segvae_jax import pictures
from segvae_jax.app.session import MAX_PIXELS, repeat
from segvae_jax.cli.script import run_user_script
from segvae_jax.editing import present_classes
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace

PAUSE = 15  # seconds of a person between two events
_ROOT = Path(__file__).parent.parent
_WAYS = (["generate"] * 4 + ["samples"] * 3 + ["Restyle"] * 3 + ["Add"] * 2 + ["Remove"] * 2
         + ["↶ Undo"] * 2 + ["↷ Redo", "history", "upload", "play"])  # fmt: skip
_RECORD = re.compile(r'download="map.json" href="data:application/json;base64,([^"]*)"')


@dataclasses.dataclass
class User:
    """A user, who knows which calls are theirs.

    Attributes:
      client: of the page.
      number: of the user; the seeds of user n are n million and up.
      space: classes of the page.
      events, refused, failed, mixed: how many events were answered, were answered with a mistake of the user, were not
        answered as they should be, and were answered with a record of someone else.
      record, url: of the map that is shown.
    """

    client: PageClient
    number: int
    space: LabelSpace
    events: int = 0
    refused: int = 0
    failed: int = 0
    mixed: int = 0
    record: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        self._random = random.Random(self.number)
        self._seeds = itertools.count(10**6 * self.number)
        self._present: list[str] = []
        height, width = 24, 16 + self.number  # no other user uploads a map of this size
        self._own = pictures.index_png_bytes(np.ones((height, width), np.uint8), self.space)

    def act(self) -> None:
        """Sends one event, and checks its answer."""
        try:
            answer = self.client.completed(self._event(self._random.choice(_WAYS)))
        except httpx.HTTPError as error:
            self.failed += 1
            print(f"user {self.number}: {error}", file=sys.stderr)
            return
        self.events += 1
        if answer["success"]:
            self._look_at(answer["output"]["data"])
        else:
            self.refused += 1
            self.failed += "error" not in answer["output"]

    def _event(self, way: str) -> dict[str, Any]:
        chance, session = self._random, f"user{self.number}"
        some = chance.sample(self.space.classes, chance.randint(1, len(self.space.classes)))
        absent = [name for name in self.space.classes if name not in self._present]
        one = lambda names: [chance.choice(names)] if names else []
        values: dict[int, Any] = {}
        if way == "generate":
            values = {3: some, 4: chance.choice((4, 8, 16)), 5: next(self._seeds)}
        elif way in ("Restyle", "Add"):
            values = {3: one(self._present if way == "Restyle" else absent), 6: next(self._seeds)}
        elif way == "Remove":
            values = {3: one(self._present)}
        elif way == "upload":
            values = {3: {"path": self.client.upload(self._own).raise_for_status().json()[0]}}
        number = chance.randrange(4) if way in ("samples", "history") else None
        return self.client.event(way, session, values, event_data={"number": number})

    def _look_at(self, data: list[Any]) -> None:
        """Checks the record, if the answer has one, and notes what is shown."""
        records = [match[1] for text in data if isinstance(text, str) and (match := _RECORD.search(text))]
        if not records:
            return
        self.record = base64.b64decode(records[0]).decode()
        self.url = next(value["map"] for value in data if isinstance(value, dict) and "map" in value)
        calls = json.loads(self.record)["calls"]
        seeds = [call["seed"] // 10**6 for call in calls if "seed" in call]
        png = base64.b64encode(self._own).decode()
        foreign = [call for call in calls if call["call"] == "load" and call["png"] != png]
        self.mixed += bool(foreign) or any(seed != self.number for seed in seeds)
        self._present = list(present_classes(self.index_map(), self.space))

    def index_map(self) -> UInt8[np.ndarray, "H W"]:
        """The map that is shown."""
        png = base64.b64decode(self.url.partition(",")[2])
        return pictures.decode_index_map(png, "map", self.space, MAX_PIXELS)


def simulate(address: str, pid: int, space: LabelSpace, users: int, hours: float, limit: float) -> list[User]:
    """Lets users use a page at the same time, and prints a row about every thirtieth of the time limit.

    Args:
      address: of the page.
      pid: of the process of its server.
      space: classes of the page.
      users: how many.
      hours: of use by people.
      limit: seconds after which it ends in any case.
    """
    people = [User(PageClient(address), number, space) for number in range(1, users + 1)]
    start, wanted = time.monotonic(), round(3600 * hours / PAUSE)
    elapsed = lambda: time.monotonic() - start

    def use(user: User) -> None:
        while user.events + user.failed < wanted and elapsed() < limit:
            user.act()

    threads = [threading.Thread(target=use, args=(user,)) for user in people]
    print(" seconds   events   refused   failed   mixed   memory of the server in MB")
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        _print_row(elapsed(), people, pid)
        _wait(threads, elapsed() + limit / 30, elapsed)
    _print_row(elapsed(), people, pid)
    done = min(user.events for user in people) * PAUSE / 3600
    print(f"{users} users, each of whom got through {done:.2f} of {hours:g} hours at one event in {PAUSE} seconds")
    return people


def _wait(threads: list[threading.Thread], until: float, elapsed: Callable[[], float]) -> None:
    for thread in threads:
        thread.join(max(0, until - elapsed()))


def _print_row(seconds: float, people: list[User], pid: int) -> None:
    total = lambda name: sum(getattr(user, name) for user in people)
    counts = f"{total('events'):>9}{total('refused'):>10}{total('failed'):>9}{total('mixed'):>8}"
    print(f"{seconds:>8.0f}{counts}{memory(pid):>10.0f}", flush=True)


def memory(pid: int) -> float:
    """Megabytes of memory that a process holds (Linux)."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def main(argv: list[str]) -> None:
    """Starts the page, uses it, and stops it; exits with status 1 if an answer was missing or mixed."""
    given = flags.FLAGS
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "demo.py", f"--checkpoint={given.checkpoint}", f"--port={port}"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            if not (address := re.search(r"http://\S+", server.stdout.readline())):
                sys.exit("the page did not start")
            generator = Generator.load(given.checkpoint)
            people = simulate(address[0], server.pid, generator.space, given.users, given.hours, 60 * given.limit)
        finally:
            server.terminate()
    same = [np.array_equal(repeat(generator, user.record), user.index_map()) for user in people if user.record]
    print(f"{sum(same)} of {len(same)} last maps are those of their records; the server ended with {server.returncode}")
    sys.exit(not all(same) or any(user.failed or user.mixed for user in people))


if __name__ == "__main__":
    flags.DEFINE_float("hours", 1.0, "Hours of use by people.", 0.0)
    flags.DEFINE_integer("users", 8, "How many there are.", 1, 32)
    flags.DEFINE_float("limit", 10.0, "Minutes after which it ends in any case.", 0.0, 60.0)
    flags.DEFINE_string("checkpoint", "cartoon", "As of demo.py.")
    run_user_script(main)
