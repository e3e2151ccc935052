"""Serves the page of the toy model without compiling anything before: python toy_server.py PORT

A map of seed 777 takes two seconds, and there is room for few uploads and sessions.
"""

import sys
import time

from toy import toy_generator

from segvae_jax.app import requests
from segvae_jax.app.models import PageModel
from segvae_jax.app.serving import serve_models

SLOW = 777
ROOM = 2**16
SESSIONS = 40  # more than the queue is long


def slow_generator():
    generator = toy_generator()
    generate = generator.generate

    def slowly(labels, num, seed, temperature):
        time.sleep(2 if seed == SLOW else 0)
        return generate(labels, num, seed, temperature)

    generator.generate = slowly
    return generator


if __name__ == "__main__":
    requests._MAX_UPLOADS, requests.SESSIONS = ROOM, SESSIONS
    serve_models([PageModel("toy", "", slow_generator(), None)], "127.0.0.1", int(sys.argv[1]))
