"""What Python users call: as the commands do, and on models and texts that are in memory too."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack, runtime_checkable

import torch
from torch import nn

from attn_audit.config import validate
from attn_audit.data.formats.arrow import table_as_dataset
from attn_audit.engine.arguments import require_inputs
from attn_audit.engine.audit import run_audit
from attn_audit.engine.inputs import MODEL_SETTINGS, Item, LoadModel, load_in_memory
from attn_audit.engine.plan import forecast_audit
from attn_audit.errors import ConfigurationError, nearest
from attn_audit.explanation import explain_text
from attn_audit.formats.documents.report import figures
from attn_audit.formats.result_files import require_outputs
from attn_audit.models.black_box import Predict, wrap_predict
from attn_audit.models.contract import AuditedModel, frozen
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.progress import Progress, Watcher
from attn_audit.public import (
    Explanation,
    Forecast,
    Paper,
    Report,
    ReportTable,
    Spool,
    Verification,
    as_held,
    load_report,
    named_as_arguments,
)
from attn_audit.settings import IN_MEMORY, AuditSettings, Head, Layer, TaskName
from attn_audit.verification.verify import StoredAudit, verify_report

Model = str | Path | AuditedModel | CustomModel | nn.Module
"""A checkpoint, a model that `wrap` or `wrap_predict` made, a module of one's own, or one of
`transformers`."""

EncoderName = Literal["bilstm", "cnn", "average"]
AttentionName = Literal["additive", "dot"]


@runtime_checkable
class ArrowTable(Protocol):
    """A `pyarrow.Table`, which nobody needs to have imported."""

    def to_batches(self) -> list[Any]:
        """Its rows, some at a time."""


Data = str | Path | Sequence[Path] | Iterable[Item] | ArrowTable
"""A file, a pattern or a list of paths, a folder or data set name; or texts, rows, a
`datasets.Dataset`, a `pandas.DataFrame`, a `pyarrow.Table` or examples."""


class LoadingOptions(TypedDict, total=False):
    """How a model is loaded, and which of its attention is looked at; as in `attn-audit.toml`."""

    dtype: Literal["float32", "float64", "bfloat16", "float16"] | torch.dtype
    attention_implementation: Literal["sdpa", "eager"] | None
    max_length: int | None
    window_overlap: int | None
    task: TaskName | None
    revision: str | None
    trust_remote_code: bool
    adapter: str | None
    vocabulary: str | Path | None
    prompt: str | None
    prompt_file: str | Path | None
    audited: str | None
    zero_shot: str | Iterable[str]
    template: str
    zero_shot_each: bool
    chat: bool
    options: str | Iterable[str]
    target: str | None
    answer_score: Literal["sum", "mean", "first"]
    layer: Layer
    head: Head
    rows: Literal["readout", "all"]
    without_attention: bool
    unit: Literal["token", "word"]
    removal: Literal["mask", "delete"] | None
    measures: str | Iterable[str]
    explain_label: str | None
    permutations: int
    epsilon: float | None
    method: Literal["auto", "exact", "gradient"]
    iterations: int
    restarts: int
    replace_layers: str
    erasure_sample: int
    plugin: str | Iterable[str]
    seed: int
    device: Literal["auto", "cpu", "cuda"] | torch.device
    threads: int | None
    no_texts: bool


class DataOptions(TypedDict, total=False):
    """Which rows are audited, and what their fields and labels are called."""

    split: str
    limit: int | None
    quoting: Literal["auto", "none", "csv"]
    label_map: Mapping[str, str]
    text_field: str
    text_pair_field: str
    label_field: str
    labels_field: str
    candidates_field: str
    id_field: str


class PlanOptions(LoadingOptions, DataOptions, total=False):
    """All that changes what an audit takes; as in `attn-audit.toml`."""

    max_unpacked_mb: int | None
    ignore_field: str | Iterable[str]
    on_bad_row: Literal["stop", "skip"]
    rationale_field: str
    shown: str | Iterable[str]
    checks: str | Iterable[str]
    batch_size: int | Literal["auto"]


class AuditOptions(PlanOptions, total=False):
    """All that an audit can be told; as in `attn-audit.toml`."""

    on_error: Literal["stop", "record"]
    engine: Literal["local", "ray"]
    workers: int | None
    gpus_per_worker: float | None
    ray_address: str | None
    run_dir: str | Path | None
    resume: bool
    shard_size: int | None
    figures: str | Path | None
    records: str | Path | None
    title: str | None
    author: str | None
    reproducible: bool


class TrainingOptions(DataOptions, total=False):
    """How the paper's models are trained; as options of `attn-audit paper`."""

    encoder: EncoderName | Iterable[EncoderName]
    attention: AttentionName | Iterable[AttentionName]
    seed: int | Iterable[int]
    task: Literal["binary", "multiclass", "multilabel", "candidates"] | None
    train_split: str
    dev_split: str | None
    tokenizer: Literal["words", "whitespace"]
    min_count: int
    max_vocabulary: int | None
    embeddings: str | Path | None
    embedding_size: int | None
    hidden_size: int
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    device: Literal["auto", "cpu", "cuda"] | torch.device
    threads: int


