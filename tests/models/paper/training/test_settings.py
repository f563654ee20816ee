import pytest

from attn_audit.errors import ConfigurationError
from attn_audit.models.paper.network import Activation, EncoderKind
from attn_audit.models.paper.training.loop import TrainingSettings
from attn_audit.models.task import Binary


@pytest.mark.parametrize(
    ("encoder", "state_size", "activation"),
    [
        (EncoderKind.BILSTM, 256, Activation.LINEAR),
        (EncoderKind.CNN, 128, Activation.RELU),
        (EncoderKind.AVERAGE, 128, Activation.TANH),
    ],
)
def test_defaults_are_the_papers(
    encoder: EncoderKind, state_size: int, activation: Activation
) -> None:
    architecture = TrainingSettings(encoder=encoder).architecture(
        Binary(("0", "1")), is_pair=False, vocabulary_size=9, embedding_size=5
    )
    assert (architecture.state_size, architecture.activation) == (state_size, activation)
    assert (architecture.n_logits, architecture.vocabulary_size) == (1, 9)


@pytest.mark.parametrize(
    "name",
    ["min_count", "max_vocabulary", "embedding_size", "hidden_size", "epochs", "patience"],
)
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name.replace('_', ' ')} must be at least"):
        TrainingSettings(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"learning_rate": 0.0}, {"weight_decay": -1.0}])
def test_rates_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="learning rate"):
        TrainingSettings(**change)  # type: ignore[arg-type]


def test_a_cnn_needs_a_share_for_each_kernel_size() -> None:
    with pytest.raises(ConfigurationError, match="10 cannot be divided") as raised:
        TrainingSettings(encoder=EncoderKind.CNN, hidden_size=10)
    assert raised.value.hint == "Take a multiple of 4."
