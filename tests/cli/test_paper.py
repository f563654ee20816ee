"""`attn-audit paper`: trained, audited and tabled, and gone on with where it was cut short."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import attn_audit
from attn_audit.api import TrainingOptions
from attn_audit.cli.paper import _OPTIONS
from attn_audit.engine.audit import run_audit
from attn_audit.errors import UsageError
from attn_audit.results.report import Report, records_files
from tests.cli.conftest import AttnAudit, Outcome, invoke

SMALL = ("--hidden-size", 8, "--embedding-size", 4, "--epochs", 1, "--attention", "dot")
QUICK = "permutations = 4\nchecks = ['correlation', 'permutation']\n"

Paper = Callable[..., Outcome]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder of three splits."""
    return write_films(tmp_path / "films")


def write_films(folder: Path) -> Path:
    folder.mkdir()
    for split, n in (("train", 40), ("dev", 10), ("test", 12)):
        rows = [
            {"id": f"{split}{i}", "text": f"a {word} film with {i % 3} ends", "label": word}
            for i, word in enumerate(["good", "bad"] * (n // 2))
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one small model leaves."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "attn-audit.toml").write_text(QUICK)
    films, out = write_films(folder / "films"), folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = invoke("paper", films, "--output", out, *SMALL, "--encoder", "average")
    assert found.exit_code == 0, found.stderr
    return out


@pytest.fixture
def trained(trained_once: Path, films: Path, tmp_path: Path) -> Path:
    """A copy of it, as if the films of this test had been learnt from."""
    assert films.parent == tmp_path
    return shutil.copytree(trained_once, tmp_path / "out")


@pytest.fixture
def paper(attn_audit: AttnAudit, films: Path, tmp_path: Path) -> Paper:
    """Run it on two small models, into `out`."""
    (tmp_path / "attn-audit.toml").write_text(QUICK)

    def run(*words: object, data: Path = films, encoders: tuple[str, ...] = ("cnn", "average"),
            ) -> Outcome:  # fmt: skip
        chosen = [word for encoder in encoders for word in ("--encoder", encoder)]
        return attn_audit("paper", data, "--output", tmp_path / "out", *SMALL, *chosen, *words)

    return run


def files(tmp_path: Path) -> dict[str, int]:
    """When the models and reports were written."""
    found = [*(tmp_path / "out").glob("*/model.pt"), *(tmp_path / "out").glob("*/report.json")]
    return {str(path.relative_to(tmp_path / "out")): path.stat().st_mtime_ns for path in found}


def test_models_are_trained_audited_and_tabled_once(paper: Paper, tmp_path: Path) -> None:
    found = paper()
    assert found.exit_code == 0, found.stderr
    assert files(tmp_path).keys() == {
        "cnn_dot/model.pt", "cnn_dot/report.json", "average_dot/model.pt", "average_dot/report.json"
    }  # fmt: skip
    assert "[1 of 2] cnn, dot: training" in found.stderr
    assert "[2 of 2] average, dot: auditing" in found.stderr
    folder = tmp_path / "out" / "cnn_dot"
    report = Report.load(folder / "report.json")
    assert records_files(report, folder) == (folder / "records.parquet",)
    assert report.model.training["encoder"] == "cnn"
    assert (report.data.n_examples, report.settings.permutations) == (12, 4)
    for name in ("table.md", "table.csv", "table.tex", "table.json"):
        assert "CNN, dot" in (tmp_path / "out" / name).read_text()
    assert "2 models, 2 reports" in found.stdout
    before = files(tmp_path)
    found = paper()
    assert found.exit_code == 0
    assert files(tmp_path) == before
    assert "[2 of 2] average, dot: the model is there" in found.stderr
    assert "[2 of 2] average, dot: the report is there" in found.stderr
    assert "training on" not in found.stderr


def test_the_page_leads_to_everything(trained_once: Path) -> None:
    page = (trained_once / "index.html").read_text()
    for path in ("table.tex", "average_dot/report.html", "average_dot/records.parquet",
                 "average_dot/model.pt"):  # fmt: skip
        assert f'href="{path}"' in page
        assert (trained_once / path).is_file()
    assert 'data-figure="tau_by_class_0"' in page
    assert (trained_once / "average_dot" / "figures" / "output_change.pdf").is_file()


def test_an_interrupted_run_goes_on_where_it_was(
    paper: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_audits = 0

    def interrupted(*given: Any, **named: Any) -> Report:
        nonlocal n_audits
        n_audits += 1
        if n_audits == 2:
            raise KeyboardInterrupt
        return run_audit(*given, **named)

    monkeypatch.setattr("attn_audit.engine.paper.run_audit", interrupted)
    found = paper()
    assert found.exit_code == 130
    assert "what is finished is kept in" in found.stderr
    before = files(tmp_path)
    assert before.keys() == {"cnn_dot/model.pt", "cnn_dot/report.json", "average_dot/model.pt"}
    found = paper()
    assert found.exit_code == 0
    assert n_audits == 3
    assert before.items() <= files(tmp_path).items()


@pytest.mark.usefixtures("trained")
def test_other_settings_make_again_what_they_decide_alone(paper: Paper, tmp_path: Path) -> None:
    before = files(tmp_path)
    found = paper("--limit", 6, encoders=("average",))
    after = files(tmp_path)
    assert after["average_dot/model.pt"] == before["average_dot/model.pt"]
    assert after["average_dot/report.json"] > before["average_dot/report.json"]
    assert "the report there is another, and is made again" in found.stderr
    found = paper("--limit", 6, "--learning-rate", 0.01, encoders=("average",))
    assert "the model there is another, and is made again" in found.stderr
    assert "the report there is another, and is made again" in found.stderr


def test_a_model_that_was_tampered_with_is_trained_again(paper: Paper, trained: Path) -> None:
    (trained / "average_dot" / "model.pt").write_bytes(b"")
    found = paper(encoders=("average",))
    assert found.exit_code == 0
    assert "the model there is another, and is made again" in found.stderr
    assert "the report is there" in found.stderr  # the same weights came out


def test_fields_that_a_configuration_names_are_learnt_from(
    paper: Paper, films: Path, tmp_path: Path
) -> None:
    for split in films.iterdir():
        split.write_text(split.read_text().replace('"text"', '"review"'))
    (tmp_path / "attn-audit.toml").write_text(QUICK + "text_field = 'review'\n")
    found = paper(encoders=("average",))
    assert found.exit_code == 0, found.stderr


def test_seeds_are_taken_together(paper: Paper, tmp_path: Path) -> None:
    assert paper("--seed", 1, "--seed", 2, encoders=("average",)).exit_code == 0
    assert files(tmp_path).keys() >= {"average_dot_seed1/model.pt", "average_dot_seed2/model.pt"}
    (model,) = json.loads((tmp_path / "out" / "table.json").read_text())["models"]
    assert [report["seed"] for report in model["reports"]] == [1, 2]


def test_a_folder_of_something_else_is_left_alone(paper: Paper, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    found = paper()
    assert found.exit_code == 2
    assert "it is not empty, and no models of the paper were started in it" in found.stderr


@pytest.mark.usefixtures("trained")
def test_a_folder_of_other_data_is_left_alone(paper: Paper, films: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    with (films / "test.jsonl").open("a") as file:
        file.write('{"text": "a good end", "label": "good"}\n')
    found = paper(encoders=("average",))
    assert found.exit_code == 2
    assert "it holds the models of other data" in found.stderr
    assert files(tmp_path) == before


def test_a_model_is_not_audited_on_what_it_was_trained_on(paper: Paper, films: Path) -> None:
    found = paper(data=films / "train.jsonl")
    assert found.exit_code == 2
    assert "the data to audit is the training data itself" in found.stderr


# --- from Python ------------------------------------------------------------------------------

LIKE_SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embedding_size": 4,
    "epochs": 1,
    "attention": "dot",
}
AUDITS: Any = {"permutations": 4, "checks": ["correlation", "permutation"]}


def test_python_takes_what_the_command_takes() -> None:
    alone = {"data", "output", "quiet", "debug"}
    assert set(TrainingOptions.__annotations__) == set(_OPTIONS) - alone


@pytest.mark.usefixtures("trained")
def test_python_goes_on_with_what_the_command_left(films: Path, tmp_path: Path) -> None:
    before, told, n_threads = files(tmp_path), list[str](), torch.get_num_threads()
    found = attn_audit.paper(
        films, tmp_path / "out", encoder=["average", "cnn"], audits=AUDITS,
        on_progress=lambda progress: told.append(progress.doing), **LIKE_SMALL,
    )  # fmt: skip
    assert before.items() <= files(tmp_path).items()
    assert told[:2] == [
        "[1 of 2] average, dot: the model is there", "[1 of 2] average, dot: the report is there"
    ]  # fmt: skip
    assert any(line.startswith("epoch 1: loss ") for line in told)
    assert told.index("[2 of 2] cnn, dot: auditing") < told.index("summing up")
    assert list(found.reports) == ["average_dot", "cnn_dot"]
    report = found.reports["cnn_dot"]
    assert report.records.num_rows == report["permutation.distance"].n == 12
    assert [model.name for model in found.table.models] == ["average, dot", "CNN, dot"]
    assert repr(found) == repr(found.table)
    assert found._repr_html_() == found.table._repr_html_()
    assert (found.folder / "index.html").is_file()
    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "gru"}, r"^encoder: .*'bilstm', 'cnn' or 'average'.* \(got 'gru'\)"),
        ({"hidden_size": "wide"}, r"^hidden_size: .*\(got 'wide'\)"),
        ({"threads": 0}, "^threads must be at least 1, not 0"),
        ({"limit": "few"}, "^limit: "),
        ({"epoch": 3}, "^epoch: no such option"),
        ({"audits": {"permutation": 3}}, "^permutation: no such option"),
        ({"dev_split": "none"}, "none"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_python(
    films: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        attn_audit.paper(films, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
