"""Wrong arguments of the Python API: one line of the project's own error, which names the value.

The calls are made in a process of their own, as in the tests' one types are checked before the functions are called.
"""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from segvae_jax import errors
from segvae_jax.arguments import checked_temperature, whole
from segvae_jax.errors import ArgumentError

ROOT = pathlib.Path(__file__).parent.parent
SCRIPT = """
import json, sys
import numpy as np
from segvae_jax.bulk import Request, write_shards
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.editing import Change, Edits
from segvae_jax.errors import SegVAEError
from segvae_jax.generation import Generator
from segvae_jax.index_maps import IndexMaps
from segvae_jax.interop.export import export
from segvae_jax.labels import LabelSpace

space = LabelSpace(("face", "eye", "hat"))
card = lambda name: ModelCard(space, {"image_size": (8, 8)}, np.ones((1, 4), bool), np.ones(1, int), name=name)
g, scaled = (Generator(card(name), {"params": {}}) for name in ("segvae", "hierarchical"))
sets, maps = np.ones((2, 4), bool), np.ones((2, 8, 8), np.uint8)
shapes = np.ones((2, 8, 8, 4), bool)
edits = Edits(maps, shapes, maps > 0, maps > 0)
bulk = lambda **changes: write_shards(g, Request(3, sets), sys.argv[1], **changes)

def outcome(call):
    try:
        return "", repr(eval(call))
    except SegVAEError as error:
        return type(error).__name__, str(error)
    except Exception as error:
        return "foreign", repr(error)

print(json.dumps([outcome(call) for call in json.load(sys.stdin)]))
"""

