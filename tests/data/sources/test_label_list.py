import json

import pytest
from layout_writers import refusal

from segvae_jax.data.sources.label_list import LabelList, merged, read_labels
from segvae_jax.errors import DataError, LabelError, SegVAEError

NAMES = ["nothing", "jacket", "skirt", "blazer", "bag", "shoe"]
LISTED = dict(enumerate(NAMES))
COLOURS = {i: (40 * i, 255 - i, i) for i in range(6)}
COLOURED = list(zip(NAMES, COLOURS.values(), strict=True))
HEX = {colour: f"#{bytes(colour).hex()}" for colour in COLOURS.values()}


def csv_of(header: str = "", colours: bool = False, quote: str = "") -> str:
    cells = [[i, quote + name + quote, *(COLOURS[i] if colours else ())] for i, name in LISTED.items()]
    return header + "\n".join(",".join(map(str, row)) for row in cells)


@pytest.mark.parametrize(
    ("name", "text", "colours"),
    [
        ("names.txt", "\n".join(NAMES), {}),
        ("names.txt", "\ufeff" + "\r\n".join(NAMES) + "\r\n\r\n", {}),
        ("names", "\n".join(NAMES), {}),
        ("names.json", json.dumps(NAMES), {}),
        ("names.json", json.dumps(dict(reversed(LISTED.items()))), {}),
        ("names.csv", csv_of(), {}),
        ("names.csv", csv_of("index,name\n"), {}),
        ("names.CSV", csv_of("id, class, r, g, b\n\n", colours=True) + "\n", COLOURS),
        ("names.csv", csv_of(colours=True, quote='"').replace(",", " , ").replace(' "', '"'), COLOURS),
        ("names.csv", "name,r,g,b\n" + "\n".join(f"{name},{r},{g},{b}" for name, (r, g, b) in COLOURED), COLOURS),
        ("names.csv", "\n".join(f"{i},{n},{HEX[c]}" for i, (n, c) in enumerate(COLOURED)), COLOURS),
        ("names.csv", "name,colour\n" + "\n".join(f"{name}, {HEX[c]}" for name, c in COLOURED), COLOURS),
        ("names.csv", "\n".join(f"{name},{HEX[c]}" for name, c in COLOURED), COLOURS),
        ("names.json", json.dumps({name: HEX[c] for name, c in COLOURED}), COLOURS),
        ("names.json", json.dumps(dict(COLOURED)), COLOURS),
        ("names.txt", "\r\n".join(f"{name}\t {HEX[c]} " for name, c in COLOURED), COLOURS),
    ],
    ids=[
        "text",
        "text of Windows",
        "no ending",
        "list",
        "object",
        "CSV",
        "header",
        "colours",
        "spaces and quotes",
        "colours by name",
        "hex colours",
        "hex colours by name",
        "no header",
        "object of colours",
        "object of triples",
        "text with colours",
    ],
)
def test_labels_come_as_text_json_or_csv(tmp_path, name, text, colours):
    (tmp_path / name).write_bytes(text.encode())
    assert read_labels(tmp_path / name) == LabelList(LISTED, colours)


