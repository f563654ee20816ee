"""Text that would run, load or break out, wherever a report holds text that others wrote."""

from typing import Any

from attn_audit.results.report import Report, TellingExample

SCRIPT = "<script>window.stolen = 1</script>"
BREAKOUT = "</script><script>window.stolen = 2</script>"
IMAGE = "<img src=x onerror='window.stolen = 3'>"
STYLE = "</style></title><svg onload=window.stolen=4>"
QUOTES = '"\' onmouseover=window.stolen=5 x="${window.stolen=6}{{7*7}}\u2028<!--'
UNSEEN = "a\u202eb\ud800c\x00"

LABELS = (IMAGE, BREAKOUT)


def record(original: dict[str, Any], id_: str) -> dict[str, Any]:
    """An example whose id, labels and first units are hostile."""
    units = [SCRIPT, BREAKOUT, IMAGE, STYLE, QUOTES, UNSEEN, *original["units"][6:]]
    units = units[: len(original["units"])]
    said = {
        "label": LABELS[0],
        "prediction": LABELS[1],
        "permutation.uniform.prediction": LABELS[0],
    }
    return {**original, **said, "permutation.uniform.distance": 0.2, "id": id_, "units": units}


def hostile(report: Report) -> Report:
    """The same report with hostile text in every place that a user or a data set fills.

    Args:
        report: A report with telling and sampled examples.
    """
    told = report.telling_examples[0]
    path = f"models/{SCRIPT}{STYLE}"
    model = {"source": path, "architecture": IMAGE, "labels": LABELS, "details": {IMAGE: SCRIPT}}
    data = {"source": BREAKOUT, "name": f"{BREAKOUT}{QUOTES}", "split": IMAGE}
    text = report.model_dump_json().replace('"glad"', '"@0"').replace('"troubled"', '"@1"')
    renamed = Report.model_validate_json(text)
    metrics = _renamed(renamed.model_dump()["metrics"], {"@0": LABELS[0], "@1": LABELS[1]})
    return renamed.model_copy(
        update={
            "model": report.model.model_copy(update=model),
            "data": report.data.model_copy(update=data),
            "settings": report.settings.model_copy(update={"adapter": IMAGE, "revision": QUOTES}),
            "metrics": Report.model_validate({**renamed.model_dump(), "metrics": metrics}).metrics,
            "telling_examples": (
                TellingExample(reason=told.reason, record=record(told.record, IMAGE)),
            ),
            "sampled_examples": (record(told.record, f"{SCRIPT}{QUOTES}"),),
        }
    )


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value
