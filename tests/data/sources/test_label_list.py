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


def listed(tmp_path, name: str, text: str) -> LabelList:
    (tmp_path / name).write_text(text, "utf-8")
    return read_labels(tmp_path / name)


def test_indices_may_be_left_out_and_index_0_is_the_background(tmp_path):
    for text in ('{"7": "tree", "2": " road "}', '{"tree": 7, "road": 2}'):
        assert listed(tmp_path, "names.json", text) == LabelList({0: "background", 7: "tree", 2: "road"})


HATS = {0: "background", 1: "hat", 2: "left shoe"}
HAT_COLOURS = {0: (0, 0, 0), 1: (255, 128, 0), 2: (1, 2, 3)}
WAYS = {
    "from 0": ("n.txt", "0 background\n1 hat\n2 left shoe\n", {}),
    "any order": ("n.txt", "2: left shoe\n\n0: background\n1: hat", {}),
    "from 1": ("n.txt", "1 hat\n2 left shoe", {}),
    "points": ("n.txt", "0. background\n1. hat\n2. left shoe", {}),
    "dashes": ("n.txt", "0 - background\n1 - hat\n2 - left shoe", {}),
    "brackets": ("n.txt", "0) background\n1) hat\n2) left shoe", {}),
    "tabs": ("n.txt", "0\tbackground\n1\that\n2\tleft shoe", {}),
    "commas": ("n.txt", "0, background\n1, hat\n2, left shoe", {}),
    "equals": ("n.txt", "0=background\n1=hat\n2=left shoe", {}),
    "leading zeros": ("n.txt", "000 background\n001 hat\n002 left shoe", {}),
    "names first": ("n.txt", "background: 0\nhat: 1\nleft shoe: 2", {}),
    "comments": ("n.txt", "\n# things\n  # more\nbackground\n// clothes\nhat  # any\nleft shoe\n# end", {}),
    "comments on numbers": ("n.txt", "# id name\n1 hat # any\n\n2 left shoe\n", {}),
    "numbers and colours": ("n.txt", "0 background 0 0 0\n1 hat #ff8000\n2 left shoe 1,2,3", HAT_COLOURS),
    "colours after names": ("n.txt", "background 0 0 0\nhat: 255, 128, 0\nleft shoe #010203", HAT_COLOURS),
    "colours before names": ("n.txt", "0 0 0\tbackground\n255 128 0\that\n1 2 3\tleft shoe", HAT_COLOURS),
    "CVAT": ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\nhat:255,128,0:brim:\n"
             "left shoe:1,2,3::walk,run\n", HAT_COLOURS),
    "CVAT without colours": ("labelmap.txt", "background:::\nhat:::\nleft shoe:::", {}),
    "old Macintosh": ("n.txt", "background\rhat\rleft shoe\r", {}),
    "YAML": ("n.yaml", "path: data\nnames:\n  0: background\n  1: hat\n  2: left shoe\n", {}),
    "YAML list": ("n.yml", "# ours\n- background\n- hat\n- left shoe\n", {}),
    "YAML in one line": ("n.YAML", "nc: 3\nnames: [background, hat, left shoe]", {}),
    "YAML colours": ("n.yaml", "background: '#000000'\nhat: [255, 128, 0]\nleft shoe: [1, 2, 3]", HAT_COLOURS),
    "hub": ("n.json", '{"id2label": {"0": "background", "1": "hat", "2": "left shoe"}, "label2id": {"x": 3}}', {}),
    "COCO": ("n.json", '{"categories": [{"id": 2, "name": "left shoe", "isthing": 1}, '
             '{"id": 1, "name": "hat", "isthing": 0}]}', {}),
    "objects": ("n.json", '[{"name": "background", "color": [0, 0, 0]}, {"name": "hat", "color": [255, 128, 0]},'
                ' {"name": "left shoe", "color": "#010203"}]', HAT_COLOURS),
    "semicolons": ("n.csv", "index;name\n0;background\n1;hat\n2;left shoe", {}),
    "TSV": ("n.tsv", "0\tbackground\n1\that\n2\tleft shoe", {}),
    "one column": ("n.csv", "background\nhat\nleft shoe", {}),
    "columns in another order": ("n.csv", "r,g,b,Class Name,id,area\n1,2,3,left shoe,2,7\n0,0,0,background,0,1\n"
                                 "255,128,0,hat,1,9", HAT_COLOURS),
    "pandas": ("n.csv", ",label\n2,left shoe\n1,hat\n0,background", {}),
    "label is the index": ("n.csv", "label,name\n2,left shoe\n1,hat", {}),
    "colours in one cell": ("n.csv", '# ours\nname,rgb\nbackground,"0, 0, 0"\nhat,"(255,128,0)"\nleft shoe,1 2 3',
                            HAT_COLOURS),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_list_is_read_as_meant(tmp_path, way):
    name, text, colours = WAYS[way]
    assert listed(tmp_path, name, text) == LabelList(HATS, colours)


