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

IN_MEMORY = "in memory"
"""What results call models and data that have no name."""


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


def _is(default: Any, panel: Panel, metavar: str | None = None, *, help: str, **more: Any) -> Any:
    given = {"default_factory": dict} if default == {} else {"default": default}
    return field(**given, metadata={"setting": Setting(help, panel, metavar, **more)})


EACH = "each"
"""In the place of a label: every one in turn."""

TaskName = Literal["binary", "reranker"]
"""What a head of one output may be said to be."""

NEXT = "next"
"""In the place of a field to follow a prompt: whatever token does."""

TEMPLATE = "This example is {}."
"""What `transformers` asks of an unknown label too."""

ROLES = ("system", "developer", "user", "assistant", "tool")
"""Whose a message of a chat may be."""

MESSAGES = "messages"
"""The field of a chat's messages, unless another is named as that of the text."""

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

    # Of each setting: what it is on a line, then what is said of it.
    # fmt: off

    model: str | None = _is(
        None, Panel.WHAT, "MODEL", is_argument=True, is_path=True,
        help="A HuggingFace folder or hub name, a model.pt made by `attn-audit train`, a folder "
        "of the original code, `demo`, or what --adapter takes.",
    )
    data: tuple[str, ...] = _is(
        (), Panel.WHAT, "DATA", is_argument=True, is_path=True,
        help="A .jsonl, .json, .csv, .tsv or .parquet file or several, a pattern of files, a "
        "folder of splits, a URL (s3://...), `-`, the name of a HuggingFace data set, or `demo`.",
    )
    split: str = _is("test", Panel.WHAT, "NAME", help="Split of a folder or data set.")
    limit: Count | None = _is(None, Panel.WHAT, "N", help="Audit a random sample of N examples.")
    quoting: Literal["auto", "none", "csv"] = _is(
        "auto", Panel.WHAT, is_stored=True, compared="refused",
        help="Whether cells of a table are quoted.",
        default_is="in CSV, and in TSV if the whole file says so",
    )
    max_unpacked_mb: Count | None = _is(
        None, Panel.WHAT, "N",
        help="How much a packed data file may hold.",
        default_is="100 times its size",
    )

    dtype: Literal["float32", "float64", "bfloat16", "float16"] = _is(
        "float32", Panel.LOADING, "NAME",
        help="Numbers to compute with: float32, float64, bfloat16 or float16.",
        default_is="float32; half precision moves probabilities by about 1e-3, and no smaller "
        "effect can be told from that rounding",
    )
    attention_implementation: Literal["sdpa", "eager"] | None = _is(
        None, Panel.LOADING, is_stored=True, compared="noted",
        help="The code by which a HuggingFace model computes its attention.",
        default_is="as transformers chooses; both can be looked into",
    )
    max_length: Count | None = _is(
        None, Panel.LOADING, "N", is_stored=True, compared="refused",
        help="Cut texts to N tokens; how many were cut is reported.",
        default_is="what the model takes",
    )
    window_overlap: Annotated[int, Ge(0)] | None = _is(
        None, Panel.LOADING, "N", is_stored=True, compared="refused",
        help="Read texts that are longer in windows, each sharing N tokens with the one before; "
        "their logits are averaged.",
        default_is="none: texts are cut",
    )
    task: TaskName | None = _is(
        None, Panel.LOADING,
        help="What one output is, if no regression. binary: one sigmoid. reranker: one sigmoid, "
        "how relevant the second text of a pair is to the first.",
    )
    revision: str | None = _is(
        None, Panel.LOADING, "NAME", is_stored=True, compared="noted",
        help="Branch, tag or commit of a model on the hub.",
    )
    trust_remote_code: bool = _is(
        False, Panel.LOADING, names_code=True, compared="noted",
        help="Run the Python code that comes with the model.",
    )
    adapter: str | None = _is(
        None, Panel.LOADING, "WHERE:FUNCTION", names_code=True, compared="noted",
        help="Code of yours that loads MODEL: package.module:function or file.py:function.",
    )
    vocabulary: str | None = _is(
        None, Panel.LOADING, "FILE", is_path=True,
        help="For a folder of the original code without vocab.json: a JSON object from word to "
        "id.",
    )
    audited: str | None = _is(
        None, Panel.LOADING, "WHICH", is_stored=True, compared="refused",
        help="Of pairs the text that is audited: first, second or both. Of a prompt the {field} "
        "whose words are; all others are what stands around it. Of a chat the role whose last "
        "message is.",
        default_is="the first of a pair, {text} of a prompt, the user of a chat",
    )

    zero_shot: tuple[str, ...] = _is(
        (), Panel.LOADING, "LABEL,...", is_stored=True, compared="refused",
        help="Labels for a model of inference that was not trained on them: 'sports, politics'. "
        "Each is put into --template, and what is entailed most is predicted; of one label, yes "
        "or no.",
    )
    template: str = _is(
        TEMPLATE, Panel.LOADING, "TEXT", is_stored=True, compared="noted",
        help="The hypothesis of --zero-shot, with {} in the place of the label.",
    )
    zero_shot_each: bool = _is(
        False, Panel.LOADING, is_stored=True, compared="refused",
        help="Any number of the labels of --zero-shot may hold, each against contradiction.",
    )

    prompt: str | None = _is(
        None, Panel.PROMPT, "TEXT", is_stored=True, compared="noted",
        help="What is put around each text: 'Review: {text}\\nSentiment:'. \\n is a new line; "
        "another {field} of the row stands where it is named.",
    )
    prompt_file: str | None = _is(
        None, Panel.PROMPT, "FILE", is_path=True,
        help="The same from a file, as it stands there but for the line break at its end.",
    )
    chat: bool = _is(
        False, Panel.PROMPT, is_stored=True, compared="noted",
        help="Give the prompt as a user's message, in the tokenizer's chat template. Without a "
        "prompt: each row is a chat, of whose messages the last of the user is audited.",
    )
    options: tuple[str, ...] = _is(
        (), Panel.PROMPT, "ANSWER,...", is_stored=True, compared="noted",
        help="The answers to choose from, blanks included: ' negative, positive'. \\n is a new "
        "line, and one that holds a comma stands in quotation marks. Their names without outer "
        "blanks are the labels.",
    )

    target: str | None = _is(
        None, Panel.PROMPT, "FIELD", is_stored=True, compared="refused",
        help="Instead of options: the {field} at the end of the prompt, which holds what follows. "
        "How likely that is, is audited. Or next: the distribution over all tokens of what follows "
        "the prompt.",
    )
    answer_score: Literal["sum", "mean", "first"] = _is(
        "sum", Panel.PROMPT, is_stored=True, compared="noted",
        help="What answers of several tokens are measured by: the sum of their log-probabilities, "
        "where short answers are ahead, its mean, or the logit of the first token alone.",
    )

    label_map: Mapping[str, str] = _is(
        {}, Panel.FIELDS, "DATA=MODEL,...", is_stored=True, compared="refused",
        help="Rename labels of the data: neg=negative,pos=positive. `neutral=` leaves rows with "
        "this label out.",
    )
    text_field: str = _is("text", Panel.FIELDS, "NAME", help="Field of the text.")
    text_pair_field: str = _is(
        "text_pair", Panel.FIELDS, "NAME",
        help="Field of the second text of a pair.",
    )
    label_field: str = _is("label", Panel.FIELDS, "NAME", help="Field of the label.")
    labels_field: str = _is("labels", Panel.FIELDS, "NAME", help="Field of several labels.")
    candidates_field: str = _is(
        "candidates", Panel.FIELDS, "NAME",
        help="Field of the answers that may be given.",
    )
    id_field: str = _is("id", Panel.FIELDS, "NAME", help="Field of the id.")
    rationale_field: str = _is(
        "rationale", Panel.FIELDS, "NAME",
        checks=("plausibility",), is_stored=True, compared="refused",
        help="Field of what people marked in the text: spans [start, end] of characters.",
    )
    shown: tuple[str, ...] = _is(
        (), Panel.FIELDS, "NAME,...",
        checks=("correlation", "erasure", "plausibility"), is_stored=True, compared="noted",
        help="Fields of scores that a product shows, each judged as a measure shown.NAME: numbers "
        "for the units, or spans [start, end, score].",
    )

    ignore_field: tuple[Literal["label", "id"], ...] = _is(
        (), Panel.FIELDS, "NAME,...", is_stored=True, compared="refused",
        help="Do not read labels, or ids: label, id or both. Rows without an id get a hash.",
    )
    on_bad_row: Literal["stop", "skip"] = _is(
        "stop", Panel.FIELDS, is_stored=True,
        help="Rows of the data that cannot be audited end it, all of them named, or are left out "
        "and counted.",
    )

    layer: Layer = _is(
        "last", Panel.SITES, "last|all|best|N", is_stored=True,
        help="From 0, each, or the one of most reach on texts that are then not judged.",
        default_is="last: the last that reaches the output; best, of a language model",
    )
    head: Head = _is(
        "mean", Panel.SITES, "mean|all|N", compared="refused",
        help="From 0, or each by itself.",
        default_is="mean: one explanation of all heads",
    )
    rows: Literal["readout", "all"] = _is(
        "readout", Panel.SITES, is_stored=True, compared="refused",
        help="The query rows that the output is read from, or every token's.",
    )
    without_attention: bool = _is(
        False, Panel.SITES, is_stored=True, compared="noted",
        help="Look for none, and judge what needs none: erasure, plausibility, what may be shown.",
    )
    unit: Literal["token", "word"] = _is(
        "token", Panel.SITES, is_stored=True, compared="refused",
        help="What people are shown, and so what is ranked, moved and left out.",
    )

    checks: Annotated[tuple[str, ...], MinLen(1)] = _is(
        ("correlation", "attended", "permutation", "adversarial"), Panel.CHECKS, "NAME,...",
        is_stored=True, compared="noted",
        help="Which checks; all: every one.",
        default_is="correlation,attended,permutation,adversarial; replacement too, of a language "
        "model",
    )
    measures: Annotated[tuple[str, ...], MinLen(1)] | None = _is(
        None, Panel.CHECKS, "NAME,...",
        checks=("correlation", "erasure", "plausibility", "mosaic"),
        is_stored=True, compared="noted",
        help="What attention is correlated with, and what other checks judge beside it.",
        default_is="gradient,leave_one_out; of erasure all that the model has",
    )
    explain_label: str | None = _is(
        None, Panel.CHECKS, "NAME|each", is_stored=True, compared="refused",
        help="Explain this label, whatever is predicted: gradients, margins, and what attention "
        "does to them; or answer for each beside the prediction.",
        default_is="what is predicted",
    )
    plugin: tuple[str, ...] = _is(
        (), Panel.CHECKS, "NAME", names_code=True, compared="noted",
        help="Code of yours that adds measures, checks, metrics or formats: package.module or "
        "file.py; repeat it for more.",
    )
    removal: Literal["mask", "delete"] | None = _is(
        None, Panel.CHECKS, checks=("correlation",),
        help="How leave-one-out leaves a unit out.",
        default_is="mask; delete where a masked token still has influence",
    )
    permutations: Annotated[int, Ge(1), Le(10**5)] = _is(
        100, Panel.CHECKS, "N", checks=("permutation",), is_stored=True, compared="refused",
        help="Random permutations of each example.",
    )
    epsilon: Annotated[float, Ge(1e-4), Lt(1)] | None = _is(
        None, Panel.CHECKS, "DISTANCE",
        checks=("permutation", "adversarial"), is_stored=True, compared="refused",
        help="Largest change of the output that counts as none.",
        default_is="0.01, for pairs 0.05",
    )
    method: Literal["auto", "exact", "gradient"] = _is(
        "auto", Panel.CHECKS, checks=("adversarial",), is_stored=True, compared="refused",
        help="How adversarial attention is found.",
        default_is="auto: exact where possible",
    )
    iterations: Annotated[int, Ge(1), Le(10**5)] = _is(
        500, Panel.CHECKS, "N", checks=("adversarial",), is_stored=True, compared="refused",
        help="Steps of the gradient adversary.",
    )
    restarts: Annotated[int, Ge(1), Le(1000)] = _is(
        5, Panel.CHECKS, "N", checks=("adversarial",), is_stored=True, compared="refused",
        help="Distributions the gradient adversary searches with.",
    )
    replace_layers: str = _is(
        "all", Panel.CHECKS, "A-B|all",
        checks=("replacement",), is_stored=True, compared="refused",
        help="Layers whose attention is replaced together, from 0.",
    )
    erasure_sample: Count = _is(
        200, Panel.CHECKS, "N", checks=("erasure",), is_stored=True, compared="noted",
        help="Texts of which units are left out in the order of rankings, at most.",
    )

    seed: Annotated[int, Ge(0), Lt(2**63)] = _is(
        0, Panel.HOW, "N", is_stored=True, compared="refused",
        help="Of all draws.",
    )
    device: Literal["auto", "cpu", "cuda"] = _is(
        "auto", Panel.HOW, compared="noted",
        help="Where to compute.",
    )
    batch_size: Count | Literal["auto"] = _is(
        "auto", Panel.HOW, "auto|N", is_stored=True, compared="noted",
        help="Examples in a batch.",
    )
    threads: Annotated[int, Ge(1), Le(1024)] | None = _is(
        None, Panel.HOW, "N", is_stored=True, compared="noted",
        help="CPU threads to compute with.",
    )
    on_error: Literal["stop", "record"] = _is(
        "stop", Panel.HOW,
        help="An example at which the model fails ends the audit, or is recorded as failed.",
    )

    engine: Literal["local", "ray"] = _is(
        "local", Panel.STORING,
        help="Audit in this process, or on a Ray cluster.",
    )
    workers: Count | None = _is(
        None, Panel.STORING, "N",
        help="Workers of the cluster, each with the model and --threads CPUs.",
        default_is="as many as there is room for",
    )
    gpus_per_worker: Annotated[float, Ge(0)] | None = _is(
        None, Panel.STORING, "N",
        help="GPUs of each worker; a part of one, 0.5, is shared.",
        default_is="0",
    )
    ray_address: str | None = _is(
        None, Panel.STORING, "HOST:PORT",
        help="Of a running cluster.",
        default_is="one is started on this machine",
    )
    run_dir: str | None = _is(
        None, Panel.STORING, "DIR", is_path=True, is_written=True,
        help="Keep the records there, shard by shard: a new or empty folder, or a URL.",
    )
    resume: bool = _is(
        False, Panel.STORING,
        help="Go on with the audit that was started in --run-dir, or start it.",
    )
    shard_size: Count | None = _is(
        None, Panel.STORING, "N",
        help="Examples that are kept, or done again, together.",
        default_is="2000",
    )

    policy: str | None = _is(
        None, Panel.GATE, "FILE|default", is_path=True,
        help="Judge the report by this policy; the exit code is the verdict.",
        default_is="none",
    )
    inconclusive: Literal["pass", "fail"] | None = _is(
        None, Panel.GATE,
        help="What an inconclusive verdict counts as.",
        default_is="neither: exit code 4",
    )
    require: Literal["yes"] | None = _is(
        None, Panel.GATE,
        help="The answer that there has to be: with `yes`, a hint fails the gate too.",
        default_is="yes or a hint",
    )

    output: tuple[str, ...] = _is(
        (), Panel.OUTPUT, "FILE", is_path=True, is_written=True,
        help="Write the report there instead of to standard output; repeat it for more files: "
        ".json, .html, .md, .tex, .xml, .sarif, .csv, .txt.",
    )
    figures: str | None = _is(
        None, Panel.OUTPUT, "DIR", is_path=True, is_written=True,
        help="Write the figures there, as PNG, SVG and PDF: a folder of figures, or a new one.",
    )
    format: Literal["terminal", "json"] = _is("terminal", Panel.OUTPUT, help="Of standard output.")
    records: str | None = _is(
        None, Panel.OUTPUT, "FILE", is_path=True, is_written=True,
        help="Write what was found for each example: .parquet, .jsonl or .csv.",
    )
    title: str | None = _is(
        None, Panel.OUTPUT, "TEXT", help="Of the report.", default_is="the model's name"
    )
    author: str | None = _is(None, Panel.OUTPUT, "NAME", help="Who made the report.")
    no_texts: bool = _is(
        False, Panel.OUTPUT, is_stored=True,
        help="Write no word of the texts anywhere: a unit is shown as #1, #2, ... beside the id. A "
        "prompt is your own text, and stays in a report.",
    )
    reproducible: bool = _is(
        False, Panel.OUTPUT,
        help="Leave time stamps and durations out: the same audit gives the same bytes.",
    )
    # fmt: on

    @property
    def data_in_words(self) -> str:
        """As the user wrote it."""
        return ", ".join(self.data)

    @property
    def fields(self) -> dict[str, str]:
        """What the data's fields are called, by what they are."""
        roles = ("id", "text", "text_pair", "label", "labels", "candidates")
        names = {role: getattr(self, f"{role}_field") for role in roles}
        if self.is_of_chats and self.text_field == FIELDS["text_field"].default:
            return {**names, "text": MESSAGES}
        if self.audited is None or self.prompt is None:
            return names
        return {**names, "text": self.audited}

    @property
    def audited_texts(self) -> AuditedTexts:
        """Of pairs; a prompt makes one text of all."""
        return audited_texts(self.prompt, self.audited, is_of_chats=self.is_of_chats)

    @property
    def is_of_chats(self) -> bool:
        """Whether each row is a chat: it is the prompt itself."""
        return self.chat and self.prompt is None and self.prompt_file is None


def audited_texts(
    prompt: str | None, audited: str | None, *, is_of_chats: bool = False
) -> AuditedTexts:
    """Which of two texts `audited` means, where it is no field of a prompt and no role in a chat.

    Raises:
        ConfigurationError: None of them.

    Example:
        >>> audited_texts(None, "second"), audited_texts("Q: {q} A: {a}", "a")
        ('second', 'first')
    """
    if prompt is not None or audited is None or is_of_chats:
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


TYPES = get_type_hints(AuditSettings, include_extras=True)
"""With their bounds, by name."""


def kinds_of(name: str) -> tuple[Any, ...]:
    """What a setting may be, without bounds; that it may be None is left out.

    Example:
        >>> kinds_of("layer"), kinds_of("epsilon")
        ((<class 'int'>, typing.Literal['last', 'all', 'best']), (<class 'float'>,))
    """
    kind = TYPES[name]
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    bare = (get_args(part)[0] if get_origin(part) is Annotated else part for part in parts)
    return tuple(part for part in bare if part is not type(None))


def names_where(**wanted: Any) -> tuple[str, ...]:
    """The settings of which some parts of `Setting` are so.

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
