"""What every command shares: its Typer application, and errors as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from .errors import Failure, InputError


def new_app() -> typer.Typer:
    """A Typer application with plain help and plain tracebacks."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@contextmanager
def command_errors() -> Iterator[None]:
    """Turn `InputError` into one line and exit code 2, `Failure` into 1, an interrupt into 130.

    Any other exception passes: it is a defect (exit code 1) and its traceback is wanted.
    """
    try:
        yield
    except (InputError, Failure) as error:
        message = " ".join(str(error).split())
        sys.stderr.write(f"error: {message}\n")
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{interrupt or 'interrupted'}\n")
        raise SystemExit(130) from None
