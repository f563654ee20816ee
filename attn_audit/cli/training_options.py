"""Flags and arguments of `train` alone, and those that it shares with the other commands."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from attn_audit.cli.options import shared

_DATA = "What is learnt"
_MODEL = "What learns it"
_TRAINING = "How it learns"
_HOW = "How it is run"
_OUTPUT = "What comes out"
"""The last two are panels of the shared options too."""


def _option(name: str, panel: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(f"--{name}", help=help, rich_help_panel=panel, metavar=metavar)


def _number(name: str, panel: str, help: str) -> Any:
    return _option(name, panel, help, "N")


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder of splits, a .jsonl, .jsonl.gz, .csv, .tsv or .parquet file, `-`, or the "
        "name of a HuggingFace data set.",
    ),
]
Output = Annotated[Path, _option("output", _OUTPUT, "Where the model goes: model.pt.", "FILE")]

Encoder = Annotated[
    Literal["bilstm", "cnn", "average"], _option("encoder", _MODEL, "How tokens become states.")
]
Attention = Annotated[
    Literal["additive", "dot"], _option("attention", _MODEL, "How states are scored.")
]
TokenizerName = Annotated[
    Literal["words", "whitespace"],
    _option(
        "tokenizer", _MODEL, "Lower-cased words and punctuation, or what white space separates."
    ),
]
MinCount = Annotated[int, _number("min-count", _MODEL, "Words that occur less often are unknown.")]
MaxVocabulary = Annotated[
    int | None,
    _number("max-vocabulary", _MODEL, "Know only the N most frequent words. (default: all)"),
]
Embeddings = Annotated[
    Path | None,
    _option(
        "embeddings",
        _MODEL,
        "Pretrained vectors in the text format of GloVe or word2vec, perhaps gzipped.",
        "FILE",
    ),
]
EmbeddingSize = Annotated[
    int | None,
    _number(
        "embedding-size", _MODEL, "Numbers of a word's vector. (default: 100, or as --embeddings)"
    ),
]
HiddenSize = Annotated[
    int,
    _number(
        "hidden-size",
        _MODEL,
        "Of one LSTM direction, of all convolutions together, or of the average's projection.",
    ),
]
PrecisionName = Annotated[
    Literal["float32", "float16"],
    _option("precision", _OUTPUT, "How the file keeps the weights."),
]

TaskName = Annotated[
    Literal["binary", "multiclass", "multilabel", "candidates"] | None,
    _option("task", _DATA, "Kind of labels. (default: as the data looks)"),
]
TrainSplit = Annotated[str, _option("train-split", _DATA, "Split to train on.")]
DevSplit = Annotated[
    str | None,
    _option(
        "dev-split", _DATA, "Split that decides when to stop. (default: dev, or a tenth held out)"
    ),
]
QuotingName = Annotated[Literal["auto", "none", "csv"] | None, shared("quoting")]
LabelMap = Annotated[list[str] | None, shared("label_map")]
TextField = Annotated[str | None, shared("text_field")]
TextPairField = Annotated[str | None, shared("text_pair_field")]
LabelField = Annotated[str | None, shared("label_field")]
LabelsField = Annotated[str | None, shared("labels_field")]
CandidatesField = Annotated[str | None, shared("candidates_field")]
IdField = Annotated[str | None, shared("id_field")]

Epochs = Annotated[int, _number("epochs", _TRAINING, "At most so many.")]
Patience = Annotated[
    int,
    _number("patience", _TRAINING, "Stop after N epochs with neither dev score nor loss better."),
]
BatchSize = Annotated[int, _number("batch-size", _TRAINING, "Examples in a batch.")]
LearningRate = Annotated[float, _option("learning-rate", _TRAINING, "Of Adam.", "X")]
WeightDecay = Annotated[
    float, _option("weight-decay", _TRAINING, "Of everything but the attention.", "X")
]
Seed = Annotated[int, _number("seed", _HOW, "Of the first weights and the order of texts.")]

Device = Annotated[Literal["auto", "cpu", "cuda"] | None, shared("device")]
Threads = Annotated[
    int,
    _number("threads", _HOW, "CPU threads: more are hardly faster, and give other weights."),
]
Quiet = Annotated[bool, shared("quiet")]
Debug = Annotated[bool, shared("debug")]