def test_a_list_may_be_utf_16(tmp_path):
    (tmp_path / "n.txt").write_bytes("void\r\nétoile\r\n".encode("utf-16"))
    assert read_labels(tmp_path / "n.txt").names == {0: "void", 1: "étoile"}


def test_labelme_has_the_index_255_for_what_it_ignores(tmp_path):
    assert listed(tmp_path, "labels.txt", "__ignore__\n_background_\nhat\nshoe\n") == LabelList(
        {255: "__ignore__", 0: "_background_", 1: "hat", 2: "shoe"}, background=frozenset({0, 255})
    )


@pytest.mark.parametrize("name", ["background", "Void", "UNLABELED", "unlabelled", "_background_", "Unknown", "null"])
def test_the_background_is_what_is_called_so_wherever_it_is_listed(tmp_path, name):
    names = {0: "hat", 1: "shoe", 7: name}
    by_index = listed(tmp_path, "n.json", json.dumps(names))
    assert (by_index.names, by_index.background, by_index.by_index) == (names, {7}, True)
    by_colour = listed(tmp_path, "n.csv", f"hat,0,0,9\n{name},5,5,5\nshoe,0,0,0")
    assert (by_colour.background, by_colour.by_index) == ({1}, False)
    assert listed(tmp_path, "n.txt", f"{name}\nhat") == LabelList({0: name, 1: "hat"})


def test_black_is_the_background_of_a_list_of_colours_without_indices(tmp_path):
    assert listed(tmp_path, "n.csv", "hat,0,0,9\nrest,0,0,0\nshoe,9,0,0").background == {1}
    assert listed(tmp_path, "n.csv", "0,rest,0,0,0\n1,shoe,9,0,0").background == {0}
    error = refusal(listed, tmp_path, "n.csv", "0,wall,9,9,9\n1,tyre,0,0,0")
    assert "index 0 is 'wall': if it is the background, call it 'background'; if not, give the background" in error


