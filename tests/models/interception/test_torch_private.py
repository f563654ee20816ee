"""What torch does not promise is there, and does what interception needs of it."""

from collections import OrderedDict, namedtuple

import torch
import torch.nn.functional as F
import torch.utils._pytree
from torch import nn

from attn_audit.models.interception import torch_private

Pair = namedtuple("Pair", ["first", "second"])


def test_torch_utils_pytree_has_tree_flatten_and_tree_unflatten() -> None:
    nested = [1, (2, {"a": 3}), OrderedDict(b=4), Pair(5, None)]
    leaves, structure = torch_private.flatten(nested)
    assert [leaf for leaf in leaves if leaf is not None] == [1, 2, 3, 4, 5]
    assert torch_private.unflatten(leaves, structure) == nested
    assert hasattr(torch.utils._pytree, "tree_flatten")
    assert hasattr(torch.utils._pytree, "tree_unflatten")


def test_multi_head_attention_forward_asks_has_torch_function_and_can_be_copied() -> None:
    assert torch_private.ASKS in F.multi_head_attention_forward.__globals__
    copy = torch_private.inner_multi_head_attention()
    assert copy.__globals__[torch_private.ASKS](()) is False
    assert nn.MultiheadAttention(4, 2)(*[torch.ones(3, 1, 4)] * 3)[0].shape == (3, 1, 4)
