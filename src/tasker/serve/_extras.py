"""Libraries that only some users have."""

from __future__ import annotations

import importlib
from types import ModuleType


def needing(module: str, what: str, library: str, extra: str) -> ModuleType:
    """Import the file of ours that needs an optional library.

    Args:
        module: The file.
        what: Who asks, for the message of an error.
        library: What it needs.
        extra: What brings it.

    Raises:
        ImportError: The library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library:
            raise
        raise ImportError(f"{what} needs {library}: pip install 'py-tasker[{extra}]'", name=library) from error
