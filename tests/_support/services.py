"""Whether a service that a test needs may be missing: on a laptop it may, in CI it may not."""

from __future__ import annotations

import os

import pytest


def in_ci() -> bool:
    """Tell whether this is a run of CI, by the variable `CI` that every CI sets."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def require_or_skip(condition: object, why: str) -> None:
    """Go on if `condition` holds; else skip the test on a laptop and fail it in CI.

    Args:
        condition: What the test needs, judged by its truth.
        why: What is missing and how to get it.
    """
    if condition:
        return
    if in_ci():
        pytest.fail(f"missing in CI: {why}", pytrace=False)
    pytest.skip(why)
