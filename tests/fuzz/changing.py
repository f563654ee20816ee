"""Each kind of input changed where it hurts: in its bytes, and behind its hashes and checksums."""

import gzip
import io
import json
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import torch
from pyarrow import parquet

from attn_audit.files import sha256_of
from attn_audit.results.storage import HASH, content_sha256
from tests.fuzz.mutating import changed_bytes, changed_value, nasty, written_json

Change = Callable[[Path, Random], None]


def change(path: Path, random: Random) -> None:
    """Change one file in place, by its kind.

    Args:
        path: Of a valid file.
        random: Says what is changed.
    """
    structural = _STRUCTURAL.get(path.suffix)
    if path.name in ("report.json", "other.json"):
        structural = _report
    if structural is None or random.random() < 0.4:
        path.write_bytes(changed_bytes(path.read_bytes(), random))
    else:
        structural(path, random)


def follow(report: Path, records: Path) -> None:
    """Let a report name other records as its own, as a forger would.

    Args:
        report: Of an audit.
        records: Changed.
    """
    content = json.loads(report.read_bytes())
    content["records"]["sha256"] = sha256_of(records)
    report.write_bytes(written_json({**content, HASH: content_sha256(content)}))


def _json(path: Path, random: Random) -> None:
    path.write_bytes(written_json(changed_value(json.loads(path.read_bytes()), random)))


def _json_lines(path: Path, random: Random) -> None:
    lines = path.read_bytes().splitlines()
    number = random.randrange(len(lines))
    lines[number] = written_json(changed_value(json.loads(lines[number]), random))
    path.write_bytes(random.choice((b"\n", b"\r\n", b"\n\n")).join(lines))


def _report(path: Path, random: Random) -> None:
    """Mostly with the hash of what it says now: a report that was made, not edited."""
    content = changed_value(json.loads(path.read_bytes()), random)
    if isinstance(content, dict) and random.random() < 0.8:
        try:
            content[HASH] = content_sha256(content)
        except (RecursionError, UnicodeEncodeError, TypeError):
            content[HASH] = "0" * 64
    path.write_bytes(written_json(content))


def _gzip(path: Path, random: Random) -> None:
    path.write_bytes(gzip.compress(changed_bytes(gzip.decompress(path.read_bytes()), random)))


def _parquet(path: Path, random: Random) -> None:
    content = path.read_bytes()
    table = parquet.read_table(path)
    name = random.choice(table.column_names)
    values = table[name].to_pylist()
    values[random.randrange(len(values))] = nasty(values[0], random)
    values = random.choice((values, [nasty(values[0], random)] * len(values)))
    try:
        column = pa.array(values)
        if random.random() < 0.2:
            column = pa.array([1] * len(values)).cast(random.choice(_TYPES))
        parquet.write_table(table.set_column(table.column_names.index(name), name, column), path)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, RecursionError):
        path.write_bytes(changed_bytes(content, random))


_TYPES = (pa.timestamp("ns"), pa.timestamp("s"), pa.int8(), pa.float32(), pa.bool_(), pa.string())


def _torch(path: Path, random: Random) -> None:
    """What the pickle says, the bytes of one file of the archive, or one of the tensors."""
    if not zipfile.is_zipfile(path):
        content = torch.load(path, weights_only=True)
        torch.save(_changed(content, random), path, _use_new_zipfile_serialization=False)
    elif random.random() < 0.5:
        torch.save(_changed(torch.load(path, weights_only=True), random), path)
    else:
        _archive(path, random)


def _changed(content: Any, random: Random) -> Any:
    """Plain values as in JSON; tensors in their shapes, types and views."""
    weights = content.get("weights", content)
    if random.random() < 0.5 and weights is not content:
        plain = {key: value for key, value in content.items() if key != "weights"}
        changed = changed_value(_listed(plain), random)
        return {**changed, "weights": weights} if isinstance(changed, dict) else changed
    changed = dict(weights)
    name = random.choice(list(changed))
    changed[name] = _tensor(changed[name], random)
    if random.random() < 0.2:
        changed[random.choice(("x", f"{name}x", ""))] = changed.pop(name)
    return changed if weights is content else {**content, "weights": changed}


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(part) for key, part in value.items()}
    return [_listed(part) for part in value] if isinstance(value, (list, tuple)) else value


def _tensor(tensor: torch.Tensor, random: Random) -> Any:
    match random.randrange(9):
        case 0:
            return torch.zeros(1).expand(tensor.shape)
        case 1:
            return tensor.to(random.choice((torch.float16, torch.int64, torch.bool, torch.cfloat)))
        case 2:
            return tensor.to_sparse()
        case 3:
            return tensor.unsqueeze(0)
        case 4:
            return torch.empty(tensor.shape, device="meta")
        case 5:
            return torch.full_like(tensor, random.choice((1e38, -1e38, float("nan"), 0.0, 1e20)))
        case 6:
            return torch.zeros(1).expand(10**6, 10**6)
        case 7:
            return tensor[..., :-1]
        case _:
            return nasty(0, random)


def _archive(path: Path, random: Random) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    name = random.choice([*parts, *[name for name in parts if name.endswith("data.pkl")] * 8])
    parts[name] = changed_bytes(parts[name], random)
    packing = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", packing) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    path.write_bytes(packed.getvalue())


def _safetensors(path: Path, random: Random) -> None:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = written_json(changed_value(json.loads(content[8 : 8 + size]), random))
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])


def _toml(path: Path, random: Random) -> None:
    text = _table(changed_value(tomllib.loads(path.read_text()), random))
    path.write_text(text, encoding="utf-8", errors="replace")


def _table(content: Any) -> str:
    """TOML in which every value stands behind its key, tables in braces."""
    if not isinstance(content, dict):
        return f"a = {_written(content)}\n"
    return "".join(f"{_written(str(key))} = {_written(part)}\n" for key, part in content.items())


def _written(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_written(str(key))} = {_written(v)}" for key, v in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value) if isinstance(value, (str, bool)) else str(value)


_STRUCTURAL: Mapping[str, Change] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".gz": _gzip,
    ".parquet": _parquet,
    ".pt": _torch,
    ".th": _torch,
    ".safetensors": _safetensors,
    ".toml": _toml,
}
