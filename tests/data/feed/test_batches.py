import itertools

import numpy as np
import pytest

from segvae_jax.data.feed.batches import train_batches


def numbered(count):
    """Packed maps `[2, 3, 1]` that contain their numbers."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 3, 1))


def take(batches, count):
    """The numbers of the examples in the next batches."""
    return np.concatenate([batch[:, 0, 0, 0] for batch in itertools.islice(batches, count)]).tolist()


def test_batches_are_packed_maps_of_the_batch_size():
    batch = next(train_batches(numbered(7), 3, 0))
    assert batch.shape == (3, 2, 3, 1) and batch.dtype == np.uint8
    assert (batch == batch[:, :1, :1]).all()


def test_every_example_comes_once_an_epoch_and_epochs_differ():
    seen = take(train_batches(numbered(24), 4, 0), 5 * 6)
    epochs = [tuple(seen[i : i + 24]) for i in range(0, len(seen), 24)]
    assert all(sorted(epoch) == list(range(24)) for epoch in epochs)
    assert len({tuple(range(24)), *epochs}) == 6


@pytest.mark.parametrize(("count", "batch_size"), [(7, 3), (2, 5), (1, 2)])
def test_batches_run_on_over_the_end_of_an_epoch(count, batch_size):
    seen = take(train_batches(numbered(count), batch_size, 0), 2 * count)
    for i in range(0, len(seen), count):
        assert sorted(seen[i : i + count]) == list(range(count))


def test_the_seed_alone_decides_the_order():
    assert take(train_batches(numbered(24), 4, 3), 12) == take(train_batches(numbered(24), 4, 3), 12)


def test_no_epoch_of_one_seed_is_an_epoch_of_another():
    orders = [take(train_batches(numbered(24), 4, seed), 3 * 6) for seed in (0, 1, 2, 2**40)]
    epochs = [tuple(order[i : i + 24]) for order in orders for i in (0, 24, 48)]
    assert len(set(epochs)) == 12


@pytest.mark.parametrize("batches_before", [0, 1, 5, 9])
def test_a_restored_iterator_goes_on_exactly_where_it_was(batches_before):
    batches = train_batches(numbered(10), 4, 0)
    take(batches, batches_before + 1)
    state = batches.get_state()
    rest = take(batches, 8)
    fresh = train_batches(numbered(10), 4, 0)
    fresh.set_state(state)
    assert take(fresh, 8) == rest
    batches.set_state(state)
    assert take(batches, 8) == rest


@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_the_shares_of_processes_make_up_an_epoch_without_overlap(processes):
    shares = [take(train_batches(numbered(12), 2, 0, index, processes), 12 // processes) for index in range(processes)]
    for epoch in (0, 1):
        parts = [share[epoch * len(share) // 2 : (epoch + 1) * len(share) // 2] for share in shares]
        assert sorted(itertools.chain(*parts)) == list(range(12))


@pytest.mark.parametrize(("count", "processes"), [(12, 2), (7, 4), (2, 4)])
def test_the_number_of_processes_does_not_change_what_a_step_sees(count, processes):
    alone = take(train_batches(numbered(count), 3 * processes, 5), 4)
    shares = [take(train_batches(numbered(count), 3, 5, index, processes), 4) for index in range(processes)]
    steps = [[share[3 * step : 3 * step + 3] for share in shares] for step in range(4)]
    assert alone == [example for step in steps for share in step for example in share]


def test_a_share_is_restored_exactly():
    batches = train_batches(numbered(10), 2, 0, 1, 2)
    take(batches, 3)
    state, rest = batches.get_state(), take(batches, 5)
    fresh = train_batches(numbered(10), 2, 0, 1, 2)
    fresh.set_state(state)
    assert take(fresh, 5) == rest
