"""PEFT adapters through the command line, against what peft itself prints."""

import json
import re
import runpy
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cases(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Adapters, and what `peft` itself printed of them."""
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("cases")
    script = shared / "cases" / "checkpoints" / "make_models.py"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setattr(sys, "argv", [str(script), str(folder)])
        runpy.run_path(str(script))
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def text(shared: Path) -> str:
    """The first one, which the numbers are of."""
    file = shared / "cases" / "checkpoints" / "texts.jsonl"
    with file.open() as lines:
        return str(json.loads(next(lines))["text"])


@pytest.mark.parametrize("name", ["lora", "dora", "lora3"])
def test_an_adapter_gives_the_probabilities_that_peft_gives(
    attn_audit: AttnAudit, cases: tuple[Path, str], text: str, name: str
) -> None:
    folder, printed = cases
    found = re.search(rf"^{name}: .* loaded again by peft (\[.*\])$", printed, re.M)
    assert found is not None
    expected = json.loads(found[1])
    least = ("--permutations", 1, "--iterations", 1, "--restarts", 1, "--format", "json")
    outcome = attn_audit("explain", folder / name, "--text", text, *least)
    assert outcome.exit_code == 0
    found_here = json.loads(outcome.stdout)["own"]["probabilities"]
    assert found_here == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "command"),
    [("lora_half", "inspect"), ("lora_half", "explain"), ("lora_names", "correlate")],
)
def test_an_adapter_that_does_not_fit_is_refused(
    attn_audit: AttnAudit, cases: tuple[Path, str], shared: Path, name: str, command: str
) -> None:
    texts = shared / "cases" / "checkpoints" / "texts.jsonl"
    more = {"inspect": (), "explain": ("--text", "a"), "correlate": (texts,)}
    outcome = attn_audit(command, cases[0] / name, *more[command])
    assert outcome.exit_code == 2
    assert "it lacks base_model.model.bert.encoder.layer." in outcome.stderr
    assert ("nothing uses base_model.model.roberta" in outcome.stderr) == (name == "lora_names")
