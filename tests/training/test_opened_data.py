"""The data set that a configuration describes, and one that was prepared before."""

from pathlib import Path

import numpy as np
import pytest
from error_lines import one_line
from ml_collections import ConfigDict
from tiny_config import get_config

from segvae_jax import maps
from segvae_jax.configs import default
from segvae_jax.data.cartoon import cartoon_map
from segvae_jax.data.prepare.builder import open_prepared
from segvae_jax.data.prepare.recipe import RecipeOptions
from segvae_jax.data.sources.registry import SourceOptions
from segvae_jax.errors import ConfigError, SegVAEError
from segvae_jax.labels import CELEBAMASK_HQ
from segvae_jax.pictures import write_index_pngs
from segvae_jax.training.setup import prepare_data, with_prepared


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"data.source": "flickr"},
            "config.data.source=flickr: no such data set: expected one of cartoon, celebamask_hq",
        ),
        ({"data.source": "celebamask"}, "no such data set (did you mean 'celebamask_hq'?)"),
        ({"data.source": "celebamask_hq"}, "config.data.path is not set"),
        ({"data.source": "humanparsing", "data.path": "nowhere"}, "nowhere: no such folder"),
        ({"data.celeba_mapping": "nowhere"}, "give --config.data.celeba_mapping and --config.data.celeba_partition"),
        ({"data.exclude": "nowhere.txt"}, "nowhere.txt: cannot be read"),
        ({"data.source": "folder", "data.path": "nowhere"}, "config.data.labels is not set"),
        ({"data.kind": "cats"}, "config.data.kind='cats': expected one of faces, people"),
    ],
)
def test_data_that_cannot_be_opened_are_named(tmp_path, changes, expected):
    config = get_config()
    config.update_from_flattened_dict(changes | {"data.prepared": str(tmp_path)})
    with pytest.raises(SegVAEError) as caught:
        prepare_data(config)
    assert expected in one_line(caught.value)


@pytest.fixture
def folder(tmp_path) -> ConfigDict:
    """A configuration of 40 maps in a folder, and a file there that is no map."""
    index = np.stack([maps.paint(cartoon_map("faces", 0, i, (16, 16)), CELEBAMASK_HQ) for i in range(40)])
    write_index_pngs(tmp_path / "maps", index, CELEBAMASK_HQ)
    (tmp_path / "maps" / "odd.png").write_bytes(b"no picture")
    (tmp_path / "names.txt").write_text("\n".join(CELEBAMASK_HQ.names))
    (tmp_path / "list.txt").write_text("00003 odd\n")
    config = get_config()
    config.data.update(source="folder", path=str(tmp_path / "maps"), labels=str(tmp_path / "names.txt"))
    config.data.update(exclude=str(tmp_path / "list.txt"), skip_broken=True, prepared=str(tmp_path / "prepared"))
    return config


def test_training_takes_all_options_of_preparing(folder):
    report = prepare_data(folder).data_report()
    assert report["excluded"].keys() == {"00003", "odd"} and not report["official_partition"]
    folder.data.skip_broken = False
    with pytest.raises(SegVAEError, match=r"odd\.png: "):
        prepare_data(folder)


def test_training_takes_the_official_splits(folder, tmp_path):
    (tmp_path / "maps" / "odd.png").unlink()
    mapping = "".join(f"{i} {i} {i:06d}.jpg\n" for i in range(40))
    (tmp_path / "mapping.txt").write_text(f"idx orig_idx orig_file\n{mapping}")
    (tmp_path / "partition.txt").write_text("".join(f"{i:06d}.jpg {i % 2}\n" for i in range(40)))
    folder.data.update(celeba_mapping=str(tmp_path / "mapping.txt"), celeba_partition=str(tmp_path / "partition.txt"))
    report = prepare_data(folder).data_report()
    assert report["official_partition"] and report["splits"]["test"] == 0 and report["splits"]["validation"] > 10


def test_configurations_have_every_option_of_preparing_with_its_default():
    defaults = vars(SourceOptions()) | vars(RecipeOptions())
    assert {name: default.get_config().data[name] for name in defaults if name != "seed"} == {
        name: value for name, value in defaults.items() if name != "seed"
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"merge": "hair,hat=hair"}, {"classes": "skin"}, {"labels": "names.txt"}, {"path": "maps"}, {"layout": "x"},
        {"fit": "pad"}, {"ignore": 255}, {"exclude": "list.txt"}, {"skip_broken": True}, {"celeba_mapping": "x"},
    ],
)  # fmt: skip
def test_options_that_cannot_change_a_prepared_data_set_are_refused(prepared, changes):
    config = get_config()
    config.data.update(changes, prepared=str(prepared))
    with pytest.raises(ConfigError) as caught:
        prepare_data(config)
    (name,) = changes
    unset = default.get_config().data[name]
    assert one_line(caught.value) == (
        f"config.data.prepared={prepared}: is a prepared data set, which config.data.{name} cannot change: "
        f"set it to {unset!r}, or prepare the data again"
    )


def test_a_prepared_data_set_is_opened_whatever_cartoons_the_configuration_would_draw(prepared):
    config = get_config()
    config.data.update(prepared=str(prepared), kind="people", num_maps=3)
    assert prepare_data(config).directory == prepared


def test_a_prepared_data_set_brings_its_size_and_kind(prepared):
    config = get_config()
    config.data.update(prepared=str(prepared), kind="people", source="folder")
    config.model.image_size = (32, 32)
    followed = with_prepared(config)
    assert followed.model.image_size == (16, 16) and (followed.data.source, followed.data.kind) == ("cartoon", "faces")
    assert config.model.image_size == (32, 32)  # the configuration itself stays
    assert prepare_data(followed).directory == prepared
    assert with_prepared(followed, ["model.image_size", "data.kind", "data.source", "seed"]) == followed
    config.data.prepared = str(prepared.parent)
    assert with_prepared(config) is config


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.image_size", (32, 32), "with model.image_size=(16, 16), but config.model.image_size=(32, 32) is given"),
        ("data.kind", "people", "with data.kind=faces, but config.data.kind=people is given"),
        ("data.source", "folder", "with data.source=cartoon, but config.data.source=folder is given"),
        ("data.num_maps", 7, "which has its maps: leave config.data.num_maps out"),
    ],
)
def test_what_is_typed_against_a_prepared_data_set_is_named(prepared, key, value, message):
    config = get_config()
    config.data.prepared = str(prepared)
    config.update_from_flattened_dict({key: value})
    with pytest.raises(ConfigError) as caught:
        with_prepared(config, [key])
    assert message in one_line(caught.value) and str(prepared) in str(caught.value)


def test_a_size_that_the_model_cannot_have_is_that_of_the_data_set(prepared):
    config = default.get_config()
    config.data.prepared = str(prepared)
    config.model.patch = 3
    with pytest.raises(ConfigError) as caught:
        with_prepared(config)
    assert one_line(caught.value).startswith(f"config.data.prepared={prepared}: holds maps of (16, 16): config.model.")


def test_classes_that_a_prepared_data_set_has_may_be_named_again(prepared):
    config, classes = get_config(), open_prepared(prepared).space.classes
    config.data.update(prepared=str(prepared), classes=", ".join(classes), merge="l_eye,r_eye=eyes")
    assert prepare_data(config).directory == prepared
    config.data.classes = ",".join(classes[1:])
    with pytest.raises(ConfigError, match=r"config\.data\.merge cannot change|config\.data\.classes cannot change"):
        prepare_data(config)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    config = get_config()
    config.data.prepared = str(tmp_path_factory.mktemp("prepared"))
    return prepare_data(config).directory
