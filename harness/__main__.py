"""``python -m harness`` and the script ``remeasure``."""

from __future__ import annotations

import sys

from harness.cli import cli
from harness.errors import ExitCode, RemeasureError


def main() -> None:
    """Run the command line; a :class:`RemeasureError` becomes one message and its own exit code."""
    try:
        cli.main(prog_name="remeasure", standalone_mode=True)
    except RemeasureError as error:
        print(f"remeasure: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("remeasure: interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
