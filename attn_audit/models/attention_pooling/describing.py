"""One of the paper's models in words and numbers."""

from attn_audit.models.attention_pooling.architecture import Architecture, EncoderKind
from attn_audit.models.attention_pooling.tokenizer import Tokenizer
from attn_audit.models.task import Task
from attn_audit.results.description import LayerDescription, ModelDescription


def describe_architecture(
    architecture: Architecture,
    task: Task,
    tokenizer: Tokenizer,
    *,
    source: str,
    checkpoint_format: str,
    sha256: str | None,
    n_parameters: int,
) -> ModelDescription:
    """Put what is known of one of the paper's models into words and numbers."""
    details: dict[str, str | int | float | bool] = {
        "tokenizer": tokenizer.value,
        "vocabulary": architecture.vocabulary_size,
        "embedding size": architecture.embedding_size,
        "hidden size": architecture.hidden_size,
        "state size": architecture.state_size,
    }
    if architecture.encoder is EncoderKind.CNN:
        details["kernel sizes"] = ", ".join(map(str, architecture.kernel_sizes))
    if architecture.encoder is not EncoderKind.BILSTM:
        details["activation"] = architecture.activation.value
    given = " given the second text" if architecture.is_pair else ""
    return ModelDescription(
        source=source,
        sha256=sha256,
        format=checkpoint_format,
        architecture=architecture.sentence,
        task=task.kind.value,
        labels=task.labels,
        sites=(f"attention over the text's tokens{given}, read out once",),
        layers=(LayerDescription(name="attention", n_heads=1),),
        default_layer=0,
        n_parameters=n_parameters,
        dtype="float32",
        linear_readout=not architecture.is_pair,
        takes_pairs=architecture.is_pair,
        details=details,
    )