def test_indices_may_be_left_out_and_index_0_is_the_background(tmp_path):
    path = tmp_path / "names.json"
    path.write_text('{"7": "tree", "2": " road "}')
    assert read_labels(path).names == {0: "background", 7: "tree", 2: "road"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("names.json", "[broken", "cannot be read as a label list (Expecting value"),
        ("names.txt", b"\xff\xfe\xfa", "cannot be read as a label list ('utf-8' codec"),
        ("names.json", '"hat"', "expected a list of names or an object index -> name"),
        ("names.json", "3", "expected a list of names or an object index -> name"),
        ("names.json", "[]", "names no class"),
        ("names.json", '{"0": "nothing"}', "names no class"),
        ("names.txt", "", "index 0 has the name ''"),
        ("names.txt", "background\n", "names no class"),
        ("names.json", '["background", 3]', "index 1 has the name 3: expected an index from 0 to 255 and a name"),
        ("names.json", '{"hat": 1, "hair": 2}', "index 'hat' has the name 1"),
        ("names.json", '{"0": "background", "-1": "hat"}', "index '-1' has the name 'hat'"),
        ("names.json", '{"0": "background", "256": "hat"}', "index '256' has the name 'hat'"),
        ("names.txt", "background\n\nhat\n", "index 1 has the name ''"),
        ("names.txt", "\n".join(map(str, range(257))), "index 256 has the name '256'"),
        ("names.txt", "background\nhat, helmet", "name 'hat, helmet': ',' separates names"),
        ("names.txt", "background\nhat\nhair\nhat\n", "index 3, name 'hat': one of them is listed twice"),
        ("names.json", '{"0": "background", "1": "hat", "01": "hair"}', "index 01, name 'hair': one of them is listed"),
        ("names.csv", "0,background\n1", "row '1': expected index,name or index,name,red,green,blue"),
        ("names.csv", "0,background\n1,hat,3,4", "row '1,hat,3,4': expected index,name or"),
        ("names.csv", "0;background\n1;hat", "row '1;hat': expected index,name or"),
        ("names.csv", "0,background\nhat,1", "index 'hat' has the name '1'"),
        ("names.csv", "0,background,0,0,0\n1,hat,3,4,256", "colour of 'hat' is 3,4,256: expected three numbers from 0"),
        ("names.csv", "0,background,0,0,0\n1,hat", "'hat' has no colour: give one to every index, or to none"),
        ("names.csv", "background,#000000\nhat,1", "index 'hat' has the name '1'"),
        (
            "names.csv",
            "0,background,#000000\n1,hat,red",
            "colour of 'hat' is red: expected three",
        ),
        ("names.csv", "background,0,0,0\nhat,0,0,-1", "colour of 'hat' is 0,0,-1: expected three numbers"),
        ("names.json", '{"background": "#000000", "hat": "#ff00"}', "index 'background' has the name '#000000'"),
        ("names.json", '{"background": [0, 0, 0], "hat": [0, 0]}', "colour of 'hat' is 0,0: expected three numbers"),
        ("names.json", '{"background": "#000000", "hat": [0, 0.5, 1]}', "colour of 'hat' is 0,0.5,1: expected three"),
        ("names.txt", "background\nhat #00ff00", "'background' has no colour: give one to every index, or to none"),
    ],
)
def test_a_malformed_label_list_is_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = refusal(read_labels, path)
    assert error.startswith(f"{path}: ") and message in error


def test_a_missing_label_list_is_refused(tmp_path):
    error = refusal(read_labels, tmp_path / "missing.json")
    assert error.startswith(f"{tmp_path / 'missing.json'}: cannot be read as a label list ")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", ["jacket", "skirt", "blazer", "bag", "shoe"]),
        ("jacket,blazer=coat", ["coat", "skirt", "coat", "bag", "shoe"]),
        (" jacket , blazer = coat ;; bag=thing; ", ["coat", "skirt", "coat", "thing", "shoe"]),
        ("blazer=jacket", ["jacket", "skirt", "jacket", "bag", "shoe"]),
        ("jacket,blazer=jacket", ["jacket", "skirt", "jacket", "bag", "shoe"]),
        ("bag=shoe;shoe=bag", ["jacket", "skirt", "blazer", "shoe", "bag"]),
        ("bag,shoe=background", ["jacket", "skirt", "blazer", "background", "background"]),
        ("bag=nothing", ["jacket", "skirt", "blazer", "background", "shoe"]),
    ],
)
def test_rules_join_names(rules, expected):
    assert merged(LISTED, rules) == dict(enumerate(["background", *expected]))


@pytest.mark.parametrize(
    ("rules", "error_type", "message"),
    [
        ("coat", DataError, "data.merge rule 'coat': expected old,old=new"),
        ("bag=", DataError, "data.merge rule 'bag=': expected old,old=new"),
        ("=bag", DataError, "data.merge rule '=bag': expected old,old=new"),
        ("bag,=thing", DataError, "data.merge rule 'bag,=thing': expected old,old=new"),
        ("bag=shoe=thing", DataError, "data.merge rule 'bag=shoe=thing': expected old,old=new"),
        ("bag=thing;coat=jacket,blazer", DataError, "data.merge rule 'coat=jacket,blazer': expected old,old=new, as in "
         "jacket,blazer=coat"),
        ("coat=jacket", LabelError, "data.merge names 'coat' (did you mean jacket=coat?): known labels are bag,"),
        ("jacket,cape=coat", LabelError, "data.merge names 'cape': known labels are bag, blazer, jacket, nothing,"),
        ("bag=a;bag=b", LabelError, "data.merge has 'bag' on the left twice"),
        ("bag,bag=a", LabelError, "data.merge has 'bag' on the left twice"),
        ("bag,nothing=a", LabelError, "data.merge names 'nothing': index 0 is the background and cannot become"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused(rules, error_type, message):
    assert refusal(merged, LISTED, rules, error_type=error_type).startswith(message)
    assert issubclass(error_type, SegVAEError)
