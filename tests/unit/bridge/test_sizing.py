from bridge.sizing import LEAST_BATCH, LEAST_PAGE, Size, Sizing


def well(sizing: Sizing, times: int = 1, seconds: float = 0.05, full_page: bool = False) -> None:
    """So many full batches that PI answered well."""
    for _ in range(times):
        sizing.answered(sizing.batch.now, 0, seconds, full_page)


def test_batches_double_until_the_first_trouble_and_then_grow_by_steps() -> None:
    sizing = Sizing(500, 10_000)
    sizes = []
    for _ in range(4):
        sizes.append(sizing.batch.now)
        well(sizing)
    assert sizes == [10, 20, 40, 80]
    sizing.troubled()
    assert sizing.batch.now == 80
    well(sizing)
    assert sizing.batch.now == 90


def test_no_batch_or_page_is_larger_than_configured_or_smaller_than_the_least() -> None:
    sizing = Sizing(200, 3000)
    well(sizing, 20, full_page=True)
    assert (sizing.batch.now, sizing.page.now) == (200, 3000)
    for _ in range(20):
        sizing.troubled()
    assert (sizing.batch.now, sizing.page.now) == (LEAST_BATCH, LEAST_PAGE)
    tiny = Sizing(3, 7)
    well(tiny, 5, full_page=True)
    tiny.troubled()
    assert (tiny.batch.now, tiny.page.now) == (3, 7)


def test_trouble_halves_batches_first_and_pages_only_when_these_cannot_be_smaller() -> None:
    sizing = Sizing(500, 10_000)
    well(sizing, 2)
    sizing.troubled()
    sizing.troubled()
    assert (sizing.batch.now, sizing.page.now) == (10, 1000)
    sizing.troubled()
    assert (sizing.batch.now, sizing.page.now) == (10, 500)


def test_a_batch_that_was_not_full_says_nothing_about_larger_ones() -> None:
    sizing = Sizing(500, 10_000)
    for _ in range(10):
        sizing.answered(5, 100, 0.05, full_page=False)
    assert sizing.batch.now == 10


def test_pages_grow_only_where_one_was_full() -> None:
    sizing = Sizing(500, 10_000)
    well(sizing, 2)
    assert sizing.page.now == 1000
    well(sizing, 2, full_page=True)
    assert sizing.page.now == 4000


def test_an_answer_that_takes_a_multiple_of_the_best_seen_is_trouble() -> None:
    sizing = Sizing(500, 10_000)
    well(sizing, 4, seconds=0.1)
    assert sizing.batch.now == 160
    sizing.answered(160, 0, 5.0, full_page=False)
    assert sizing.batch.now == 80


def test_a_larger_batch_may_take_longer_in_proportion() -> None:
    sizing = Sizing(500, 10_000)
    for _ in range(10):
        sizing.answered(sizing.batch.now, sizing.batch.now * 100, 0.02 + sizing.batch.now * 0.01, full_page=False)
    assert sizing.batch.now == 500


def test_what_is_quick_anyway_is_never_slow() -> None:
    sizing = Sizing(500, 10_000)
    well(sizing, 3, seconds=0.001)
    well(sizing, 3, seconds=0.2)
    assert sizing.batch.now == 500


def test_a_pi_that_became_slower_for_good_is_not_taken_for_loaded_for_ever() -> None:
    sizing = Sizing(500, 10_000)
    well(sizing, 10, seconds=0.1)
    well(sizing, 20, seconds=20.0)
    assert sizing.batch.now == LEAST_BATCH
    well(sizing, 3000, seconds=20.0)
    assert sizing.batch.now == 500


def test_what_is_too_large_may_make_a_batch_smaller_than_the_least_and_it_grows_one_by_one() -> None:
    size = Size(40, 10, 500, 10)
    size.too_large(5)
    assert size.now == 2
    for _ in range(9):
        size.went_well()
    assert size.now == 20