_NUM = [f"g.generate('face', {num})" for num in ("0", "-1", "True", "2.0", "'3'", "None", "2**31", "10**400", "[1]")]
_SEED = [f"g.generate('face', 1, {seed})" for seed in ("2**31", "-1", "True", "0.0", "None", "np.int64(2**40)")]
_TEMPERATURE = [
    f"g.generate('face', temperature={t})"
    for t in ("float('nan')", "float('inf')", "-float('inf')", "1e38", "10.001", "-0.1", "True", "'1'", "None", "[1.0]")
]
_SCALES = [
    f"scaled.generate('face', temperature={{'4x4': {t}}})" for t in ("float('nan')", "1e38", "-1", "None", "True")
]
_WHOLE = "whole number from"
CASES = {
    "ArgumentError": [
        *((call, f"num=.*{_WHOLE} 1 to 2147483647") for call in _NUM),
        *((call, f"seed=.*{_WHOLE} 0 to 2147483647") for call in _SEED),
        *((call, "temperature=.*expected a number from 0 to 10") for call in _TEMPERATURE),
        *((call, "temperature of '4x4'=.*expected a number from 0 to 10") for call in _SCALES),
        ("g.generate('face', temperature={})", "expected a number"),
        ("g.generate_each(sets, 2**31)", "seed=2147483648"),
        ("g.generate_each(sets, 0, float('nan'))", "temperature=nan"),
        ("g.generate_class_maps(sets, first=-1)", "first=-1"),
        ("g.generate_class_maps(sets, first=2**31 - 2)", "first=2147483646"),
        ("g.generate_class_maps(sets, temperature=1e38)", "temperature=1e"),
        ("g.interpolate('face', 0, (0, 1))", "steps=0"),
        ("g.interpolate('face', 2.5, (0, 1))", "steps=2.5"),
        ("g.interpolate('face', 3, (0, 2**31))", "seed=2147483648"),
        ("g.interpolate('face', 3, (0, 1, 2))", r"seeds=\(0, 1, 2\): expected two"),
        ("g.interpolate('face', 3, 7)", "seeds=7"),
        ("g.interpolate('face', 3, (0, 1), float('inf'))", "temperature=inf"),
        ("g.random_label_sets(0)", "num=0"),
        ("g.random_label_sets(2, seed=1.5)", "seed=1.5"),
        ("g.random_label_sets(2, first=-3)", "first=-3"),
        ("g.picture(maps, columns=0)", "columns=0"),
        ("g.picture(maps, scale=0)", "scale=0: expected a whole number from 1 to 64"),
        ("g.picture(maps[0], scale=1.5)", "scale=1.5"),
        ("g.sampler([])", r"devices=\[\]"),
        ("g.sampler(None)", "devices=None"),
        ("g.save('')", "directory=''"),
        ("g.save(None)", "directory=None: expected a path"),
        ("g.save(3)", "directory=3"),
        ("g.save('~nobody_here/x')", "directory='~nobody_here/x': no such user"),
        (r"g.save('a\0b')", "directory="),
        ("Generator.load(None)", "checkpoint=None: expected a path"),
        ("Generator.load([])", r"checkpoint=\[\]"),
        ("Generator.from_pretrained(b'cartoon')", "checkpoint=b'cartoon'"),
        ("Generator.load('cartoon', step='7')", "step='7'"),
        ("Generator.load('cartoon', True)", "step=True"),
        ("Generator.load('cartoon', -1)", "step=-1"),
        ("export('cartoon', None)", "out=None"),
        ("g.add(maps[0], 'eye', num=0)", "num=0"),
        ("g.add(maps[0], 'eye', seed=-1)", "seed=-1"),
        ("g.add(maps[0], 'eye', temperature=float('nan'))", "temperature=nan"),
        ("g.restyle(maps[0], 'face', num=True)", "num=True"),
        ("g.complete(maps[0], ['face', 'eye'], seed=2**31)", "seed=2147483648"),
        ("g.edit(maps[0], 'eye', candidates=0)", "candidates=0"),
        ("g.edit(maps[0], 'eye', candidates=10**6)", "candidates=1000000.*1 to 256"),
        ("g.reshape(maps[0], 'face', 0)", "steps=0"),
        ("g.reshape(maps[0], 'face', 2, seed=0.5)", "seed=0.5"),
        ("edits.first(0)", "num=0"),
        ("edits.first(-1)", "num=-1"),
        ("Request(0)", "num=0"),
        ("Request(True)", "num=True"),
        ("Request(5, seed=2**31)", "seed=2147483648"),
        ("Request(5, temperature=float('nan'))", "temperature=nan"),
        ("Request(5, shard_size=0)", "shard_size=0"),
        ("Request(5, format='zip')", "format='zip': expected one of arrayrecord, png"),
        ("Request(5, format=[])", r"format=\[\]"),
        ("bulk(process_index=2, process_count=2)", "process_index=2"),
        ("bulk(process_count=0)", "process_count=0"),
        ("write_shards(g, Request(3, sets), None)", "directory=None"),
    ],
    "LabelError": [
        ("g.generate(['face', 'hatt'])", "unknown label 'hatt' .did you mean 'hat'"),
        ("g.generate([])", "no label given"),
        ("g.generate(['face', 'face'])", "'face' is named twice"),
        ("g.generate('face,eyy')", "unknown label 'eyy' .did you mean 'eye'"),
        ("g.generate(['face,eye'])", "unknown label 'face,eye'"),
        ("g.generate(',')", "no label given"),
        ("g.generate(None)", "label None"),
        ("g.generate(['face', 3])", "label 3"),
        ("g.generate(b'face')", "label 102"),
        ("g.interpolate(['eye', 'eye'], 2, (0, 1))", "'eye' is named twice"),
        ("space.channel(4)", "unknown label 4"),
        ("space.decode(sets[0, 1:])", r"a label-set of shape \(3,\): expected \(4,\)"),
        ("g.generate_each(sets[:, 1:])", r"label-sets of shape \(2, 3\), bool: expected bool of shape \(N, 4\)"),
        ("g.generate_each(sets[0])", r"label-sets of shape \(4,\)"),
        ("g.generate_each(sets[:0])", "N at least 1"),
        ("g.generate_each(sets.astype(float))", "float64"),
        ("g.generate_each(None)", "object"),
        ("g.generate_each([[True], [True, False]])", "object"),
        ("g.generate_class_maps(np.ones((2, 5), bool))", r"\(2, 5\)"),
        ("g.add(maps[0], 'hatt')", "unknown label 'hatt'"),
        ("g.add(maps[0], ['eye', 'eye'])", "'eye' is named twice"),
        ("g.add(maps[0], 5)", "label 5"),
        ("g.add(maps[0], None)", "label None"),
        ("g.remove(maps[0], [])", "nothing to edit"),
        ("g.complete(maps[0], [2])", "label 2"),
        ("g.complete(maps[0], ['eye', 'eye'])", "'eye' is named twice"),
        ("g.reshape(maps[0], 'hat', 2)", "'hat' is not in the map"),
        ("Change(space, maps[0], add='hatt')", "unknown label 'hatt'"),
        ("Request(5, sets[0])", "label-sets of shape"),
        ("Request(5, sets.astype(int))", "int64"),
        ("write_shards(g, Request(3, sets[:, 1:]), sys.argv[1])", r"\(2, 3\), bool: expected bool of shape \(N, 4\)"),
        ("IndexMaps(maps, 'space')", "space='space'"),
    ],
    "MapError": [
        *(
            (f"g.{call}", "a map of shape .*expected one class index per pixel")
            for call in (
                "add(maps[None], 'eye')", "add(maps[:0], 'eye')", "add(None, 'eye')",
                "remove(maps[0].astype(float), 'face')",
                "restyle(maps[0] > 0, 'face')", "complete(maps[0][:0], 'eye')", "reshape([[1], [1, 2]], 'face', 2)",
                "picture(maps[0, 0])", "picture(maps[:0])", "picture(maps.astype(float))",
            )
        ),
        ("g.add('map', 'eye')", "map: cannot be read as an image"),
        ("g.add(maps[0] + 8, 'eye')", "the map holds index 9: the model knows 0 to 3"),
        ("g.add(maps[0].astype(int) - 2, 'eye')", "the map holds index -1"),
        ("g.picture(maps + 3)", "the map holds index 4"),
        ("g.add(maps[0], 'eye', region=maps[0])", "a region of .*expected an array of bool"),
        ("g.add(maps[0], 'eye', region=[[True]])", "a region of .*expected an array of bool"),
        ("g.add(maps[0], 'eye', region=np.ones((3, 3), bool))", "a region of .3, 3. pixels"),
        ("g.posterior(shapes[..., 1:])", r"class maps of shape \(2, 8, 8, 3\).*\(N, 8, 8, 4\)"),
        ("g.posterior(shapes[0])", "class maps of shape"),
        ("g.posterior(shapes[:0])", "N at least 1"),
        ("g.reconstruct(shapes[:, 1:])", "class maps of shape"),
        ("g.reconstruct(shapes.astype(np.float32))", "float32: expected bool"),
        ("g.reconstruct(None)", "class maps of shape"),
        ("IndexMaps(maps.astype(int), space)", "int64: expected uint8"),
        ("IndexMaps(maps[0, 0], space)", "index maps of shape"),
        ("IndexMaps(maps + 3, space)", "index 4: the label space has 0 to 3"),
    ],
    "CheckpointError": [
        ("scaled.generate('face', temperature={'2x2': 1.0})", "temperature of '2x2': no such scale"),
        ("g.generate('face', temperature={'4x4': 1.0})", "a single temperature"),
        ("write_shards(g, Request(3, temperature={'4x4': 1.0}), sys.argv[1])", "a single temperature"),
        ("Generator.load('cartoon', 7)", "step 7 is not saved"),
    ],
}  # fmt: skip
CALLS = [(call, kind, message) for kind, cases in CASES.items() for call, message in cases]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, tuple[str, str]]:
    folder, calls = tmp_path_factory.mktemp("calls") / "maps", [call for call, _, _ in CALLS]
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    given = {"input": json.dumps(calls), "capture_output": True, "text": True, "cwd": ROOT, "check": True}
    found = json.loads(subprocess.run(command, **given).stdout)
    assert not folder.exists(), "what is refused is refused before a folder is taken"
    return dict(zip(calls, map(tuple, found), strict=True))


@pytest.mark.parametrize(("call", "kind", "message"), CALLS, ids=[call for call, _, _ in CALLS])
def test_a_wrong_argument_is_named_in_one_line(outcomes, call, kind, message):
    found, text = outcomes[call]
    assert found == kind, text
    assert issubclass(getattr(errors, found), errors.SegVAEError) and "\n" not in text and len(text) < 250
    assert re.search(message, text), text


def test_numbers_of_any_type_are_taken():
    for number in (3, np.int64(3), np.uint8(3), np.array(3)):
        assert whole("num", number) == 3 and type(whole("num", number)) is int
    for temperature in (0.5, np.float32(0.5), np.array(0.5)):
        assert checked_temperature(temperature) == 0.5
    assert checked_temperature(0) == 0 and checked_temperature(10) == 10
    assert checked_temperature({"4x4": np.float64(2)}) == {"4x4": 2.0}


def test_absurd_values_are_shown_in_short():
    with pytest.raises(ArgumentError, match="num=a int: expected"):
        whole("num", 10**5000)
    with pytest.raises(ArgumentError) as caught:
        whole("num", "x" * 10_000)
    assert len(str(caught.value)) < 120
