"""The batches of an epoch."""

from squeezebert_mobile.training.sampling import draw_batches


def batches(sizes: list[int], size: int) -> list[list[int]]:
    return draw_batches(sizes, size, lambda drawn: drawn)


def test_every_epoch_has_every_example_once_in_another_order() -> None:
    sizes = [*range(60)]  # too many to be drawn twice in the same order
    epochs = [[index for batch in batches(sizes, 3) for index in batch] for _ in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [sizes, sizes]
    assert epochs[0] != epochs[1]


def test_examples_of_similar_size_share_a_batch() -> None:
    sizes = [1 + i % 40 for i in range(400)]
    for batch in batches(sizes, 8):
        of_batch = [sizes[index] for index in batch]
        assert max(of_batch) - min(of_batch) <= 1
