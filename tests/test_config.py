"""Settings come from defaults, a file and flags; what is wrong is named where it was said."""

from pathlib import Path
from typing import Any

import pytest

from attn_audit.config import load_settings, parse_label_map
from attn_audit.errors import ConfigurationError
from attn_audit.settings import AuditSettings


def from_file(folder: Path, content: str, **flags: Any) -> AuditSettings:
    """Settings with a named configuration in a folder of its own."""
    (folder / "settings").mkdir()
    file = folder / "settings" / "a.toml"
    file.write_text(content)
    return load_settings(flags, file, folder)


def test_label_map_ignores_spaces_around_names() -> None:
    assert parse_label_map("0 = very bad, 1=good") == {"0": "very bad", "1": "good"}


@pytest.mark.parametrize("text", ["", "a", "=b", "a=b,", "a=b=c", "a=b,,c=d"])
def test_refuses_a_malformed_label_map(text: str) -> None:
    with pytest.raises(ConfigurationError, match="the label map has"):
        parse_label_map(text)


def test_a_pair_in_quotation_marks_may_hold_commas() -> None:
    found = parse_label_map('"sad, angry=negative",neutral=,pos=very good')
    assert found == {"sad, angry": "negative", "neutral": "", "pos": "very good"}


@pytest.mark.parametrize(
    ("said", "options"),
    [
        (" bad, not", (" bad", " not")),
        ('" yes, sir", no', (" yes, sir", " no")),
        (' no, "yes, sir" ', (" no", " yes, sir ")),
        (' "yes", "no"', (' "yes"', ' "no"')),
        ('"yes","no"', ('"yes"', '"no"')),
        (' 5", 6"', (' 5"', ' 6"')),
        (r"\nbad,\nnot", ("\nbad", "\nnot")),
    ],
)
def test_answers_are_parted_at_commas_that_stand_in_no_quotation_marks(
    said: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    flags = {"prompt": "{text}", "options": said}
    assert load_settings(flags, None, tmp_path).options == options
    labels = load_settings({"zero_shot": said}, None, tmp_path).zero_shot
    assert labels == tuple(option.replace("\n", r"\n").strip() for option in options)


@pytest.mark.parametrize("said", ["", ",", " bad,", ", bad", " bad,,not", " bad, bad"])
def test_answers_without_names_of_their_own_are_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="answers with names that differ"):
        load_settings({"prompt": "{text}", "options": said}, None, tmp_path)


def test_refuses_a_label_mapped_twice() -> None:
    with pytest.raises(ConfigurationError, match="the label map names 'a' twice"):
        parse_label_map("a=b,a=c")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("layer = 3", "layer", 3),
        ('layer = "3"', "layer", 3),
        ('head = "all"', "head", "all"),
        ("batch_size = 4", "batch_size", 4),
        ('removal = "mask"', "removal", "mask"),
    ],
)
def test_numbers_and_words_stand_in_a_file_as_in_a_flag(
    tmp_path: Path, line: str, name: str, value: object
) -> None:
    assert getattr(from_file(tmp_path, line), name) == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("layer = true", "a.toml: layer: `last`, `all`, `best` or a whole number, not True"),
        ("head = 1.5", "a.toml: head: `mean`, `all` or a whole number, not 1.5"),
        ("layer = -1", "a.toml: layer: must be greater than or equal to 0"),
        ('dtype = "half"', "a.toml: dtype: must be 'float32'"),
        ('task = "multiclass"', "a.toml: task: must be 'binary'"),
        ('trust_remote_code = "yes"', "a.toml: trust_remote_code"),
        (
            'replace_layers = "3"',
            "a.toml: replace_layers: `all`, or the first and the last layer: 0-5, not '3'",
        ),
        ("adapter = 3", "a.toml: adapter: must be a string"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        from_file(tmp_path, line)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('output = "a.json"', ["a.json"]),
        ('output = ["a.json", "../b.md"]', ["a.json", "../b.md"]),
        ("output = []", []),
    ],
)
def test_one_output_or_several_are_relative_to_the_file(
    tmp_path: Path, line: str, names: list[str]
) -> None:
    assert from_file(tmp_path, line).output == tuple(str(tmp_path / "settings" / n) for n in names)


@pytest.mark.parametrize("value", ["3", "[3]", "true"])
def test_an_output_is_a_path(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.toml: output: must be a"):
        from_file(tmp_path, f"output = {value}")


@pytest.mark.parametrize("adapter", ["load", ":load", "mine.py:", "mine.py:not a name", ""])
def test_an_adapter_names_a_function(tmp_path: Path, adapter: str) -> None:
    with pytest.raises(ConfigurationError, match=r"package\.module:function or file\.py:function"):
        load_settings({"adapter": adapter}, None, tmp_path)


def test_an_adapters_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    settings = from_file(tmp_path, 'adapter = "../mine.py:load"')
    assert settings.adapter is not None
    file, _, function = settings.adapter.rpartition(":")
    assert Path(file).resolve() == tmp_path / "mine.py"
    assert function == "load"


def test_an_adapters_module_and_a_flag_stay_as_they_are(tmp_path: Path) -> None:
    assert from_file(tmp_path, 'adapter = "mine.models:load"').adapter == "mine.models:load"
    flags = {"adapter": "mine.py:load"}
    assert load_settings(flags, None, tmp_path).adapter == "mine.py:load"


@pytest.mark.parametrize(
    "name", ["bert-base", "org/bert-base", "Qwen/Qwen2.5-0.5B", "org/model-v1.2"]
)
def test_a_hub_name_in_a_file_is_no_path(tmp_path: Path, name: str) -> None:
    assert from_file(tmp_path, f'model = "{name}"').model == name


@pytest.mark.parametrize("path", ["model.pt", "./bert", "../models/bert", "a/b/c", "x.safetensors"])
def test_a_models_path_in_a_file_is_relative_to_it(tmp_path: Path, path: str) -> None:
    model = from_file(tmp_path, f'model = "{path}"').model
    assert model == str(tmp_path / "settings" / path)


def test_a_folder_that_is_there_wins_over_a_hub_name(tmp_path: Path) -> None:
    (tmp_path / "settings" / "org" / "name").mkdir(parents=True)
    file = tmp_path / "settings" / "a.toml"
    file.write_text('model = "org/name"')
    assert load_settings({}, file, tmp_path).model == str(tmp_path / "settings" / "org" / "name")


@pytest.mark.parametrize("line", ['adapter = "mine:load"', "trust_remote_code = true"])
def test_code_is_named_by_a_flag_or_a_named_file_alone(tmp_path: Path, line: str) -> None:
    (tmp_path / "attn-audit.toml").write_text(line)
    with pytest.raises(ConfigurationError, match="names code to run, and this file was found"):
        load_settings({}, None, tmp_path)
    settings = from_file(tmp_path, line)
    assert settings.trust_remote_code or settings.adapter


def test_of_several_names_those_that_are_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not 'gradeint'") as caught:
        load_settings({"measures": ["rollout", "gradeint"]}, None, tmp_path)
    assert caught.value.hint == "Did you mean 'gradient'?"
