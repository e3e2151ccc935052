import jax
import numpy as np

from segvae_jax.data.feed.batches import batch_indices
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.sharding import device_mesh


def test_batches_are_the_same_from_disk_and_from_the_devices(tmp_path):
    data = prepare(cartoon("faces", 40, 0), Recipe((8, 8)), tmp_path)
    mesh, packed = device_mesh(), data.packed("train")
    feeds = [
        Feed(data, 8, 3, mesh, resident_bytes) for resident_bytes in (0.0, packed.nbytes - 1.0, float(packed.nbytes))
    ]
    for step in range(6):
        rows = packed[batch_indices(len(packed), 8, 3)[step]]
        for feed in feeds:
            (batch,) = feed.next()
            assert batch.sharding.num_devices == 8 and batch.addressable_shards[0].data.shape[0] == 1
            np.testing.assert_array_equal(batch, rows)
    assert all(feed.waited > 0 for feed in feeds)
    assert [np.ndim(next(feed.iterator)) for feed in feeds] == [5, 5, 1]  # one column of maps, or their numbers


def test_maps_on_disk_are_indexed_like_an_array_and_equal_what_tfds_decodes(tmp_path):
    data = prepare(cartoon("faces", 40, 0), Recipe((8, 9)), tmp_path)
    on_disk, decoded = data.packed_on_disk("train"), np.stack([row["map"] for row in data.split("train")])
    rows = np.array([3, 0, 3, len(decoded) - 1])
    np.testing.assert_array_equal(on_disk[rows], decoded[rows])
    np.testing.assert_array_equal(data.packed("train"), decoded)
    assert (len(on_disk), on_disk.nbytes) == (len(decoded), decoded.nbytes)


def test_pictures_come_with_their_maps(tmp_path):
    data = prepare(cartoon("faces", 30, 0), Recipe((8, 8), (8, 8)), tmp_path)
    examples, size = data.split("train"), 4 * 8 * 8 * 8 * 3
    for resident_bytes in (0.0, float(30 * size)):
        feed = Feed(data, 8, 3, device_mesh(), resident_bytes, pictures=True)
        for step in range(3):
            packed, pictures = feed.next()
            rows = batch_indices(len(examples), 8, 3)[step]
            np.testing.assert_array_equal(packed, [examples[int(row)]["map"] for row in rows])
            np.testing.assert_array_equal(pictures, [examples[int(row)]["image"] for row in rows])


def test_a_feed_goes_on_where_another_stopped(tmp_path):
    data = prepare(cartoon("faces", 40, 0), Recipe((8, 8)), tmp_path)
    one, other = (Feed(data, 8, 0, device_mesh(), 1e9) for _ in range(2))
    for _ in range(3):
        one.next()
    other.iterator.set_state(one.iterator.get_state())
    np.testing.assert_array_equal(jax.device_get(one.next()), jax.device_get(other.next()))
