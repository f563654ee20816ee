"""What Python users call takes what they have, and says in their words what is wrong."""

import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import nn

import attn_audit
from attn_audit import Example
from attn_audit.api import AuditOptions
from attn_audit.data.source import content_id
from attn_audit.errors import AttnAuditError, ConfigurationError, DataError
from attn_audit.findings.performance import LEFT_OUT
from attn_audit.models.paper.network import EncoderKind
from attn_audit.results.report import Report
from attn_audit.settings import KEYS, names_where
from tests.conftest import REPOSITORY, Checkpoint
from tests.models.custom.toys import TEXTS, Pooling, attend_plainly, custom_of
from tests.tiny import tiny_model


def correlated(model: Any, data: Any, **options: Any) -> Report:
    return attn_audit.audit(model, data, checks="correlation", reproducible=True, **options)


def test_every_setting_is_an_option_but_what_the_command_line_alone_does() -> None:
    alone = {"model", "data", "output", "format", "policy", "inconclusive", "require"}
    assert set(AuditOptions.__annotations__) == set(KEYS) - alone
    assert names_where(is_argument=True) == ("model", "data")


def as_rows(texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"text": text} for text in texts]


def as_dataset(texts: Sequence[str]) -> object:
    import datasets

    return datasets.Dataset.from_dict({"text": list(texts)})


def as_frame(texts: Sequence[str]) -> object:
    import pandas as pd

    return pd.DataFrame({"text": list(texts), "label": None})


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("model", ["demo", "tiny"])
def test_importance_is_measured_where_a_caller_holds_gradients_off(
    without: Any, model: str
) -> None:
    audited = tiny_model() if model == "tiny" else model
    expected = correlated(audited, TEXTS)
    with without():
        found = correlated(audited, TEXTS)
    assert found.metrics == expected.metrics


def as_table(texts: Sequence[str]) -> object:
    return pa.table({"text": list(texts), "label": [None] * len(texts)})


@pytest.mark.parametrize("make", [list, as_rows, as_dataset, as_frame, as_table, iter])
def test_texts_rows_and_data_sets_are_the_same_data(make: Any) -> None:
    expected = correlated(tiny_model(), [Example(content_id(t, None), t) for t in TEXTS])
    found = correlated(tiny_model(), make(TEXTS))
    assert found.data.n_examples == len(TEXTS)
    assert found.metrics == expected.metrics


def test_the_classes_of_a_table_have_their_names() -> None:
    import datasets

    kinds = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["label1", "label0"])}
    )
    rows = {"text": list(TEXTS), "label": [0] * len(TEXTS)}
    dataset = datasets.Dataset.from_dict(rows, features=kinds)
    named = correlated(tiny_model(), [{"text": text, "label": "label1"} for text in TEXTS])
    assert correlated(tiny_model(), dataset.data.table).metrics == named.metrics


