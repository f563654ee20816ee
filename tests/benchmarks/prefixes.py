"""What leave-one-out costs a causal model with what texts share kept, against without.

    python -m tests.benchmarks.prefixes [--prompt 60] [--words 20] [--texts 8] [--repeats 3]
        [--hidden 256] [--threads 1] [--asked nothing|options|several|target]

The model is a Llama of random weights that is made on the spot: a classifier, or a language model
that is asked. A prompt of so many tokens stands before each text. Figures are medians of runs that
are interleaved in one process: quote the ratio, not the seconds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from attn_audit import Example
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.interception.model import InterceptedModel
from tests.benchmarks.measuring import Stages, interleaved_medians, show
from tests.checkpoints import SENTENCES, transformers_model, write_checkpoint, write_language_model

MAX_LENGTH = 512

ANSWER = "answer"
"""The field of what follows."""

QUESTIONS: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "options": {"options": (" bad", " not", " never")},
    "several": {"options": (" dull", " wonderful", " bad")},
    "target": {"target": ANSWER},
}
"""By name; None of a classifier."""


def prompted(
    n_prompt: int, hidden: int, examples: Sequence[Example], asked: str, folder: Path
) -> InterceptedModel:
    """A Llama that reads so many markers before each text."""
    sizes = {
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": 6,
        "max_position_embeddings": MAX_LENGTH,
    }
    question = QUESTIONS[asked]
    auto: Any = AutoModelForSequenceClassification if question is None else AutoModelForCausalLM
    (write_checkpoint if question is None else write_language_model)("llama", folder, **sizes)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = MAX_LENGTH
    marker = tokenizer.bos_token or tokenizer.unk_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join([marker] * n_prompt + ["$A"]),
        special_tokens=[(marker, tokenizer.convert_tokens_to_ids(marker))],
    )
    if question is None:
        return transformers_model(auto.from_pretrained(folder), tokenizer)
    ending = f" {{{ANSWER}}}" if asked == "target" else ""
    prompt = "{text}\nSentiment:" + ending
    model: InterceptedModel = transformers_model(
        auto.from_pretrained(folder), tokenizer, prompt=prompt, examples=examples, **question
    )
    return model


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {"prompt": 60, "words": 20, "texts": 8, "repeats": 3, "hidden": 256}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--asked", choices=QUESTIONS, default="nothing")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    words = " ".join(SENTENCES).split()
    starts = range(0, given.texts * 7, 7)
    texts = [" ".join(words[start : start + given.words]) for start in starts]
    fields = {ANSWER: "wonderful and touching"}
    examples = [Example(f"e{i}", text, fields=fields) for i, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:
        model = prompted(given.prompt, given.hidden, examples, given.asked, Path(folder) / "llama")
    batch = model.collate(model.encode(examples))
    kind = type(model.classifier)
    can_continue = kind.can_continue

    def run(ability: object) -> object:
        kind.can_continue = ability  # type: ignore[assignment]
        return leave_out(model, batch)

    stages: Stages = {
        "each text by itself": lambda: run(False),
        "what they share is kept": lambda: run(can_continue),
    }
    # In shares of the margin: probabilities of what hardly follows differ by nothing.
    both = [leave.lost for leave in (run(False), run(can_continue))]  # type: ignore[attr-defined]
    medians = interleaved_medians(stages, given.repeats)
    plain, kept = medians.values()
    title = f"{len(examples)} texts of {batch.inputs.n_positions} tokens, {given.threads} threads"
    show(title, medians, given.json, times_as_fast=round(plain / kept, 2))
    print(f"largest difference of margins {float((both[0] - both[1]).abs().max()):.1e}")


if __name__ == "__main__":
    main()
