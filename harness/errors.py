"""Errors that are the user's to mend: one message, a remedy, and an exit code for each kind.

Anything else that escapes is a defect of Remeasure and keeps its traceback (exit code 1).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What ``remeasure`` returns to the shell; documented in ``docs/exit-codes.md``."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    CLAIMS = 3
    DATA = 4
    CHECKPOINT = 5
    STORAGE = 6
    LEDGER = 7
    NOTHING_MEASURED = 8
    FINDINGS = 9
    PACKAGE = 10
    DEVICE = 11
    CLAIM_FAILED = 12
    REGRESSION = 13
    INFRASTRUCTURE = 14
    VERIFICATION = 15
    NOT_CITABLE = 16
    INTERRUPTED = 130


class RemeasureError(Exception):
    """A mistake or mishap outside the program, with what to do about it.

    Args:
        message: What is wrong, naming the file, line, row or option.
        remedy: What the reader can do next; empty if the message says it.
    """

    exit_code: ExitCode = ExitCode.DEFECT

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class UsageError(RemeasureError):
    """An unknown paper, model, dataset or option value."""

    exit_code = ExitCode.USAGE


class ClaimsError(RemeasureError):
    """A ``claims.toml`` that cannot be read as claims; the message lists every problem."""

    exit_code = ExitCode.CLAIMS


class DataError(RemeasureError):
    """A data folder that is missing, half-copied or holds an unreadable file."""

    exit_code = ExitCode.DATA


class CheckpointError(RemeasureError):
    """A weights file that is corrupt, unsafe, or belongs to another model."""

    exit_code = ExitCode.CHECKPOINT


class StorageError(RemeasureError):
    """A disk that is full or a folder that cannot be written."""

    exit_code = ExitCode.STORAGE


class LedgerError(RemeasureError):
    """A ledger record whose content does not match its digest."""

    exit_code = ExitCode.LEDGER


class NothingMeasuredError(RemeasureError):
    """A run that ended without a single measurement."""

    exit_code = ExitCode.NOTHING_MEASURED


class MissingPackageError(RemeasureError):
    """A package that is not installed and that nothing can be done without."""

    exit_code = ExitCode.PACKAGE


class DeviceError(RemeasureError):
    """A GPU that was lost, or memory that did not suffice; what was saved before still stands."""

    exit_code = ExitCode.DEVICE


class VerificationError(RemeasureError):
    """A bundle whose bytes, numbers or signature are not what they claim to be; the message names the row."""

    exit_code = ExitCode.VERIFICATION


class NotCitableError(RemeasureError):
    """A number that must not be cited: synthetic, partial, stale or not measured."""

    exit_code = ExitCode.NOT_CITABLE


class InterruptedRunError(RemeasureError):
    """Ctrl-C: what was finished is recorded, and the same command goes on with the rest."""

    exit_code = ExitCode.INTERRUPTED
