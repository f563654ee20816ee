"""Tiny random HuggingFace checkpoints, with tokenizers trained on the spot."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.loading import wrap
from attn_audit.models.huggingface.model import HuggingFaceModel

SENTENCES = (
    "A gorgeous, witty and seductive movie.",
    "The plot is a mess, and nobody seems to care!",
    "Slow, dull and far too long.",
    "It's funny, touching and smartly written.",
    "The actors are wonderful; the script is not.",
    "I can't remember when I laughed so much.",
    "An ambitious film that never finds its way.",
    "Nothing happens, and it takes two hours.",
    "One of the best films of the year.",
    "The director knows how to tell a story.",
    "A waste of time, money and talent.",
    "The music is too loud, the jokes are too old.",
    "What a charming little comedy!",
    "Who would have thought that it could be this bad?",
    "Beautiful to look at, but as empty as a drum.",
    "The ending left everybody in tears.",
    "It makes its point early, then makes it again.",
    "A fine cast does what it can.",
    "Nobody should have to sit through this.",
    "Sharp, strange and impossible to forget.",
    "The first half works; the second does not.",
    "This is how a thriller should be made.",
    "There is not one honest moment in it.",
    "The children loved it, and so did we.",
    "The naïve café owner steals every scene.",
    "Too clever by half, yet never boring.",
    "It is as bad as the critics say.",
    "A warm and generous picture about growing old.",
    "The dialogue sounds like a user's manual.",
    "See it twice, if only for the photography.",
)

MAX_LENGTH = 64
HIDDEN, HEADS, LAYERS, INNER = 32, 4, 3, 48

_SIZE: dict[str, Any] = {"vocab_size": 500, "show_progress": False}


@dataclass(frozen=True)
class _Family:
    """How a kind of model splits texts, and what it puts around them."""

    split: Callable[[list[str]], Tokenizer]
    special: Mapping[str, str]
    single: str
    pair: str
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")


def write_checkpoint(kind: str, folder: Path, **config: object) -> Path:
    """Save a random two-class classifier and its tokenizer in a new folder.

    Args:
        kind: One of KINDS, as `transformers` calls the model type.
        folder: Made where it is not there.
        config: What its configuration says otherwise.
    """
    family, sizes = _KINDS[kind]
    tokenizer = _tokenizer(family)
    ids = {f"{role}_id": getattr(tokenizer, f"{role}_id") for role in family.special}
    names = {} if {"id2label", "num_labels"} & set(config) else _SENTIMENT
    arguments = {"vocab_size": len(tokenizer), **_ABSENT, **ids, **names, **sizes, **config}
    module = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(kind, **arguments))
    randomize(module)
    with quiet():
        module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


CHAT = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content | trim }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""A chat template as many models have it: outer blanks of a message are gone."""


