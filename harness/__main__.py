"""``python -m harness`` and the script ``remeasure``."""

from __future__ import annotations

import errno
import sys

from harness.errors import ExitCode, RemeasureError
from harness.packages import required


def main() -> None:
    """Run the command line; a :class:`RemeasureError` becomes one message and its own exit code."""
    try:
        with required():
            _run()
    except RemeasureError as error:
        print(f"remeasure: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"remeasure: {error.filename}: the name is too long", file=sys.stderr)
        sys.exit(ExitCode.USAGE)


def _run() -> None:
    import click

    from harness.cli import cli

    try:
        sys.exit(cli.main(prog_name="remeasure", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        print("remeasure: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