class VerificationOptions(TypedDict, total=False):
    """What a report cannot say: code to run, and what concerns this machine."""

    adapter: str | None
    trust_remote_code: bool
    vocabulary: str | Path | None
    device: Literal["auto", "cpu", "cuda"] | torch.device
    batch_size: int | Literal["auto"]
    threads: int | None


def audit(
    model: Model | None = None,
    data: Data | None = None,
    *,
    predict: Predict | None = None,
    labels: Sequence[str] | None = None,
    tokenizer: Any = None,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[AuditOptions],
) -> Report:
    """Audit whether a model's attention weights may be shown as its reasons.

    Args:
        model: A checkpoint, or a model in memory.
        data: A file, folder of splits or data set name; or texts, rows or examples in memory.
        predict: In the place of a model: a function from a list of texts to an array of
            probabilities, an API say. What needs no attention is audited; see `wrap_predict`.
        labels: In the order of the columns of `predict`.
        tokenizer: Of a `transformers` model in memory.
        on_progress: Called with how far the audit is.
        **options: As in `attn-audit.toml`: `checks`, `split`, `limit`, `seed`, `epsilon`, ...

    Returns:
        The report, as the command line gives it. Its `records` are in a temporary file that goes
        with it, unless `records` or `run_dir` say where they are kept.

    Raises:
        UsageError: Model, data or options cannot be used.
        AuditFailedError: The model's weights or outputs are not numbers, or it fails the
            self-check.

    Example:
        >>> report = audit("demo", ["A fine film .", "Dull ."], checks="correlation")
        >>> report.data.n_examples
        2
    """
    model = _one_of(model, predict, labels)
    if data is None:
        raise ConfigurationError("data: nothing to audit")
    with named_as_arguments(), _as_it_was(model):
        settings = _settings(AuditOptions, options, model=model, data=data)
        require_inputs(settings)
        require_outputs(settings)
        spool = Spool() if settings.records is None and settings.run_dir is None else None
        found = run_audit(
            settings if spool is None else replace(settings, records=str(spool.path)),
            load=_loader(model, tokenizer, options),
            items=_items(data),
            watcher=_watcher(on_progress),
        )
        report = Report.of(found, spool=spool, run_dir=settings.run_dir)
        if settings.figures is not None:
            from attn_audit.formats.charts import write_figures  # Altair: only for who asks

            write_figures(figures(report), Path(settings.figures))
    return report


def plan(
    model: Model, data: Data, *, tokenizer: Any = None, **options: Unpack[PlanOptions]
) -> Forecast:
    """What `audit` would take, from a few batches; as `attn-audit plan` says it.

    Raises:
        UsageError: Model, data or options cannot be used.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.

    Example:
        >>> plan("demo", ["A fine film .", "Dull ."], checks="permutation").n_examples
        2
    """
    with named_as_arguments(), _as_it_was(model):
        settings = _settings(PlanOptions, options, model=model, data=data)
        require_inputs(settings)
        load = _loader(model, tokenizer, options)
        return as_held(Forecast, forecast_audit(settings, load=load, items=_items(data)))