def test_several_indices_may_be_background(tmp_path):
    found = listed(tmp_path, "n.json", '{"0": "background", "1": "hat", "255": "void"}')
    assert found.background == {0, 255}
    assert merged(found, "void=background") == {0: "background", 1: "hat", 255: "background"}
    assert listed(tmp_path, "n.json", '{"1": "hat", "255": "void"}').background == {0, 255}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("n.txt", "hat\nshoe", "the first entry is 'hat': if it is the background, call it 'background'; if not, put"),
        ("n.txt", "hat 0\nbackground 1", "the first entry is 'hat 0'"),
        ("n.txt", "hat\nshoe\nbackground", "'background' is not the first entry: put it first, or write the index"),
        ("n.txt", "void\nbackground\nhat", "'background' is not the first entry"),
        ("n.txt", "names:\n  0: background\n  1: hat", "line 2, '0: background': expected a name, or in all lines an"),
        ("n.txt", "background\n1 hat\n2 shoe", "line 2, '1 hat': expected a name"),
        ("n.txt", "background\n- hat", "line 2, '- hat': expected a name"),
        ("n.txt", "background\nhat: 2", "line 2, 'hat: 2': expected a name"),
        ("n.txt", "background\nhat:255,0,0::", "line 2, 'hat:255,0,0::': expected a name"),
        ("n.txt", "background\n% clothes\nhat", "line 2, '% clothes': expected a name"),
        ("n.txt", "background\nhat #red", "line 2, 'hat #red': expected a name"),
        ("n.json", '["hat", "background"]', "'background' is not the first entry"),
        ("n.json", '{"0": "background", "1": "hat", "1": "shoe"}', "key '1' is listed twice"),
        ("n.json", '{"0": "wall", "1": "floor"}', "index 0 is 'wall': if it is the background, call it"),
        ("n.json", '{"wall": 0, "floor": 1}', "index 0 is 'wall'"),
        ("n.json", '{"wall": [1, 2, 3], "floor": "#ffffff"}', "the first entry is 'wall'"),
        ("n.json", '["background", "a\\nb"]', "name 'a\\nb': expected at most 80 characters, all visible"),
        ("n.json", json.dumps(["background", "x" * 1000]), "expected at most 80 characters, all visible"),
        ("n.json", "[" * 100_000, "cannot be read as a label list (nested too deeply)"),
        ("n.json", '["background", ' + "[" * 900 + "]" * 900 + "]", "index 1 has the name [[["),
        ("n.json", "[" + "9" * 5000 + "]", "cannot be read as a label list (Exceeds the limit"),
        ("n.yaml", "0: background\n1: hat\n1: shoe", "key '1' is listed twice"),
        ("n.yaml", "names: {0: wall, 1: no}", "index 0 is 'wall'"),
        ("n.yaml", "a: &a [x]\nb: *a", "YAML aliases are not read"),
        ("n.yaml", "- [", "cannot be read as a label list (while parsing a flow"),
        ("n.yaml", "", "expected a list of names or an object index -> name"),
        ("n.csv", "name,r,g,b\nhat,1,2,3\nshoe,4,5,6", "the first entry is 'hat': if it is the background, call it "
         "'background'; if not, add an entry for it"),
        ("n.csv", "nr,name\n0,background\n1,hat", "columns 'nr,name': expected one with the indices, `index`"),
        ("n.csv", "id,value,name\n0,7,background\n1,8,hat", "columns 'id,value,name': expected one with the indices"),
        ("n.csv", "Klasse,Farbe\nbackground,#000000", "columns 'Klasse,Farbe': expected one with the indices"),
        ("n.csv", "index,name\n0,background\n1", "row '1': expected 2 values, as many as there are columns"),
        ("n.csv", "x,1,2,3" + "1" * 5000, "colour of 'x' is 1,2,3111"),
        ("n.csv", '0,background\n1,"' + "x" * 200_000, "field larger than field limit"),
    ],
)  # fmt: skip
def test_a_list_in_which_something_could_shift_or_be_lost_is_refused(tmp_path, name, text, message):
    error = refusal(listed, tmp_path, name, text)
    assert error.startswith(f"{tmp_path / name}: ") and message in error and "\n" not in error and len(error) < 500


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("names.json", "[broken", "cannot be read as a label list (Expecting value"),
        ("names.txt", b"\xff\xfe\xfa", "cannot be read (line 1 is not UTF-16: save it as UTF-8"),
        ("names.json", '"hat"', "expected a list of names or an object index -> name"),
        ("names.json", "3", "expected a list of names or an object index -> name"),
        ("names.json", "[]", "names no class"),
        ("names.json", '{"0": "nothing"}', "names no class"),
        ("names.txt", "", "names no class"),
        ("names.txt", "background\n", "names no class"),
        ("names.json", '["background", 3]', "index 1 has the name 3: expected an index from 0 to 255 and a name"),
        ("names.json", '{"hat": 1, "2": "hair"}', "index 'hat' has the name 1"),
        ("names.json", '{"0": "background", "-1": "hat"}', "index '-1' has the name 'hat'"),
        ("names.json", '{"0": "background", "256": "hat"}', "index '256' has the name 'hat'"),
        ("names.txt", "background\n\nhat\n", "line 2, '': expected a name"),
        ("names.txt", "\n".join(["void", *map(str, range(256))]), "index 256 has the name '255'"),
        ("names.txt", "background\nhat, helmet", "name 'hat, helmet': ',' separates names"),
        ("names.txt", "background\nhat\nhair\nhat\n", "index 3, name 'hat': one of them is listed twice"),
        ("names.json", '{"0": "background", "1": "hat", "01": "hair"}', "index 01, name 'hair': one of them is listed"),
        ("names.csv", "0,background\n1", "row '1': expected index,name or index,name,red,green,blue"),
        ("names.csv", "0,background\n1,hat,3,4", "colour of 'hat' is 3,4: expected three numbers"),
        ("names.csv", "0,background\nhat,1", "index 'hat' has the name '1'"),
        ("names.csv", "0,background,0,0,0\n1,hat,3,4,256", "colour of 'hat' is 3,4,256: expected three numbers from 0"),
        ("names.csv", "0,background,0,0,0\n1,hat", "'hat' has no colour: give one to every index, or to none"),
        ("names.csv", "background,#000000\nhat,1", "'background' has no index: give one to every name"),
        (
            "names.csv",
            "0,background,#000000\n1,hat,red",
            "colour of 'hat' is red: expected three",
        ),
        ("names.csv", "background,0,0,0\nhat,0,0,-1", "colour of 'hat' is 0,0,-1: expected three numbers"),
        ("names.json", '{"background": "#000000", "hat": "#ff00"}', "index 'background' has the name '#000000'"),
        ("names.json", '{"background": [0, 0, 0], "hat": [0, 0]}', "colour of 'hat' is 0,0: expected three numbers"),
        ("names.json", '{"background": "#000000", "hat": [0, 0.5, 1]}', "colour of 'hat' is 0,0.5,1: expected three"),
        ("names.txt", "0 background 0 0 0 0\n1 hat 255 0 0 255", "'background 0' before 0 0 0: four numbers: write"),
        ("names.txt", "background 0 0 0 0\nhat 255 0 0 255", "before 0 0 0: four numbers: write the colour as #rrggbb"),
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
    assert (
        error == f"{tmp_path / 'missing.json'}: cannot be read (No such file or directory): give a label list, e.g. "
        "with one name per line"
    )


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
        ("bag=Void", ["jacket", "skirt", "blazer", "background", "shoe"]),
    ],
)
def test_rules_join_names(rules, expected):
    assert merged(LabelList(LISTED), rules) == dict(enumerate(["background", *expected]))


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
        ("bag,nothing=a", LabelError, "data.merge names 'nothing': the background cannot become part of a class"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused(rules, error_type, message):
    assert refusal(merged, LabelList(LISTED), rules, error_type=error_type).startswith(message)
    assert issubclass(error_type, SegVAEError)
