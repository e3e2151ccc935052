import pytest

from segvae_jax.evaluation.report import values

CLASSES = ("roof", "wall", "door")


def test_walking_finds_every_figure_once_in_order():
    tree = {
        "control": {"exact": {"value": 0.5, "low": 0.4, "high": 0.6}, "miss_rate": [0.1, None, 0.3]},
        "new": {"value": 1.0, "sd": 0.2, "by_network": [1.0, 2.0, 3.0], "pairs": 7, "deep": {"er": 2}},
        "by_name": {"roof": 1.5, "door": {"value": 2.0}},
        "records": [{"map": 3, "train": 4}],
    }
    assert list(values.leaves(tree, CLASSES)) == [
        (("control", "exact"), {"value": 0.5, "low": 0.4, "high": 0.6}),
        (("control", "miss_rate"), [0.1, None, 0.3]),
        (("new",), {"value": 1.0, "sd": 0.2}),
        (("new", "by_network"), [1.0, 2.0, 3.0]),
        (("new", "pairs"), 7),
        (("new", "deep", "er"), 2),
        (("by_name",), {"roof": 1.5, "door": {"value": 2.0}}),
    ]


def test_figures_of_classes_are_told_from_other_lists():
    of = lambda figure, *place: values.by_class(place, figure, CLASSES)
    assert of([0.1, None, 0.3], "miss_rate") == {"roof": 0.1, "wall": None, "door": 0.3}
    assert of({"wall": 1.0}, "any") == {"wall": 1.0}
    assert of([1.0, 2.0, 3.0], "frechet", "by_network") is None
    assert of([1.0, 2.0, 3.0], "w1", "by_class") is not None
    for other in ([0.1, 0.2], [16, 16, 3], list(CLASSES), {"wall": 1, "other": 2}, {}, 3.0, None):
        assert of(other, "size") is None


def test_rows_that_differ_are_joined():
    table = values.columns({"generated": {"a": 1, "b": 2}, "real": {"b": 3, "c": 4}}, CLASSES)
    assert table == {("a",): {"generated": 1}, ("b",): {"generated": 2, "real": 3}, ("c",): {"real": 4}}


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        ({"value": 21.3, "low": 10.04, "high": 1234.5}, "21.3 (10.0 to 1,234)"),
        ({"value": 0.848, "sd": 0.0213}, "0.848 +- 0.0213"),
        ({"value": 12.0}, "12.0"),
        ({"value": 12.0, "low": None, "high": None}, "12.0"),
        ([0.5, 2], "0.500, 2"),
        (999.7, "1,000"), (999.4, "999"), (True, "yes"), (None, "-"), (5000, "5,000"), ("x", "x"), (120.0, "120"),
    ],
)  # fmt: skip
def test_figures_are_written_for_readers(figure, text):
    assert values.written(figure) == text


def test_metric_rows_are_in_the_units_of_their_titles():
    table = values.columns({"generated": {"offsets": {"value": 0.25, "low": 0.125, "high": 0.5, "pairs": 3}}}, CLASSES)
    assert table["offsets",] == {"generated": {"value": 25, "low": 12.5, "high": 50}}
    assert table["offsets", "pairs"] == {"generated": 3}


def test_names_are_known_or_the_keys():
    assert values.described(("fsd",)) == "FSD x 1e4 (lower is better)"
    assert values.described(("prdc", "map_encoder")) == "prdc: map encoder"
    assert values.named(("control", "exact")) == "exact label-set"
    assert values.named(("prdc", "map_encoder")) == "prdc: map encoder"


def test_intervals_and_their_extent():
    assert values.interval({"value": 1.0, "sd": 0.25}) == (0.75, 1.0, 1.25)
    assert values.interval({"value": 1.0, "low": None, "high": None}) == (1.0, 1.0, 1.0)
    assert [values.interval(other) for other in ("text", True, 7, None)] == [None] * 4
    assert values.extent([{"value": 1, "low": 0.0, "high": 3.0}, None, 5.0, "x"]) == (0.0, 5.0)
