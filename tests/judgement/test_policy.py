"""Every mistake in a policy is named, with its place and the nearest name."""

from datetime import date
from pathlib import Path

import pytest

from attn_audit.errors import ConfigurationError
from attn_audit.judgement.policy import load_policy
from attn_audit.results.verdict import Level
from tests.judged import MOVED, YARDSTICK, policy_from

BOUND = f'[[bound]]\nmetric = "{MOVED}"\n'
WAIVER = f'{BOUND}min = 0.5\n[[waiver]]\nmetric = "{MOVED}"\n'
PLACE = f"bound 1 ({MOVED}): "


def test_reads_all_that_a_policy_can_say(tmp_path: Path) -> None:
    policy = policy_from(
        tmp_path,
        f"""
        min_examples = 100
        min_coverage = 0.95
        min_accuracy = 0.7
        {BOUND}
        min = 0.5
        level = "warn"
        only_if = {{ metric = "{YARDSTICK}", min = 0.4 }}
        why = "because"
        [[waiver]]
        metric = "min_accuracy"
        reason = "a new split"
        expires = 2027-06-30
        """,
    )
    (bound,) = policy.bounds
    assert (policy.min_examples, policy.min_coverage, policy.min_accuracy) == (100, 0.95, 0.7)
    assert (bound.metric, bound.direction, bound.limit) == (MOVED, "min", 0.5)
    assert bound.level is Level.WARN
    assert bound.only_if is not None
    assert (bound.only_if.metric, bound.only_if.direction, bound.only_if.limit) == (
        YARDSTICK,
        "min",
        0.4,
    )
    assert policy.waivers[0].expires == date(2027, 6, 30)
    assert policy.name == "policy.toml"


@pytest.mark.parametrize(
    ("kind", "direction", "limit"), [("max_drop", "min", -0.1), ("max_rise", "max", 0.1)]
)
def test_a_drop_is_a_change_below_zero(
    tmp_path: Path, kind: str, direction: str, limit: float
) -> None:
    (bound,) = policy_from(tmp_path, f"{BOUND}{kind} = 0.1").bounds
    assert bound.is_of_change
    assert (bound.direction, bound.limit) == (direction, limit)


def test_a_bound_fails_unless_it_says_that_it_warns(tmp_path: Path) -> None:
    (bound,) = policy_from(tmp_path, f"{BOUND}min = 0.5").bounds
    assert bound.level is Level.FAIL


def test_the_name_default_means_the_packaged_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").write_text("nonsense")
    assert load_policy("default") == load_policy()


