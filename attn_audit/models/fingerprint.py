"""What a model's files hold, as one number."""

import hashlib
from pathlib import Path

from attn_audit.files import sha256_of


def fingerprint(path: Path, vocabulary: Path | None = None) -> str:
    """SHA-256 of a model file, or of everything that a model's folder consists of.

    Args:
        path: The file or folder.
        vocabulary: A vocabulary that is used in place of the folder's own.
    """
    if path.is_file():
        return sha256_of(path)
    files = sorted(file for file in path.iterdir() if file.is_file())
    parts = [f"{file.name} {sha256_of(file)}" for file in files]
    if vocabulary is not None:
        parts.append(f"--vocabulary {sha256_of(vocabulary)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
