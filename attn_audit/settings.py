"""Everything that an audit can be told: one table, from which all that speaks of settings is made.

Flags and arguments of the command line with their help, keys of a configuration file, keywords of
`attn_audit.audit`, what a report stores, what makes two reports incomparable, and what `verify`
takes from a report.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, Lt, MinLen

from attn_audit.errors import ConfigurationError

DEMO = "demo"
"""Stands for the packaged model or texts."""


class Panel(StrEnum):
    """What `--help` sorts options into."""

    WHAT = "What is audited"
    LOADING = "How the model is loaded"
    PROMPT = "What a language model is asked"
    FIELDS = "Names in the data"
    SITES = "Which attention"
    CHECKS = "How it is checked"
    HOW = "How it is run"
    STORING = "Large audits"
    GATE = "How it is judged"
    OUTPUT = "What comes out"


@dataclass(frozen=True)
class Setting:
    """What is known of a setting beside its name, its type and its default."""

    help: str
    panel: Panel
    metavar: str | None = None
    default_is: str | None = None
    """The default in words, where the value itself does not say it."""
    is_argument: bool = False
    """Whether it has a place on the command line, and no name."""
    is_path: bool = False
    """Whether it names a file or folder: in a configuration file, relative to that."""
    is_written: bool = False
    """Whether that is written."""
    names_code: bool = False
    """Whether it names code to run: never taken from a file that was merely found."""
    checks: tuple[str, ...] = ()
    """The checks whose numbers alone depend on it; none: all, or none at all."""
    is_stored: bool = False
    """Whether a report holds it as it was given, for `verify` to take it from there."""
    compared: Literal["refused", "noted"] | None = None
    """What `compare` does where two reports differ in it."""


def _is(default: Any, help: str, panel: Panel, metavar: str | None = None, **more: Any) -> Any:
    setting = Setting(help, panel, metavar, **more)
    return field(default=default, metadata=MappingProxyType({"setting": setting}))


EACH = "each"
"""In the place of a label: every one in turn."""

TaskName = Literal["binary", "reranker"]
"""What a head of one output may be said to be."""

TEMPLATE = "This example is {}."
"""What `transformers` asks of an unknown label too."""

AuditedTexts = Literal["first", "second", "both"]
"""Which text of a pair is audited; a text alone is the first."""

TEXTS_IN_WORDS: Mapping[AuditedTexts, str] = MappingProxyType(
    {"first": "the first text", "second": "the second text", "both": "both texts"}
)

Layer = Annotated[int, Ge(0)] | Literal["last", "all", "best"]
Head = Annotated[int, Ge(0)] | Literal["mean", "all"]
Count = Annotated[int, Ge(1)]


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The settings of one audit, checked; `attn_audit.config` makes them of what a user says."""

    model: str | None = _is(
        None,
        "A HuggingFace folder or hub name, a model.pt made by `attn-audit train`, a folder of the "
        "original code, `demo`, or what --adapter takes.",
        Panel.WHAT,
        "MODEL",
        is_argument=True,
        is_path=True,
    )
    data: tuple[str, ...] = _is(
        (),
        "A .jsonl, .json, .csv, .tsv or .parquet file or several, a pattern of files, a folder of "
        "splits, a URL (s3://...), `-`, the name of a HuggingFace data set, or `demo`.",
        Panel.WHAT,
        "DATA",
        is_argument=True,
        is_path=True,
    )
    split: str = _is("test", "Split of a folder or data set.", Panel.WHAT)
    limit: Count | None = _is(None, "Audit a random sample of N examples.", Panel.WHAT, "N")
    quoting: Literal["auto", "none", "csv"] = _is(
        "auto",
        "Whether cells of a table are quoted.",
        Panel.WHAT,
        default_is="in CSV, and in TSV if the whole file says so",
        is_stored=True,
        compared="refused",
    )
    max_unpacked_mb: Count | None = _is(
        None,
        "How much a packed data file may hold.",
        Panel.WHAT,
        "N",
        default_is="100 times its size",
    )

    dtype: Literal["float32", "float64", "bfloat16", "float16"] = _is(
        "float32",
        "Numbers to compute with: float32, float64, bfloat16 or float16.",
        Panel.LOADING,
        "NAME",
        default_is="float32; half precision moves probabilities by about 1e-3, and no smaller "
        "effect can be told from that rounding",
    )
    attention_implementation: Literal["sdpa", "eager"] | None = _is(
        None,
        "The code by which a HuggingFace model computes its attention.",
        Panel.LOADING,
        default_is="as transformers chooses; both can be looked into",
        is_stored=True,
        compared="noted",
    )
    max_length: Count | None = _is(
        None,
        "Cut texts to N tokens; how many were cut is reported.",
        Panel.LOADING,
        "N",
        default_is="what the model takes",
        is_stored=True,
        compared="refused",
    )
    window_overlap: Annotated[int, Ge(0)] | None = _is(
        None,
        "Read texts that are longer in windows, each sharing N tokens with the one before; their "
        "logits are averaged.",
        Panel.LOADING,
        "N",
        default_is="none: texts are cut",
        is_stored=True,
        compared="refused",
    )
    task: TaskName | None = _is(
        None,
        "What one output is, if no regression. binary: one sigmoid. reranker: one sigmoid, how "
        "relevant the second text of a pair is to the first.",
        Panel.LOADING,
    )
    revision: str | None = _is(
        None,
        "Branch, tag or commit of a model on the hub.",
        Panel.LOADING,
        "NAME",
        is_stored=True,
        compared="noted",
    )
    trust_remote_code: bool = _is(
        False,
        "Run the Python code that comes with the model.",
        Panel.LOADING,
        names_code=True,
        compared="noted",
    )
    adapter: str | None = _is(
        None,
        "Code of yours that loads MODEL: package.module:function or file.py:function.",
        Panel.LOADING,
        "WHERE:FUNCTION",
        names_code=True,
        compared="noted",
    )
    vocabulary: str | None = _is(
        None,
        "For a folder of the original code without vocab.json: a JSON object from word to id.",
        Panel.LOADING,
        "FILE",
        is_path=True,
    )
    audited: str | None = _is(
        None,
        "Of pairs the text that is audited: first, second or both. Of a prompt the {field} whose "
        "words are; all others are what stands around it.",
        Panel.LOADING,
        "WHICH",
        default_is="the first of a pair, {text} of a prompt",
        is_stored=True,
        compared="refused",
    )

    zero_shot: tuple[str, ...] = _is(
        (),
        "Labels for a model of inference that was not trained on them: 'sports, politics'. Each is "
        "put into --template, and what is entailed most is predicted; of one label, yes or no.",
        Panel.LOADING,
        "LABEL,...",
        is_stored=True,
        compared="refused",
    )
    template: str = _is(
        TEMPLATE,
        "The hypothesis of --zero-shot, with {} in the place of the label.",
        Panel.LOADING,
        "TEXT",
        is_stored=True,
        compared="noted",
    )
    zero_shot_each: bool = _is(
        False,
        "Any number of the labels of --zero-shot may hold, each against contradiction.",
        Panel.LOADING,
        is_stored=True,
        compared="refused",
    )

    prompt: str | None = _is(
        None,
        "What is put around each text: 'Review: {text}\\nSentiment:'. \\n is a new line; another "
        "{field} of the row stands where it is named.",
        Panel.PROMPT,
        "TEXT",
        is_stored=True,
        compared="noted",
    )
    prompt_file: str | None = _is(
        None,
        "The same from a file, as it stands there but for the line break at its end.",
        Panel.PROMPT,
        "FILE",
        is_path=True,
    )
    chat: bool = _is(
        False,
        "Give the prompt as a user's message, in the tokenizer's chat template.",
        Panel.PROMPT,
        is_stored=True,
        compared="noted",
    )
    options: tuple[str, ...] = _is(
        (),
        "The answers to choose from, blanks included: ' negative, positive'. Their names without "
        "outer blanks are the labels.",
        Panel.PROMPT,
        "ANSWER,...",
        is_stored=True,
        compared="noted",
    )

    target: str | None = _is(
        None,
        "Instead of options: the {field} at the end of the prompt, which holds what follows. How "
        "likely that is, is audited.",
        Panel.PROMPT,
        "FIELD",
        is_stored=True,
        compared="refused",
    )
    answer_score: Literal["sum", "mean", "first"] = _is(
        "sum",
        "What answers of several tokens are measured by: the sum of their log-probabilities, where "
        "short answers are ahead, its mean, or the logit of the first token alone.",
        Panel.PROMPT,
        is_stored=True,
        compared="noted",
    )

    label_map: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "setting": Setting(
                "Rename labels of the data: neg=negative,pos=positive. `neutral=` leaves rows with "
                "this label out.",
                Panel.FIELDS,
                "DATA=MODEL,...",
                is_stored=True,
                compared="refused",
            )
        },
    )
    text_field: str = _is("text", "Field of the text.", Panel.FIELDS, "NAME")
    text_pair_field: str = _is(
        "text_pair", "Field of the second text of a pair.", Panel.FIELDS, "NAME"
    )
    label_field: str = _is("label", "Field of the label.", Panel.FIELDS, "NAME")
    labels_field: str = _is("labels", "Field of several labels.", Panel.FIELDS, "NAME")
    candidates_field: str = _is(
        "candidates", "Field of the answers that may be given.", Panel.FIELDS, "NAME"
    )
    id_field: str = _is("id", "Field of the id.", Panel.FIELDS, "NAME")
    rationale_field: str = _is(
        "rationale",
        "Field of what people marked in the text: spans [start, end] of characters.",
        Panel.FIELDS,
        "NAME",
        checks=("plausibility",),
        is_stored=True,
        compared="refused",
    )
    shown: tuple[str, ...] = _is(
        (),
        "Fields of scores that a product shows, each judged as a measure shown.NAME: numbers for "
        "the units, or spans [start, end, score].",
        Panel.FIELDS,
        "NAME,...",
        checks=("correlation", "erasure", "plausibility"),
        is_stored=True,
        compared="noted",
    )

    ignore_field: tuple[Literal["label", "id"], ...] = _is(
        (),
        "Do not read labels, or ids: label, id or both. Rows without an id get a hash.",
        Panel.FIELDS,
        "NAME,...",
        is_stored=True,
        compared="refused",
    )
    on_bad_row: Literal["stop", "skip"] = _is(
        "stop",
        "Rows of the data that cannot be audited end it, all of them named, or are left out and "
        "counted.",
        Panel.FIELDS,
        is_stored=True,
    )

    layer: Layer = _is(
        "last",
        "From 0, each, or the one of most leverage on texts that are then not judged.",
        Panel.SITES,
        "last|all|best|N",
        default_is="last: the last that reaches the output; best, of a language model",
        is_stored=True,
    )
    head: Head = _is(
        "mean",
        "From 0, or each by itself.",
        Panel.SITES,
        "mean|all|N",
        default_is="mean: one explanation of all heads",
        compared="refused",
    )
    rows: Literal["readout", "all"] = _is(
        "readout",
        "The query rows that the output is read from, or every token's.",
        Panel.SITES,
        is_stored=True,
        compared="refused",
    )
    without_attention: bool = _is(
        False,
        "Look for none, and judge what needs none: erasure, plausibility, what may be shown.",
        Panel.SITES,
        is_stored=True,
        compared="noted",
    )
    unit: Literal["token", "word"] = _is(
        "token",
        "What people are shown, and so what is ranked, moved and left out.",
        Panel.SITES,
        is_stored=True,
        compared="refused",
    )

    checks: Annotated[tuple[str, ...], MinLen(1)] = _is(
        ("correlation", "attended", "permutation", "adversarial"),
        "Which checks; all: every one.",
        Panel.CHECKS,
        "NAME,...",
        default_is="correlation,attended,permutation,adversarial; replacement too, of a language "
        "model",
        is_stored=True,
        compared="noted",
    )
    measures: Annotated[tuple[str, ...], MinLen(1)] | None = _is(
        None,
        "What attention is correlated with, and what other checks judge beside it.",
        Panel.CHECKS,
        "NAME,...",
        default_is="gradient,leave_one_out; of erasure all that the model has",
        checks=("correlation", "erasure", "plausibility", "mosaic"),
        is_stored=True,
        compared="noted",
    )
    explain_label: str | None = _is(
        None,
        "Explain this label, whatever is predicted: gradients, margins, and what attention does to "
        "them; or answer for each beside the prediction.",
        Panel.CHECKS,
        "NAME|each",
        default_is="what is predicted",
        is_stored=True,
        compared="refused",
    )
    plugin: tuple[str, ...] = _is(
        (),
        "Code of yours that adds measures, checks, metrics or formats: package.module or file.py; "
        "repeat it for more.",
        Panel.CHECKS,
        "NAME",
        names_code=True,
        compared="noted",
    )
    removal: Literal["mask", "delete"] | None = _is(
        None,
        "How leave-one-out leaves a unit out.",
        Panel.CHECKS,
        default_is="mask; delete where a masked token still has influence",
        checks=("correlation",),
    )
    permutations: Annotated[int, Ge(1), Le(10**5)] = _is(
        100,
        "Random permutations of each example.",
        Panel.CHECKS,
        "N",
        checks=("permutation",),
        is_stored=True,
        compared="refused",
    )
    epsilon: Annotated[float, Ge(1e-4), Lt(1)] | None = _is(
        None,
        "Largest change of the output that counts as none.",
        Panel.CHECKS,
        "DISTANCE",
        default_is="0.01, for pairs 0.05",
        checks=("permutation", "adversarial"),
        is_stored=True,
        compared="refused",
    )
    method: Literal["auto", "exact", "gradient"] = _is(
        "auto",
        "How adversarial attention is found.",
        Panel.CHECKS,
        default_is="auto: exact where possible",
        checks=("adversarial",),
        is_stored=True,
        compared="refused",
    )
    iterations: Annotated[int, Ge(1), Le(10**5)] = _is(
        500,
        "Steps of the gradient adversary.",
        Panel.CHECKS,
        "N",
        checks=("adversarial",),
        is_stored=True,
        compared="refused",
    )
    restarts: Annotated[int, Ge(1), Le(1000)] = _is(
        5,
        "Distributions the gradient adversary searches with.",
        Panel.CHECKS,
        "N",
        checks=("adversarial",),
        is_stored=True,
        compared="refused",
    )
    replace_layers: str = _is(
        "all",
        "Layers whose attention is replaced together, from 0.",
        Panel.CHECKS,
        "A-B|all",
        checks=("replacement",),
        is_stored=True,
        compared="refused",
    )
    erasure_sample: Count = _is(
        200,
        "Texts of which units are left out in the order of rankings, at most.",
        Panel.CHECKS,
        "N",
        checks=("erasure",),
        is_stored=True,
        compared="noted",
    )

    seed: Annotated[int, Ge(0), Lt(2**63)] = _is(
        0, "Of all draws.", Panel.HOW, "N", is_stored=True, compared="refused"
    )
    device: Literal["auto", "cpu", "cuda"] = _is(
        "auto", "Where to compute.", Panel.HOW, compared="noted"
    )
    batch_size: Count | Literal["auto"] = _is(
        "auto", "Examples in a batch.", Panel.HOW, "auto|N", is_stored=True, compared="noted"
    )
    threads: Annotated[int, Ge(1), Le(1024)] | None = _is(
        None, "CPU threads to compute with.", Panel.HOW, "N", is_stored=True, compared="noted"
    )
    on_error: Literal["stop", "record"] = _is(
        "stop",
        "An example at which the model fails ends the audit, or is recorded as failed.",
        Panel.HOW,
    )

    engine: Literal["local", "ray"] = _is(
        "local", "Audit in this process, or on a Ray cluster.", Panel.STORING
    )
    workers: Count | None = _is(
        None,
        "Workers of the cluster, each with the model and --threads CPUs.",
        Panel.STORING,
        "N",
        default_is="as many as there is room for",
    )
    gpus_per_worker: Annotated[float, Ge(0)] | None = _is(
        None, "", Panel.STORING, "N", default_is="0"
    )
    ray_address: str | None = _is(
        None,
        "Of a running cluster.",
        Panel.STORING,
        "HOST:PORT",
        default_is="one is started on this machine",
    )
    run_dir: str | None = _is(
        None,
        "Keep the records there, shard by shard: a new or empty folder, or a URL.",
        Panel.STORING,
        "DIR",
        is_path=True,
        is_written=True,
    )
    resume: bool = _is(
        False, "Go on with the audit that was started in --run-dir, or start it.", Panel.STORING
    )
    shard_size: Count | None = _is(
        None,
        "Examples that are kept, or done again, together.",
        Panel.STORING,
        "N",
        default_is="2000",
    )

    policy: str | None = _is(
        None,
        "Judge the report by this policy; the exit code is the verdict.",
        Panel.GATE,
        "FILE|default",
        default_is="none",
        is_path=True,
    )
    inconclusive: Literal["pass", "fail"] | None = _is(
        None,
        "What an inconclusive verdict counts as.",
        Panel.GATE,
        default_is="neither: exit code 4",
    )
    require: Literal["yes"] | None = _is(
        None,
        "The answer that there has to be: with `yes`, a hint fails the gate too.",
        Panel.GATE,
        default_is="yes or a hint",
    )

    output: tuple[str, ...] = _is(
        (),
        "Write the report there instead of to standard output; repeat it for more files: "
        ".json, .html, .md, .tex, .xml, .sarif, .csv, .txt.",
        Panel.OUTPUT,
        "FILE",
        is_path=True,
        is_written=True,
    )
    figures: str | None = _is(
        None,
        "Write the figures there, as PNG, SVG and PDF: a folder of figures, or a new one.",
        Panel.OUTPUT,
        "DIR",
        is_path=True,
        is_written=True,
    )
    format: Literal["terminal", "json"] = _is("terminal", "Of standard output.", Panel.OUTPUT)
    records: str | None = _is(
        None,
        "Write what was found for each example: .parquet, .jsonl or .csv.",
        Panel.OUTPUT,
        "FILE",
        is_path=True,
        is_written=True,
    )
    reproducible: bool = _is(
        False,
        "Leave time stamps and durations out: the same audit gives the same bytes.",
        Panel.OUTPUT,
    )

    @property
    def data_in_words(self) -> str:
        """As the user wrote it."""
        return ", ".join(self.data)

    @property
    def fields(self) -> dict[str, str]:
        """What the data's fields are called, by what they are."""
        roles = ("id", "text", "text_pair", "label", "labels", "candidates")
        names = {role: getattr(self, f"{role}_field") for role in roles}
        if self.audited is None or self.prompt is None:
            return names
        return {**names, "text": self.audited}

    @property
    def audited_texts(self) -> AuditedTexts:
        """Of pairs; a prompt makes one text of all."""
        return audited_texts(self.prompt, self.audited)