def write_language_model(kind: str, folder: Path, **config: object) -> Path:
    """Save a random causal language model and its tokenizer, which knows a chat.

    Args:
        kind: One of KINDS that are decoders.
        folder: Made where it is not there.
        config: What its configuration says otherwise.
    """
    family, sizes = _KINDS[kind]
    tokenizer = _tokenizer(family)
    tokenizer.chat_template = CHAT
    ids = {f"{role}_id": getattr(tokenizer, f"{role}_id") for role in family.special}
    arguments = {"vocab_size": len(tokenizer), **_ABSENT, **ids, **sizes, **config}
    module = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **arguments))
    randomize(module)
    with quiet():
        module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def randomize(module: torch.nn.Module, seed: int = 0) -> None:
    """Give a module weights so large that its attention is far from uniform."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() >= 2 and "norm" not in name.lower():
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.25)
            elif name.endswith("bias"):
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.05)


_ABSENT = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
_SENTIMENT = {
    "id2label": {0: "negative", 1: "positive"},
    "label2id": {"negative": 0, "positive": 1},
}


def _tokenizer(family: _Family) -> PreTrainedTokenizerFast:
    tokens = list(dict.fromkeys(family.special.values()))
    tokenizer = family.split(tokens)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=family.single,
        pair=family.pair,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in tokens],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        model_input_names=list(family.inputs),
        **family.special,
    )


def _word_pieces(special: list[str]) -> Tokenizer:
    split = pre_tokenizers.BertPreTokenizer()
    normalizer = normalizers.BertNormalizer(lowercase=True)
    # The library's own trainer of word pieces learns others in every run.
    trainer = trainers.BpeTrainer(vocab_size=150, show_progress=False)
    learnt = _trained(models.BPE(), split, normalizer, trainer)
    pieces = sorted(learnt.get_vocab())
    tokens = [*special, *pieces, *(f"##{piece}" for piece in pieces)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.normalizer = split, normalizer
    tokenizer.add_special_tokens(special)
    return tokenizer


def _byte_pairs(special: list[str]) -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet, **_SIZE)
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return _trained(models.BPE(), split, None, trainer)


def _pieces(special: list[str]) -> Tokenizer:
    unknown = next(token for token in special if "unk" in token.lower())
    trainer = trainers.UnigramTrainer(special_tokens=special, unk_token=unknown, **_SIZE)
    split, normalizer = pre_tokenizers.Metaspace(), normalizers.NFKC()
    tokenizer = _trained(models.Unigram(), split, normalizer, trainer)
    # Scores differ in their last digits from run to run, and with them the order of equals.
    learnt = json.loads(tokenizer.to_str())["model"]["vocab"][len(special) :]
    pieces = sorted((-round(score, 2), piece) for piece, score in learnt)
    scores = [*((token, 0.0) for token in special), *((piece, -cost) for cost, piece in pieces)]
    tokenizer.model = models.Unigram(scores, special.index(unknown), False)
    return tokenizer


def _trained(model: Any, split: Any, normalizer: Any, trainer: Any) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = split
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


_MARKED = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_PAIR = "[CLS] $A [SEP] $B:1 [SEP]:1"
_BERT = _Family(
    _word_pieces,
    _MARKED,
    "[CLS] $A [SEP]",
    _PAIR,
    ("input_ids", "token_type_ids", "attention_mask"),
)
_DISTILBERT = replace(_BERT, inputs=("input_ids", "attention_mask"))
_MODERNBERT = _Family(_byte_pairs, _MARKED, "[CLS] $A [SEP]", _PAIR)
_DEBERTA = _Family(
    _pieces, _MARKED, "[CLS] $A [SEP]", _PAIR, ("input_ids", "token_type_ids", "attention_mask")
)
_BART = _Family(
    _byte_pairs,
    {
        "bos_token": "<s>",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    },
    "<s> $A </s>",
    "<s> $A </s> </s> $B </s>",
)
_MPNET = replace(_BART, split=_word_pieces, special={**_BART.special, "unk_token": "[UNK]"})
_T5 = _Family(
    _pieces,
    {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    "$A </s>",
    "$A </s> $B </s>",
)
_LLAMA = _Family(
    _byte_pairs,
    {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
    "<s> $A",
    "<s> $A $B",
)
_GPT2 = _Family(
    _byte_pairs,
    {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
    "$A",
    "$A $B",
)

_SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": MAX_LENGTH,
}
_KINDS: Mapping[str, tuple[_Family, Mapping[str, object]]] = {
    "bert": (_BERT, _SIZES),
    "distilbert": (
        _DISTILBERT,
        {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER}
        | {"max_position_embeddings": MAX_LENGTH},
    ),
    # Two of its positions are kept for padding.
    "mpnet": (_MPNET, _SIZES | {"max_position_embeddings": MAX_LENGTH + 2}),
    "deberta-v2": (
        _DEBERTA,
        _SIZES
        | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
        | {"position_buckets": 16, "share_att_key": True},
    ),
    "modernbert": (
        _MODERNBERT,
        _SIZES | {"global_attn_every_n_layers": 2, "local_attention": 6},
    ),
    "bart": (
        _BART,
        {"d_model": HIDDEN, "encoder_layers": LAYERS, "decoder_layers": LAYERS}
        | {"encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS}
        | {"encoder_ffn_dim": INNER, "decoder_ffn_dim": INNER}
        | {"max_position_embeddings": MAX_LENGTH, "decoder_start_token_id": 2},
    ),
    "t5": (
        _T5,
        {"d_model": HIDDEN, "d_kv": HIDDEN // HEADS, "d_ff": INNER, "num_layers": LAYERS}
        | {"num_heads": HEADS, "decoder_start_token_id": 0},
    ),
    "gpt2": (
        _GPT2,
        {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "n_positions": MAX_LENGTH},
    ),
    "llama": (_LLAMA, _SIZES | {"num_key_value_heads": 2}),
}
KINDS = tuple(_KINDS)


def transformers_model(module: torch.nn.Module, tokenizer: Any, **said: Any) -> HuggingFaceModel:
    """What `attn_audit.wrap` makes of a model whose texts are not read in windows."""
    model = wrap(module, tokenizer, **said)
    assert isinstance(model, HuggingFaceModel)
    return model


_MADE: dict[str, HuggingFaceModel] = {}


def shared_model(loader: Any, folder: Path, **said: Any) -> HuggingFaceModel:
    """The same of a checkpoint; shared by all tests that say the same, so left as it is."""
    key = f"{loader.__name__} {folder} {said}"
    if key not in _MADE:
        module = loader.from_pretrained(folder, dtype=torch.float32)
        _MADE[key] = transformers_model(module, AutoTokenizer.from_pretrained(folder), **said)
    return _MADE[key]
