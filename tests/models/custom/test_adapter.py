"""A user's function is found by module or file, and each way to fail is one clear line."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attn_audit.checks.base import read_batch
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example
from attn_audit.errors import AuditFailedError, ConfigurationError
from attn_audit.files import sha256_of
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.contract import Batch
from attn_audit.models.custom.adapter import failures_named, load_adapter
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel, load_custom_model
from attn_audit.models.options import ModelOptions
from attn_audit.plugins import source_file
from tests.models.custom.toys import (
    CPU,
    EXAMPLES,
    IDS,
    Pooling,
    attend_plainly,
    between_markers,
    custom_of,
    model_of,
)

Write = Callable[..., Path]

GOOD = """
from attn_audit import CustomModel
from torch import nn

def load(checkpoint):
    return CustomModel(nn.Linear(1, 1), len, ["bad", "good"], "binary")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a folder of its own, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield
    assert sys.path == path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(code: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return path

    return write


def problem_of(adapter: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_adapter(adapter, "model.pt")
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("adapter", ["mine.py:load", "mine:load", "./mine.py:load"])
def test_a_function_is_found_in_a_file_or_module_here(write: Write, adapter: str) -> None:
    write(GOOD)
    assert isinstance(load_adapter(adapter, "model.pt"), CustomModel)
    source = source_file(adapter.rpartition(":")[0])
    assert source is not None
    assert source.resolve() == Path("mine.py").resolve()


def test_a_module_may_be_inside_a_package(write: Write) -> None:
    write("", "package/__init__.py")
    write(GOOD, "package/module.py")
    assert isinstance(load_adapter("package.module:load", "model.pt"), CustomModel)


def test_a_file_finds_the_modules_beside_it(write: Write) -> None:
    write("NAMES = ['bad', 'good']", "folder/names.py")
    write(
        GOOD.replace('["bad", "good"]', "names.NAMES").replace("def", "import names\ndef"),
        "folder/mine.py",
    )
    assert load_adapter("folder/mine.py:load", "model.pt").labels == ["bad", "good"]


def test_a_function_that_imports_when_it_is_called_finds_them_too(write: Write) -> None:
    write("NAMES = ['bad', 'good']", "names.py")
    write(GOOD.replace("    return", "    import names\n    return"))
    load_adapter("mine.py:load", "model.pt")


def test_a_file_may_be_called_as_a_module_that_it_needs(write: Write) -> None:
    write("import torch\n" + GOOD, "torch_model.py")
    write("import numpy\n" + GOOD, "numpy.py")
    load_adapter("torch_model.py:load", "model.pt")


def test_the_function_gets_what_was_given_as_the_model(write: Write) -> None:
    write(GOOD.replace("return", "assert checkpoint == 'hub/name'\n    return"))
    load_adapter("mine.py:load", "hub/name")


def test_what_it_prints_stays_off_the_report(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("print('importing')\n" + GOOD.replace("return", "print('loading')\n    return"))
    load_adapter("mine.py:load", "model.pt")
    assert capsys.readouterr() == ("", "importing\nloading\n")


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("mine.py", "not package.module:function or file.py:function"),
        ("mine.py:", "not package.module:function or file.py:function"),
        ("nowhere.py:load", "there is no file nowhere.py"),
        ("nowhere:load", "there is no module 'nowhere' here, nor is it installed"),
        ("mine.deeper:load", "there is no module 'mine.deeper' here, nor is it installed"),
        ("mine.py:laod", "there is no function 'laod' in it"),
        ("mine:nn", "nn is no function but 'module'"),
    ],
)
def test_what_is_not_there_is_named(write: Write, adapter: str, message: str) -> None:
    write(GOOD)
    assert problem_of(adapter).message == f"--adapter {adapter}: {message}"


def test_the_nearest_function_is_told(write: Write) -> None:
    write(GOOD)
    assert problem_of("mine.py:laod").hint == "Did you mean 'load'?"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nowhere", "importing it failed: ModuleNotFoundError: No module named 'nowhere' "
         "(mine.py, line 1)"),
        ("\n1 / 0", "importing it failed: ZeroDivisionError: division by zero (mine.py, line 2)"),
        ("\ndef load(:", "importing it failed: SyntaxError: invalid syntax (mine.py, line 2)"),
        ("raise SystemExit(3)", "importing it ends the program"),
        ("import json\njson.loads('{')", "importing it failed: JSONDecodeError: Expecting property "
         "name enclosed in double quotes: line 1 column 2 (char 1) (mine.py, line 2)"),
        ("def load(checkpoint):\n    raise ValueError", "load('model.pt') failed: ValueError "
         "(mine.py, line 2)"),
        ("def load():\n    pass", "load('model.pt') failed: TypeError: load() takes 0 positional "
         "arguments but 1 was given"),
        ("load = dict", "load('model.pt') failed: ValueError: dictionary update sequence element "
         "#0 has length 1; 2 is required"),
        ("def load(checkpoint):\n    return 3", "load returned 'int', not a CustomModel"),
    ],
)  # fmt: skip
def test_a_failure_names_the_line(write: Write, code: str, message: str) -> None:
    write(code)
    assert problem_of("mine.py:load").message.startswith(f"--adapter mine.py:load: {message}")


def test_a_failure_inside_a_module_that_it_imports_is_found_there(write: Write) -> None:
    write("def read():\n    return {}['weights']", "reading.py")
    write("import reading\ndef load(checkpoint):\n    return reading.read()")
    assert "KeyError: 'weights' (reading.py, line 2)" in problem_of("mine:load").message