def audited_texts(prompt: str | None, audited: str | None) -> AuditedTexts:
    """Which of two texts `audited` means, where no prompt has a field of that name.

    Raises:
        ConfigurationError: None of them.

    Example:
        >>> audited_texts(None, "second"), audited_texts("Q: {q} A: {a}", "a")
        ('second', 'first')
    """
    if prompt is not None or audited is None:
        return "first"
    named = next((each for each in _TEXTS if each == audited), None)
    if named is None:
        raise ConfigurationError(
            f"--audited {audited}: of pairs it is {', '.join(_TEXTS[:-1])} or {_TEXTS[-1]}, and "
            "there is no prompt of which it would be a field",
            hint="Say what stands around each text: --prompt 'Review: {text}\\nSentiment:'.",
        )
    return named


_TEXTS: tuple[AuditedTexts, ...] = get_args(AuditedTexts)


FIELDS: Mapping[str, Field[Any]] = {each.name: each for each in fields(AuditSettings)}
SETTINGS: Mapping[str, Setting] = {name: f.metadata["setting"] for name, f in FIELDS.items()}
KEYS = tuple(SETTINGS)


_HINTS = get_type_hints(AuditSettings, include_extras=True)


def type_of(name: str) -> Any:
    """A setting's type, with its bounds."""
    return _HINTS[name]


