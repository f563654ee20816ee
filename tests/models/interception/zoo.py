"""Tiny random models of every architecture, whose texts are token ids: "5 17 33"."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.distances import Logits
from attn_audit.models.contract import EncodedExample, Unit
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    Classifier,
    EncodedSequence,
    ModelInputs,
)
from attn_audit.models.task import Multiclass

HIDDEN, HEADS, LAYERS, VOCABULARY = 32, 4, 3, 99
PAD, END = 1, 3

_BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "max_position_embeddings": 128,
    "num_labels": 3,
    "pad_token_id": PAD,
    "bos_token_id": 2,
    "eos_token_id": END,
}
_DECODER = _BASE | {"num_key_value_heads": 2, "head_dim": 8}
_GPT = {
    "vocab_size": VOCABULARY,
    "n_embd": HIDDEN,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "n_positions": 128,
    "num_labels": 3,
    "pad_token_id": PAD,
}
_XLM = {
    "vocab_size": VOCABULARY,
    "emb_dim": HIDDEN,
    "n_layers": LAYERS,
    "n_heads": HEADS,
    "max_position_embeddings": 128,
    "num_labels": 3,
    "pad_index": PAD,
}
_BART = {
    "vocab_size": VOCABULARY,
    "d_model": HIDDEN,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 128,
    "num_labels": 3,
    "pad_token_id": PAD,
    "bos_token_id": 2,
    "eos_token_id": END,
    "decoder_start_token_id": END,
}
_T5 = {
    "vocab_size": VOCABULARY,
    "d_model": HIDDEN,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": LAYERS,
    "num_heads": HEADS,
    "num_labels": 3,
    "pad_token_id": PAD,
    "eos_token_id": END,
    "decoder_start_token_id": PAD,
}
_DISENTANGLED = _BASE | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
_EXPERTS = {"num_experts_per_tok": 1}

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "bert": _BASE,
    "roberta": _BASE,
    "xlm-roberta": _BASE,
    "camembert": _BASE,
    "albert": _BASE | {"embedding_size": 16},
    "electra": _BASE | {"embedding_size": 16},
    "distilbert": {
        "vocab_size": VOCABULARY,
        "dim": HIDDEN,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "hidden_dim": 48,
        "max_position_embeddings": 128,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "mpnet": _BASE,
    "deberta": _DISENTANGLED,
    "deberta-v2": _DISENTANGLED | {"position_buckets": 16, "share_att_key": True},
    "xlnet": {
        "vocab_size": VOCABULARY,
        "d_model": HIDDEN,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "d_inner": 48,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "xlm": _XLM,
    "flaubert": _XLM,
    "big_bird": _BASE | {"attention_type": "original_full"},
    "modernbert": _BASE
    | {
        "global_attn_every_n_layers": 2,
        "local_attention": 6,
        "cls_token_id": 2,
        "sep_token_id": END,
    },
    "funnel": {
        "vocab_size": VOCABULARY,
        "d_model": HIDDEN,
        "block_sizes": [1, 1, 1],
        "n_head": HEADS,
        "d_head": 8,
        "d_inner": 48,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "rembert": _BASE | {"input_embedding_size": 16, "output_embedding_size": 16},
    "roformer": _BASE | {"embedding_size": HIDDEN},
    "convbert": _BASE | {"embedding_size": HIDDEN, "head_ratio": 2, "conv_kernel_size": 3},
    "mobilebert": _BASE
    | {
        "embedding_size": 16,
        "intra_bottleneck_size": 16,
        "true_hidden_size": 16,
        "num_feedforward_networks": 1,
    },
    "squeezebert": _BASE
    | {
        "embedding_size": HIDDEN,
        "q_groups": 1,
        "k_groups": 1,
        "v_groups": 1,
        "post_attention_groups": 1,
        "intermediate_groups": 1,
        "output_groups": 1,
    },
    "ernie": _BASE,
    "esm": _BASE | {"mask_token_id": 4, "position_embedding_type": "rotary"},
    "megatron-bert": _BASE,
    "nystromformer": _BASE | {"segment_means_seq_len": 64, "num_landmarks": 64},
    "luke": _BASE | {"entity_vocab_size": 10, "entity_emb_size": 16},
    "ibert": _BASE,
    "data2vec-text": _BASE,
    "eurobert": _DECODER,
    "tapas": _BASE,
    "t5": _T5,
    "mt5": _T5,
    "bart": _BART,
    "mbart": _BART,
    "gpt2": _GPT | {"bos_token_id": 2, "eos_token_id": END},
    "openai-gpt": _GPT,
    "gpt_neo": {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_layers": 4,
        "attention_types": [[["global", "local"], 2]],
        "num_heads": HEADS,
        "window_size": 6,
        "max_position_embeddings": 128,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "gptj": _GPT | {"rotary_dim": 4},
    "gpt_neox": _BASE,
    "gpt_bigcode": _GPT,
    "opt": {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "ffn_dim": 48,
        "max_position_embeddings": 128,
        "word_embed_proj_dim": HIDDEN,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "bloom": {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "falcon": _BASE | {"new_decoder_architecture": False, "multi_query": True},
    "mpt": {
        "vocab_size": VOCABULARY,
        "d_model": HIDDEN,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "max_seq_len": 128,
        "num_labels": 3,
        "pad_token_id": PAD,
        "expansion_ratio": 2,
    },
    "llama": _DECODER,
    "mistral": _DECODER | {"sliding_window": 6},
    "mixtral": _DECODER | {"num_local_experts": 2} | _EXPERTS,
    "qwen2": _DECODER,
    "qwen3": _DECODER,
    "qwen3_moe": _DECODER | {"num_experts": 2, "moe_intermediate_size": 16} | _EXPERTS,
    "gemma": _DECODER,
    "gemma2": _DECODER
    | {"sliding_window": 6, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "gemma3_text": _DECODER | {"sliding_window": 6, "query_pre_attn_scalar": 8},
    "phi": _BASE,
    "phi3": _DECODER,
    "stablelm": _DECODER,
    "starcoder2": _DECODER,
    "gpt_oss": _DECODER | {"num_local_experts": 2, "sliding_window": 6} | _EXPERTS,
    "persimmon": _BASE,
    "glm": _DECODER,
    "smollm3": _DECODER,
    "modernbert-decoder": _BASE
    | {
        "local_attention": 6,
        "cls_token_id": 2,
        "sep_token_id": END,
        "global_attn_every_n_layers": 2,
    },
    "ctrl": {
        "vocab_size": VOCABULARY,
        "n_embd": HIDDEN,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "dff": 48,
        "n_positions": 128,
        "num_labels": 3,
        "pad_token_id": PAD,
    },
    "deepseek_v3": _BASE
    | {
        "num_key_value_heads": 4,
        "n_routed_experts": 4,
        "n_group": 1,
        "topk_group": 1,
        "num_experts_per_tok": 1,
        "kv_lora_rank": 8,
        "q_lora_rank": 8,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 4,
        "v_head_dim": 8,
        "moe_intermediate_size": 16,
        "first_k_dense_replace": 1,
    },
    "biogpt": _BASE,
    "jamba": _DECODER
    | {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 2,
        "use_mamba_kernels": False,
        "mamba_d_state": 4,
    },
}
"""Every text architecture whose attention is dense, by model type."""

REFUSED: dict[str, dict[str, Any]] = {
    "longformer": _BASE | {"attention_window": 4},
    "canine": _BASE
    | {"num_hash_buckets": 64, "downsampling_rate": 4, "local_transformer_stride": 8},
}
"""Architectures that attend in chunks or to pooled characters."""

NEEDS_END = ("bart", "mbart", "t5", "mt5")
READS_LAST_POSITION = ("xlnet",)
MIXES_NEIGHBOURS = ("convbert", "mobilebert", "nystromformer")
POOLS = ("funnel",)
"""Pairs of positions: the last of an odd number is paired with padding, where there is any."""
DECODERS = tuple(CONFIGURATIONS)[list(CONFIGURATIONS).index("gpt2") :]
COUNTS_PADDING = ("gpt2", "openai-gpt", "gpt_neo", "gpt_bigcode", "ctrl", "biogpt")
"""They count positions from the first, padding or not, where the caller does not give them."""

READOUT = (
    dict.fromkeys(CONFIGURATIONS, "first")
    | dict.fromkeys((*NEEDS_END, *READS_LAST_POSITION, *DECODERS), "last")
    | {"eurobert": "all", "jamba": "all", "funnel": "found"}
)
"""Whose query row is read out: EuroBERT pools over all tokens, behind Jamba's attention comes a
state-space layer that takes up all of them, and Funnel pools, then attends again."""


def build(model_type: str, attention: str | None = None, seed: int = 0) -> torch.nn.Module:
    """A random classifier with weights large enough for attention that is not uniform."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(seed)
    configuration = (CONFIGURATIONS | REFUSED)[model_type]
    config = AutoConfig.for_model(model_type, **{"initializer_range": 0.3} | configuration)
    options = {} if attention is None else {"attn_implementation": attention}
    model: torch.nn.Module = AutoModelForSequenceClassification.from_config(config, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "norm" not in name.lower():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.25)
            elif parameter.dim() == 1 and name.endswith("bias"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return model.eval()


def examples(n_tokens: Sequence[int] = (12, 9, 7, 11), seed: int = 1) -> list[Example]:
    """Random texts of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    return [
        Example(
            id=f"example-{i}",
            text=" ".join(
                map(str, torch.randint(5, VOCABULARY, (n,), generator=generator).tolist())
            ),
        )
        for i, n in enumerate(n_tokens)
    ]


class _EncodedIds(EncodedSequence):
    """Ids are read from the text again: nothing to carry."""


class IdsClassifier(Classifier):
    """A HuggingFace module whose texts are ids; every token but an end token is audited."""

    format = "HuggingFace"
    architecture = "of the zoo"
    takes_pairs = False
    can_mask = True

    def __init__(self, module: torch.nn.Module, model_type: str, side: str = "right") -> None:
        self.module = module
        self.needs_end = model_type in NEEDS_END
        self.side = side
        self.task = Multiclass(("a", "b", "c"))
        self.device = torch.device("cpu")

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        encoded: list[EncodedExample] = []
        for example in examples:
            tokens = example.text.split()
            units = tuple(Unit(token, 0, 0) for token in tokens)
            end = (NOT_AUDITED,) if self.needs_end else ()
            positions = (*range(len(tokens)), *end)
            encoded.append(_EncodedIds(example, units, False, None, positions))
        return encoded

    def collate(self, encoded: Sequence[EncodedExample]) -> ModelInputs:
        return self._pad([item.example.text.split() for item in encoded])

    def _pad(
        self, texts: Sequence[Sequence[str]], kept: Sequence[Sequence[int]] = ()
    ) -> ModelInputs:
        end = [END] if self.needs_end else []
        rows = [[*map(int, tokens), *end] for tokens in texts]
        n = max(map(len, rows))
        ids = torch.full((len(rows), n), PAD)
        units = torch.full((len(rows), n), NOT_AUDITED)
        real = torch.zeros(len(rows), n, dtype=torch.bool)
        for i, row in enumerate(rows):
            where = slice(0, len(row)) if self.side == "right" else slice(n - len(row), n)
            ids[i, where] = torch.tensor(row)
            real[i, where] = True
            n_tokens = len(row) - len(end)
            own = list(kept[i]) if kept else list(range(n_tokens))
            units[i, where.start : where.start + n_tokens] = torch.tensor(own)
        keywords = {"input_ids": ids, "attention_mask": real.long()}
        return ModelInputs((), keywords, units, real)

    def mask(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        mask = inputs.keywords["attention_mask"] * ~hidden
        keywords = {**inputs.keywords, "attention_mask": mask}
        return ModelInputs((), keywords, inputs.units, inputs.real)

    def delete(
        self, encoded: Sequence[EncodedExample], keep: Bool[Tensor, "batch unit"]
    ) -> ModelInputs:
        kept = [row.nonzero()[:, 0].tolist() for row in keep]
        texts = [
            [item.example.text.split()[i] for i in row]
            for item, row in zip(encoded, kept, strict=True)
        ]
        return self._pad(texts, kept)

    def logits(self, inputs: ModelInputs) -> Logits:
        logits: Tensor = self.module(**inputs.keywords).logits
        return logits

    def embedding_table(self) -> Tensor | None:
        table: Tensor = self.module.get_input_embeddings().weight  # type: ignore[operator]
        return table