def test_a_wrong_field_is_an_error_of_its_own(write: Write) -> None:
    write(GOOD.replace('"binary"', '"binery"'))
    assert problem_of("mine.py:load").message == "CustomModel: there is no task 'binery'"


AUDITABLE = """
import torch
from attn_audit import CustomModel
from tests.models.custom.toys import Pooling, attend_plainly, pad_ids

def load(checkpoint):
    module = Pooling(attend_plainly)
    module.load_state_dict(torch.load(checkpoint, weights_only=True))
    return CustomModel(module, pad_ids, ["bad", "good"], "binary", attention=None)
"""


def test_the_report_can_tell_where_a_model_is_from(write: Write, tmp_path: Path) -> None:

    torch.save(Pooling(attend_plainly).state_dict(), tmp_path / "model.pt")
    file = write(AUDITABLE)
    model = load_custom_model("mine.py:load", "model.pt", EXAMPLES, CPU, ModelOptions())
    description = model.describe()
    assert description.source == "model.pt"
    assert description.sha256 == sha256_of(tmp_path / "model.pt")
    assert description.details["adapter"] == "mine.py:load"
    assert description.details["adapter sha256"] == sha256_of(file)
    assert not isinstance(model.module, nn.Linear)


FORBIDDEN = IDS["w39"]


class Failing(Pooling):
    """Fails at one token before the attention, and behind it as soon as it is armed."""

    def __init__(self, forbidden: int = FORBIDDEN) -> None:
        super().__init__(attend_plainly)
        self.forbidden = forbidden
        self.is_armed = False

    def forward(self, ids: Tensor) -> Tensor:
        if bool((ids == self.forbidden).any()):
            raise ValueError("a token\nthat is forbidden")
        output = super().forward(ids)
        if self.is_armed:
            raise RuntimeError("armed")
        return output


def batch_of(model: CustomInterceptedModel, examples: Any = EXAMPLES) -> Batch:
    return model.collate(model.encode(examples))


def message_of(error: AuditFailedError) -> str:
    assert "\n" not in error.message
    assert error.exit_code == 3
    assert isinstance(error.__cause__, Exception)
    return error.message


def test_the_text_at_which_it_fails_is_named() -> None:
    model = model_of(custom_of(Failing()), EXAMPLES[:2])
    batch = batch_of(model)
    with pytest.raises(AuditFailedError) as caught:
        model.read(batch, [model.default_site])
    message = message_of(caught.value)
    assert message.startswith(
        "the adapter's code failed at example 'example-2': ValueError: a token that is forbidden ("
    )
    assert "test_adapter.py, line " in message


def test_failures_of_all_texts_name_a_few() -> None:
    module = Failing(forbidden=-1)
    model = model_of(custom_of(module))
    module.is_armed = True
    texts = [Example(id=str(i), text="w5 w6 w7") for i in range(5)]
    with pytest.raises(AuditFailedError, match="at examples '0', '1', '2' and 2 more: RuntimeErr"):
        model.read(batch_of(model, texts), [model.default_site])


def test_every_way_into_the_module_is_guarded() -> None:
    module = Failing(forbidden=-1)
    model = model_of(custom_of(module))
    audited = read_batch(model, batch_of(model), model.default_site, seed=0)
    embeddings = model.embed(audited.batch)
    module.is_armed = True
    with pytest.raises(AuditFailedError):
        leave_out(model, audited.batch)
    with pytest.raises(AuditFailedError):
        gradients(model, audited.batch)
    with pytest.raises(AuditFailedError):
        model.forward(audited.batch, embeddings, hold_attention=True)
    with pytest.raises(AuditFailedError):
        Permutation(0.01, 10).run(audited)


def test_a_failing_encode_is_named_too() -> None:
    def encode(texts: list[list[str]]) -> Tensor:
        return torch.stack([torch.tensor([IDS[token] for token in tokens]) for tokens in texts])

    with pytest.raises(AuditFailedError, match="RuntimeError: stack expects each tensor to be"):
        model_of(custom_of(Pooling(attend_plainly), encode))


def test_so_is_a_failing_tokenize() -> None:
    def tokenize(text: str) -> list[str]:
        return text.split() if "w39" not in text else [][0]

    model = model_of(custom_of(Pooling(attend_plainly), tokenize=tokenize), EXAMPLES[:2])
    with pytest.raises(AuditFailedError, match="at example 'example-2': IndexError: list index"):
        model.encode(EXAMPLES)


def test_a_failure_of_torch_alone_has_no_line_of_the_users() -> None:
    """An id that the table does not have."""
    model = between_markers()
    batch = batch_of(model)
    batch.inputs.arguments[0][0, 2] = 4000  # type: ignore[attr-defined]
    with pytest.raises(AuditFailedError, match="IndexError: index out of range in self"):
        model.read(batch, [model.default_site])


@pytest.mark.parametrize("error", [MemoryError(), torch.cuda.OutOfMemoryError()])
def test_running_out_of_memory_is_no_fault_of_the_users(error: Exception) -> None:
    with pytest.raises(type(error)), failures_named(list):
        raise error


def test_a_fault_of_ours_is_not_called_theirs() -> None:
    with pytest.raises(ZeroDivisionError), failures_named(list):
        1 / 0  # noqa: B018
