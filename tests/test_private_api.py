"""What libraries do not promise is used in a few places, each known by name."""

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import datasets
import torch
from torch import nn
from transformers import BertConfig, BertModel

import attn_audit

KNOWN = {
    "attn_audit.models.interception.module_calls": {"_pytree"},
    "attn_audit.models.interception.observation": {"_attn_implementation"},
    "attn_audit.models.interception.classifier": {
        "_compiled_call_impl",
        "_orig_mod",
        "_torchdynamo_orig_callable",
    },
    "attn_audit.models.state_dict": {"_Unpickler"},
    "attn_audit.data.formats.arrow": {"_fingerprint"},
}
"""Names that are a library's own, by the module that uses them."""

NAMED_TUPLES = {"_asdict", "_replace", "_fields"}
"""Public, whatever they look like."""


def private_names(source: str) -> Iterator[str]:
    """Names with an underscore in front that are asked of something that is not defined here."""
    tree = ast.parse(source)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls")):
                continue
            case ast.Attribute(attr=name):
                names = [name]
            case ast.Call(
                func=ast.Name("getattr" | "hasattr"), args=[_, ast.Constant(str(name)), *_]
            ):
                names = [name]
            case ast.ImportFrom(module=str(module), names=imported):
                names = [*module.split("."), *(alias.name for alias in imported)]
            case _:
                continue
        yield from (n for n in names if n[0] == "_" and not n.startswith("__") and n not in own)


def test_every_private_name_of_a_library_is_known() -> None:
    found: dict[str, set[str]] = {}
    folder = Path(attn_audit.__path__[0])
    for path in folder.rglob("*.py"):
        if names := set(private_names(path.read_text())) - NAMED_TUPLES:
            parts = path.relative_to(folder.parent).with_suffix("").parts
            found[".".join(parts)] = names
    assert found == KNOWN


def test_the_python_reader_of_pickles_is_there() -> None:
    assert {"find_class", "persistent_load", "load"} <= set(dir(vars(pickle)["_Unpickler"]))


def test_a_data_set_says_what_identifies_its_content() -> None:
    data = datasets.Dataset.from_dict({"text": ["a"]})
    assert vars(data)["_fingerprint"] != vars(data.map(lambda row: {"text": "b"}))["_fingerprint"]


def test_a_compiled_module_names_the_one_that_was_compiled() -> None:
    module = nn.Linear(1, 1)
    compiled = torch.compile(module, backend="eager")
    assert isinstance(compiled, nn.Module)
    assert dict(compiled.named_children())["_orig_mod"] is module


def test_a_module_compiled_in_place_says_so() -> None:
    module = nn.Linear(1, 1)
    assert vars(nn.Module)["_compiled_call_impl"] is None
    module.compile(backend="eager")
    assert vars(module)["_compiled_call_impl"] is not None


def test_a_compiled_forward_names_the_one_that_was_compiled() -> None:
    module = nn.Linear(1, 1)
    assert hasattr(torch.compile(module.forward, backend="eager"), "_torchdynamo_orig_callable")


def test_a_model_says_which_attention_it_computes() -> None:
    config = BertConfig(
        hidden_size=4, num_attention_heads=1, num_hidden_layers=1, intermediate_size=4, vocab_size=4
    )
    assert vars(BertModel(config).config)["_attn_implementation_internal"]
    assert BertModel(config).config._attn_implementation in ("eager", "sdpa")
