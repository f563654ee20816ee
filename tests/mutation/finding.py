"""The numbers that stand in capitals at the top of modules, and how one of them is changed."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLACES = (
    *("checks", "statistics", "measures", "verification", "findings/metric.py"),
    *("findings/thresholds.py", "findings/tolerance.py", "findings/measure.py"),
    *("engine/summaries.py", "engine/sampling.py", "engine/report.py"),
    *("models/margin.py", "judgement/answer.py", "judgement/gate.py", "judgement/rules.toml"),
)
REPOSITORY = Path(__file__).parents[2]
TOLERANCES = (
    *("GRADIENT_NOISE", "ATTENTION_NOISE", "HALF_PRECISION_NOISE", "SMALLEST_WEIGHT"),
    *(
        "LOGIT_NOISE",
        "PROBABILITY_NOISE",
        "MIN_AUDITED_MASS",
        "REPLAY_TOLERANCE",
        "GUESS_TOLERANCE",
        "MARGIN",
    ),
    *("ROUNDING", "COARSER", "TAU_LIMIT", "SHARE_LIMIT", "SMALL_WEIGHT", "OUTPUT", "WEIGHT"),
    *("MASS", "GRADIENT", "DIVERGENCE", "BOUND", "SEARCHED", "DISTRIBUTION", "DERIVED", "SUMMARY"),
)
"""Changed by a factor of 10, all others by 2."""


@dataclass(frozen=True)
class Number:
    """One number of one constant."""

    file: str
    name: str
    index: int
    """Among the numbers of the constant."""
    start: int
    end: int
    """Where it stands in the file."""

    @property
    def id(self) -> str:
        """`statistics.intervals.QUANTILES[2]`."""
        module = self.file.removeprefix("attn_audit/").rpartition(".")[0].replace("/", ".")
        return f"{module}.{self.name}[{self.index}]"

    @property
    def constant(self) -> str:
        """The same without the index."""
        return self.id.rpartition("[")[0]

    def changed(self, source: str) -> str:
        """The file's text with another number there; whole numbers stay whole."""
        value = eval(source[self.start : self.end], {})
        factor = 10 if self.name in TOLERANCES else 2
        other = value * factor or (1 if isinstance(value, int) else 0.1)
        return f"{source[: self.start]}{other!r}{source[self.end :]}"


def numbers(repository: Path = REPOSITORY) -> Iterator[Number]:
    """Every number of every constant in these folders and files."""
    for place in PLACES:
        at = repository / "attn_audit" / place
        for path in [at] if at.is_file() else sorted(at.rglob("*.py")):
            source = path.read_text()
            if path.suffix == ".toml":
                yield from _limits(source, str(path.relative_to(repository)))
                continue
            starts = [0]
            for line in source.splitlines(keepends=True):
                starts.append(starts[-1] + len(line.encode()))
            for name, value in _constants(ast.parse(source)):
                for index, node in enumerate(_numbers(value)):
                    places = (
                        (node.lineno, node.col_offset),
                        (node.end_lineno or 0, node.end_col_offset or 0),
                    )
                    start, end = (
                        len(source.encode()[: starts[line - 1] + column].decode())
                        for line, column in places
                    )
                    file = str(path.relative_to(repository))
                    yield Number(file, name, index, start, end)


def _limits(source: str, file: str) -> Iterator[Number]:
    """The numbers of a policy: a bound's by its metric, others by their key."""
    metric, seen = "", Counter[str]()
    for found in re.finditer(r'^metric = "(.+)"$|^(\w+) = ([\d.]+)$', source, re.MULTILINE):
        if found[1] is not None:
            metric = f"{found[1]}."
        else:
            name = f"{metric}{found[2]}"
            yield Number(file, name, seen[name], found.start(3), found.end(3))
            seen[name] += 1


def _constants(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in module.body:
        pairs: list[tuple[ast.expr, ast.expr]]
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            pairs = [(statement.target, statement.value)]
        elif isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=True))
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Name) and target.id.lstrip("_").isupper():
                yield target.id, value


def _numbers(value: ast.expr) -> Iterator[ast.expr]:
    """Numbers, and sums, products and powers of numbers as one."""
    if _is_number(value):
        yield value
        return
    for child in ast.iter_child_nodes(value):
        if isinstance(child, ast.expr):
            yield from _numbers(child)
        elif isinstance(child, ast.keyword):
            yield from _numbers(child.value)


def _is_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant(bool()):
            return False
        case ast.Constant(int() | float()):
            return True
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case _:
            return False
