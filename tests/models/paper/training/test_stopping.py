from attn_audit.models.paper.training import EpochResult
from attn_audit.models.paper.training.stopping import should_stop


def epochs(*scores_and_losses: tuple[float, float]) -> list[EpochResult]:
    return [
        EpochResult(i, 1.0, loss, score, "accuracy", is_best=False)
        for i, (score, loss) in enumerate(scores_and_losses, start=1)
    ]


def test_goes_on_before_the_first_epoch() -> None:
    assert not should_stop([], patience=1)


def test_stops_after_so_many_epochs_without_progress() -> None:
    history = epochs((0.5, 1.0), (0.6, 0.9), (0.6, 0.9), (0.5, 1.2), (0.55, 1.3))
    assert [should_stop(history[:n], patience=3) for n in range(1, 6)] == [False] * 4 + [True]


def test_a_falling_loss_is_progress() -> None:
    history = epochs((0.5, 1.0), (0.4, 0.9), (0.4, 0.8), (0.4, 0.7))
    assert not should_stop(history, patience=1)


def test_a_rising_score_is_progress() -> None:
    history = epochs((0.5, 1.0), (0.6, 1.1), (0.7, 1.2))
    assert not should_stop(history, patience=1)


def test_nothing_is_better_than_perfect() -> None:
    assert should_stop(epochs((1.0, 0.1)), patience=9)