def kinds_of(name: str) -> tuple[Any, ...]:
    """What a setting may be, without bounds; that it may be None is left out.

    Example:
        >>> kinds_of("layer"), kinds_of("epsilon")
        ((<class 'int'>, typing.Literal['last', 'all', 'best']), (<class 'float'>,))
    """
    kind = _HINTS[name]
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    bare = (get_args(part)[0] if get_origin(part) is Annotated else part for part in parts)
    return tuple(part for part in bare if part is not type(None))


def names_where(**wanted: Any) -> tuple[str, ...]:
    """The settings of which something is so.

    Args:
        **wanted: Parts of `Setting`, and what they are.

    Example:
        >>> names_where(names_code=True)
        ('trust_remote_code', 'adapter', 'plugin')
    """
    return tuple(
        name
        for name, setting in SETTINGS.items()
        if all(getattr(setting, part) == value for part, value in wanted.items())
    )


def default_in_words(name: str) -> str | None:
    """The default as help shows it; None where there is nothing to say.

    Example:
        >>> default_in_words("split"), default_in_words("seed"), default_in_words("limit")
        ('test', '0', None)
    """
    said, default = SETTINGS[name].default_is, FIELDS[name].default
    if said is not None or default is MISSING or default in (None, ()) or default is False:
        return said
    return ",".join(default) if isinstance(default, tuple) else str(default)