def test_rows_are_read_as_those_of_a_file_are() -> None:
    rows = [{"id": 7, "words": TEXTS[0], "label": 0}, {"id": 8, "words": TEXTS[1]}]
    report = correlated(tiny_model(), rows, text_field="words")
    assert (report.data.n_examples, report.data.n_labelled) == (2, 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "it holds no examples"),
        (StringIO('{"text": "w5"}'), "it is an open file"),
        (TEXTS[0], "no data at"),
        (
            pa.Table.from_arrays([pa.array(["w5"])] * 2, names=["text", "text"]),
            "data: an Arrow table that is no data set",
        ),
        ({"text": TEXTS[0]}, "is one item, not many"),
        (iter([TEXTS[0], 7]), "data row 2: 7 is neither a text nor a mapping"),
        ([{"text": TEXTS[0]}, {"text": " "}], "data row 2: 'text' is blank"),
        ([{"id": 1, "text": "w5"}, {"id": 1, "text": "w6"}], "id '1' is also that of data row 1"),
        ([Example("a", "w5"), Example("a", "w6")], "data row 2: id 'a' is also that of data row 1"),
        ([Example(1, "w5")], "data row 1: id must be a string, not 1"),  # type: ignore[arg-type]
        ([Example("a", "w5", labels="positive")], "labels must be a tuple of names"),  # type: ignore[arg-type]
        ([Example("a", "w5", labels=(1,))], "labels must be a tuple of names"),  # type: ignore[arg-type]
        ([Example("a", "w5"), "w6"], "data row 2: 'w6' is no Example"),
    ],
)
def test_examples_in_memory_are_held_to_what_a_file_is_held_to(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        correlated(tiny_model(), data)


def test_rows_in_memory_are_left_out_and_counted_as_those_of_a_file() -> None:
    rows = [{"text": TEXTS[0], "label": "label0"}, {"text": " "}, {"text": TEXTS[0], "label": "x"}]
    with pytest.raises(DataError, match="data row 2: 'text' is blank") as caught:
        correlated(tiny_model(), rows)
    assert "`label_map=x=NAME`" in str(caught.value)
    assert "`on_bad_row=skip` leaves" in str(caught.value.hint)
    report = correlated(tiny_model(), rows, on_bad_row="skip", label_map={"x": ""})
    assert report.data.n_examples == 1
    assert report[LEFT_OUT].value == pytest.approx(2 / 3)
    assert [rows.fault for rows in report.data.left_out] == ["no_text", "unwanted_label"]


def test_a_list_of_paths_is_several_files(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(f'{{"text": "{TEXTS[0]} {name}"}}\n')
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for data in (paths, str(tmp_path / "*.jsonl")):
        assert correlated(tiny_model(), data).data.n_examples == 2


def test_a_module_of_ones_own_is_audited_as_it_is() -> None:
    report = correlated(custom_of(Pooling(attend_plainly)), TEXTS, unit="word")
    assert report.model.format == "adapter"
    assert report.settings.unit == "word"


def test_a_transformers_model_is_audited_with_its_tokenizer(checkpoint: Checkpoint) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = str(checkpoint("bert"))
    module = AutoModelForSequenceClassification.from_pretrained(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    texts = ["a fine film", "not a good film at all", "dull"]
    found = correlated(module, texts, tokenizer=tokenizer)
    assert found.metrics == correlated(path, texts).metrics


@pytest.mark.parametrize("options", [{"device": torch.device("cpu")}, {"device": "cpu"}])
def test_devices_and_dtypes_may_be_those_of_torch(options: dict[str, Any]) -> None:
    assert correlated(tiny_model(), TEXTS, **options).settings.device == "cpu"


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nn.Linear(2, 2), {}, "model: a Linear alone says nothing of texts"),
        ("demo", {"tokenizer": object()}, "tokenizer: only a transformers model"),
        (tiny_model(), {"max_length": 3}, "^max_length: the model is loaded already"),
        (
            custom_of(Pooling(attend_plainly)),
            {"window_overlap": 3},
            "^window_overlap means nothing to a module of your own",
        ),
        ("demo", {"dtype": torch.int8}, "^dtype: must be"),
        ("demo", {"removal": "mask"}, "^removal mask: a checkpoint of the paper's models"),
        ("demo", {"chekcs": "correlation"}, "^chekcs: no such option"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_python(
    model: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        attn_audit.audit(model, list(TEXTS), **options)
    assert "--" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("is_training", [False, True])
def test_what_is_audited_is_left_as_it_was(checkpoint: Checkpoint, is_training: bool) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = str(checkpoint("bert"))
    module = AutoModelForSequenceClassification.from_pretrained(path).train(is_training)
    tokenizer = AutoTokenizer.from_pretrained(path)
    texts = ["a fine film", "not a good film at all", "dull"]
    reports = [
        correlated(module, texts, tokenizer=tokenizer),
        correlated(attn_audit.wrap(module, tokenizer), texts),
    ]
    assert reports[0].metrics == reports[1].metrics
    assert all(each.training == is_training for each in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())
    own = Pooling(attend_plainly).train(is_training)
    correlated(custom_of(own), TEXTS)
    assert own.training == is_training
    assert all(parameter.requires_grad for parameter in own.parameters())


def test_one_text_is_explained_by_a_model_in_memory() -> None:
    found = attn_audit.explain(tiny_model(), TEXTS[0], permutations=10)
    assert found.text == TEXTS[0]
    with pytest.raises(AttnAuditError, match="text is blank"):
        attn_audit.explain(tiny_model(), " ")


def test_what_is_no_model_is_refused_by_its_kind() -> None:
    """In a process without the tests' own checks of types."""
    code = (
        "import attn_audit\n"
        "try: attn_audit.audit((1, 2), ['a text'])\n"
        "except attn_audit.AttnAuditError as error: print(error, error.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert "model: it is 'tuple', not a path, a CustomModel or another model" in done.stdout
    assert "Give attn_audit.CustomModel(" in done.stdout


def test_the_short_form_of_a_plan_says_how_long_it_takes() -> None:
    assert "Time: about " in repr(attn_audit.plan(tiny_model(), TEXTS, checks="permutation"))


def test_one_text_for_a_model_of_pairs_is_told_of_the_argument() -> None:
    model = tiny_model(EncoderKind.AVERAGE, is_pair=True)
    with pytest.raises(ConfigurationError, match="text_pair: the model takes pairs") as caught:
        attn_audit.explain(model, TEXTS[0])
    assert caught.value.hint == "Give the second."