def verify(
    report: Report | str | Path,
    model: Model,
    data: Data,
    *,
    tokenizer: Any = None,
    seed: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[VerificationOptions],
) -> Verification:
    """Check a report again, as `attn-audit verify` does: `holds` says whether everything does.

    Args:
        report: A report with its records, or the file of one.
        tokenizer: Of a `transformers` model in memory.
        seed: Another tenth of the examples, of which every number is computed again.
        on_progress: Called with how far it is.
        **options: As in `attn-audit.toml`.

    Raises:
        UsageError: The report has no records or other ones, or model or data are not its own.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.

    Example:
        >>> texts = ["A fine film .", "Dull ."]
        >>> verify(audit("demo", texts, checks="permutation"), "demo", texts).holds
        True
    """
    with named_as_arguments(), _as_it_was(model):
        if isinstance(report, Report):
            name, stored = report.name, StoredAudit.of(*report.with_its_records())
        else:
            name, stored = str(report), StoredAudit.load(Path(report))
        found = verify_report(
            stored,
            _said(VerificationOptions, options, model=model, data=data),
            seed=seed,
            load=_loader(model, tokenizer, options),
            items=_items(data),
            watcher=_watcher(on_progress),
        )
    return as_held(Verification, found.model_copy(update={"report": name}))


def explain(
    model: Model,
    text: str,
    text_pair: str | None = None,
    *,
    tokenizer: Any = None,
    report: Report | str | Path | None = None,
    **options: Unpack[LoadingOptions],
) -> Explanation:
    """Run every check on one text.

    Args:
        model: A checkpoint, or a model in memory.
        text: What attention is read over.
        text_pair: The second text of a pair.
        tokenizer: Of a `transformers` model in memory.
        report: Of the model; what it shows instead of attention stands first.
        **options: As in `attn-audit.toml`.

    Raises:
        UsageError: The model or an option cannot be used, or a text is blank.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.

    Example:
        >>> explain("demo", "A warm and funny film .").own.prediction
        'glad'
    """
    with named_as_arguments(), _as_it_was(model):
        settings = _settings(LoadingOptions, options, model=model)
        load = _loader(model, tokenizer, options)
        judged = load_report(report) if isinstance(report, str | Path) else report
        found = explain_text(settings, text, text_pair, load=load, report=judged)
        return as_held(Explanation, found)


def paper(
    data: str | Path,
    output: str | Path,
    *,
    audits: PlanOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[TrainingOptions],
) -> Paper:
    """Train the paper's models on a data set, audit and table them, as `attn-audit paper` does.

    What is finished stays in the folder: the same call goes on where it was interrupted, and with
    other settings makes again what these decide.

    Args:
        data: A folder of splits, or a data set name.
        output: The folder of models, reports, tables and the page: a new one, or one to go on in.
        audits: Settings of the audits alone, as `audit` takes them: `permutations`, `checks`, ...
        on_progress: Called with how far an audit is, and between with what is begun or done.
        **options: Of the training, and how the data is read. `encoder` and `attention` choose some
            of the models; of several values of `seed`, the table has mean and deviation.

    Raises:
        UsageError: Data or options cannot be used, or the folder holds something else.
        AuditFailedError: A model's weights or outputs are not numbers.
    """
    from attn_audit.engine.paper import OF_TRAINING, Observer, Reproduction  # training: only here

    def say(line: str) -> None:
        if on_progress is not None:
            on_progress(Progress(0, None, line))

    training = nullcontext((lambda epoch: say(f"epoch {epoch.epoch}: {epoch}"), lambda share: None))
    auditing = nullcontext(_watcher(on_progress))
    folder, names = Path(output), {name: name for name in TrainingOptions.__annotations__}
    with named_as_arguments(**names), torch.inference_mode(False), torch.enable_grad():
        said = _said(TrainingOptions, options, data=data)
        of_both = {name: said[name] for name in PlanOptions.__annotations__ if name in said}
        own = {name: of_both[name] for name in of_both if name not in OF_TRAINING}
        settings = _settings(PlanOptions, {**own, **(audits or {})}, data=data)
        observer = Observer(say, lambda: training, lambda: auditing)
        table, reports = Reproduction.of(folder, said, settings, observer).run()
    of_models = {path.parent.name: load_report(path) for path in reports}
    return Paper(as_held(ReportTable, table), of_models, folder)


