"""Errors that end a command with one clear line."""

from __future__ import annotations


class InputError(ValueError):
    """Wrong input: one line that names the field, the value and what is allowed (exit code 2)."""


class Failure(RuntimeError):
    """Work that was started and failed: one line, exit code 1."""


class TrialFailure(Failure):
    """A trial that failed for its own configuration, such as a non-finite loss."""


class StudyFailure(Failure):
    """A study in which no trial came to its end."""


class StorageFailure(Failure):
    """The place of a run's files is full, or cannot be written or read."""