def test_every_bound_of_the_default_policy_says_why() -> None:
    assert all(bound.why for bound in load_policy().bounds)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("min_exmaples = 3", "unknown key 'min_exmaples'", "Did you mean 'min_examples'?"),
        (f"{BOUND}mim = 0.5", f"{PLACE}unknown key 'mim'", "Did you mean 'min'?"),
        (
            f'{BOUND}min = 0.5\nonly_if = {{ metric = "{YARDSTICK}", maxx = 1 }}',
            f"{PLACE}only_if: unknown key 'maxx'",
            "Did you mean 'max'?",
        ),
        (f"{WAIVER}reasn = 'x'", f"waiver 1 ({MOVED}): unknown key 'reasn'", "'reason'"),
        (
            '[[bound]]\nmetric = "permutation.moved.share"\nmin = 0.5',
            "'permutation.moved.share' is called 'permutation.moved' now",
            "Write the new name.",
        ),
        (
            '[[bound]]\nmetric = "adversarial.relative_jsd.quantiles.0.5"\nmin = 0.5',
            "'adversarial.relative_jsd.quantiles.0.5' is called 'adversarial.relative_jsd.median'",
            "Write the new name.",
        ),
        (
            '[[bound]]\nmetric = "median_permutation_distance"\nmin = 0.5',
            "'median_permutation_distance' is called 'permutation.distance' now",
            "Write the new name.",
        ),
        (
            '[[bound]]\nmetric = "permutation.movd"\nmin = 0.5',
            "there is no metric 'permutation.movd'",
            "Did you mean 'permutation.moved'?",
        ),
        (
            '[[bound]]\nmetric = "erasure.shown.lime.gap"\nmin = 0.5',
            "there is no metric 'erasure.shown.lime.gap'",
            "Scores that come with the data are known of an audit with `--shown` alone.",
        ),
        (
            f'{BOUND}min = 0.5\nonly_if = {{ metric = "correlation.gab", min = 0.4 }}',
            f"{PLACE}only_if: there is no metric 'correlation.gab'",
            "`attn-audit metrics` lists them all",
        ),
        (
            f'{WAIVER}reason = "x"\nexpires = 2027-01-01\n'.replace(
                f"[[waiver]]\nmetric = '{MOVED}'", ""
            ).replace(f'[[waiver]]\nmetric = "{MOVED}"', '[[waiver]]\nmetric = "permutation.mved"'),
            "the waiver of 'permutation.mved' waives nothing here",
            f"Did you mean '{MOVED}'?",
        ),
    ],
)
def test_names_what_is_unknown_and_what_was_meant(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        policy_from(tmp_path, text)
    assert message in caught.value.message
    assert "policy.toml: " in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_examples = true", "min_examples: must be a whole number, not True"),
        ("min_examples = 0", "min_examples: must be greater than or equal to 1"),
        ("min_coverage = 95", "min_coverage: must be less than or equal to 1"),
        ("min_accuracy = nan", "min_accuracy: "),
        ("bound = 3", "'bound' is a list of tables"),
        ("bound = [3]", "bound 1: is a table, not 3"),
        ("[bound]\nmin = 1", "'bound' is a list of tables"),
        ("[[bound]]\nmin = 1", "bound 1: needs 'metric'"),
        (BOUND, f"{PLACE}needs one of min, max, max_drop, max_rise, and has none"),
        (f"{BOUND}min = 0.5\nmax = 0.6", "and has min and max"),
        (f"{BOUND}min = true", f"{PLACE}min: must be a number, not True"),
        (f'{BOUND}min = "0.5"', "min: must be a number"),
        (f"{BOUND}min = nan", "min: must be a finite number"),
        (f"{BOUND}min = 50", f"{PLACE}min = 50 lies outside what it can be, 0 to 1"),
        (f"{BOUND}max_drop = -0.1", "max_drop = -0.1 lies outside what it can be, 0 to 1"),
        (f'{BOUND}min = 0.5\nlevel = "warning"', "level: must be 'fail', 'warn', 'no', "),
        (f"{BOUND}min = 0.5\nonly_if = 3", "only_if is a table, not 3"),
        (f"{BOUND}min = 0.5\n{BOUND}min = 0.6", f"{MOVED} is bounded twice"),
        (WAIVER, f"waiver 1 ({MOVED}): needs 'reason'"),
        (f'{WAIVER}reason = "x"\nexpires = 2027', "expires is a date, not 2027"),
        (f'{WAIVER}reason = "x"\nexpires = "2027-01-01"', "expires is a date"),
        (f'{WAIVER}reason = " "\nexpires = 2027-01-01', "reason has to say something"),
        ('name = "x"', "unknown key 'name'"),
        ("min_examples = [", "cannot read the policy"),
    ],
)
def test_refuses(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        policy_from(tmp_path, text)
    assert message in caught.value.message


def test_refuses_a_policy_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"--policy nowhere\.toml: there is no such file"):
        load_policy("nowhere.toml")


@pytest.mark.parametrize(("name", "meant"), [("defualt", "default"), ("no-wrose", "no-worse")])
def test_a_packaged_policy_that_is_mistyped(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--policy {name}: there is no") as caught:
        load_policy(name)
    assert caught.value.hint == f"Did you mean {meant!r}?"