def _one_of(model: Model | None, predict: Predict | None, labels: Sequence[str] | None) -> Model:
    """The model, or one that the function stands for."""
    if predict is None:
        if model is None or labels is not None:
            what = "model" if model is None else "labels"
            problem = "nothing to audit" if model is None else "only predict takes them"
            raise ConfigurationError(f"{what}: {problem}", hint="Give a model, or predict=...")
        return model
    if model is not None:
        raise ConfigurationError("predict: there is a model already", hint="Give one of them.")
    if labels is None:
        raise ConfigurationError(
            "labels: predict takes their names, in the order of its columns",
            hint='labels=["negative", "positive"]',
        )
    return wrap_predict(predict, labels)


def _settings(kind: type, options: Mapping[str, object], **places: object) -> AuditSettings:
    """Checked; what is in memory has a name that says so."""
    return validate(_said(kind, options, **places), options, None)


def _said(kind: type, options: Mapping[str, object], **places: object) -> dict[str, object]:
    for name in options:
        if name not in kind.__annotations__:
            hint = _INSTEAD.get(name) or nearest(name, kind.__annotations__)
            raise ConfigurationError(f"{name}: no such option", hint=hint)
    named = {name: _paths(value) or IN_MEMORY for name, value in places.items()}
    model = places.get("model")
    asked = model.asked if isinstance(model, AuditedModel) else {}
    return {**named, **asked} | {name: _plain(value) for name, value in options.items()}


def _items(data: Data) -> Any:
    if isinstance(data, ArrowTable):
        return table_as_dataset(data)
    return None if _paths(data) else data


def _paths(value: object) -> str | tuple[str, ...]:
    """What names files; nothing of what is in memory."""
    if isinstance(value, str | Path):
        return str(value)
    are_paths = isinstance(value, Sequence) and all(isinstance(each, Path) for each in value)
    return tuple(map(str, value)) if are_paths and isinstance(value, Sequence) else ()


def _watcher(on_progress: Callable[[Progress], None] | None) -> Watcher:
    """Notes are warnings, at the place that called."""
    return Watcher(on_progress, on_note=lambda note: warnings.warn(note, stacklevel=2))


_INSTEAD = {
    **dict.fromkeys(("output", "format"), "Save what comes back: .save(path)."),
    **dict.fromkeys(
        ("policy", "inconclusive"),
        "Judge the report that audit() returns: judge(report, policy).",
    ),
}


def _plain(value: object) -> object:
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, torch.device):
        return value.type
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return tuple(value)
    return value


def _loader(model: Model, tokenizer: Any, options: Mapping[str, object]) -> LoadModel | None:
    loaded = [name for name in MODEL_SETTINGS if name in options]
    if isinstance(model, AuditedModel) and loaded:
        raise ConfigurationError(f"--{loaded[0].replace('_', '-')}: the model is loaded already")
    if tokenizer is not None and not isinstance(model, nn.Module):
        raise ConfigurationError("tokenizer: only a transformers model in memory takes one")
    if isinstance(model, str | Path):
        return None
    return partial(load_in_memory, model, tokenizer)


def _as_it_was(model: Model) -> AbstractContextManager[None]:
    """Whatever is audited in memory may be trained on afterwards."""
    if isinstance(model, str | Path):
        return torch.inference_mode(False)
    if not isinstance(model, AuditedModel | CustomModel | nn.Module):
        raise ConfigurationError(
            f"model: it is {type(model).__name__!r}, not a path, a CustomModel or another model",
            hint="Give attn_audit.CustomModel(module, encode, labels, task).",
        )
    return frozen(model if isinstance(model, nn.Module) else model.module)
