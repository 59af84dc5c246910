"""Settings as MLflow parameters: flat, short, and always the same text for the same value."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

MAX_VALUE = 6000
"""MLflow's limit for a parameter's text; a longer one would be truncated silently."""


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted keys: ``{"train": {"lr": 0.1}}`` gives ``{"train.lr": "0.1"}``.

    Lists become JSON. A value beyond MLflow's limit keeps its beginning, followed by its SHA-256, so that two
    long values still differ; :func:`long_values` has the full text.
    """
    return {key: _shorten(text) for key, text in _texts(params, prefix).items()}


def long_values(params: Mapping[str, Any]) -> dict[str, str]:
    """The full text of the values that :func:`flatten` shortens."""
    return {key: text for key, text in _texts(params, "").items() if len(text) > MAX_VALUE}


def _texts(params: Mapping[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in params.items():
        # MLflow accepts letters, digits, _-./: and spaces in a name, but no path-like `//` or leading `/`.
        key = prefix + (re.sub(r"[^\w\-. ]", "_", str(name)) or "_")
        if isinstance(value, Mapping) and value:
            flat |= _texts(value, f"{key}.")
        else:
            flat[key] = _text(value)
    return flat


def _text(value: Any) -> str:
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _shorten(text: str) -> str:
    if len(text) <= MAX_VALUE:
        return text
    mark = f"… sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return text[: MAX_VALUE - len(mark)] + mark
