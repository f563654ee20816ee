"""Tokenizers of six kinds, built on the spot."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, trainers
from transformers import AutoTokenizer, BertweetTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

from tests.checkpoints import SENTENCES, write_checkpoint

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def of_checkpoint(kind: str) -> Callable[[Path], Any]:
    def built(folder: Path) -> Any:
        return AutoTokenizer.from_pretrained(write_checkpoint(kind, folder / kind))

    return built


def sentence_piece_pairs(folder: Path) -> Any:
    """As Llama's and Gemma's: pairs over a mark for a blank, and bytes for what is unknown."""
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=[AddedToken(token, special=True) for token in special] + BYTES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.decoder = decoders.ByteFallback()
    names = dict(zip(("unk_token", "bos_token", "eos_token", "pad_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=400, **names)


def bertweet(folder: Path) -> Any:
    """Pairs with `@@`, slow and without offsets."""
    folder.mkdir(exist_ok=True)
    codes, words = folder / "bpe.codes", folder / "vocab.txt"
    codes.write_text("#version: 0.2\nf i 1\ng o 1\no d</w> 1\n")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?:-"
    every = [*letters, *(f"{letter}@@" for letter in letters), "fi@@", "go@@", "od"]
    words.write_text("".join(f"{token} 1\n" for token in every), encoding="utf-8")
    return BertweetTokenizer(str(words), str(codes), model_max_length=400)


def bytes_of_t5(folder: Path) -> Any:
    return ByT5Tokenizer(extra_ids=0, model_max_length=1200)


TOKENIZERS: Mapping[str, Callable[[Path], Any]] = {
    "word pieces": of_checkpoint("bert"),
    "pairs of bytes": of_checkpoint("gpt2"),
    "unigram pieces": of_checkpoint("deberta-v2"),
    "SentencePiece pairs": sentence_piece_pairs,
    "bytes": bytes_of_t5,
    "slow pairs": bertweet,
}
SLOW = ("bytes", "slow pairs")
