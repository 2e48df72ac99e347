"""Text files that name the images of a split."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from harness.errors import DataError

_NAME = re.compile(r"[\w-]+")
_PAIR = re.compile(r"(?:\S*/)?([\w-]+)\.\w+\s+(?:\S*/)?\1\.\w+")


def read_names(root: Path, place: str, problems: list[str], remedy: str) -> tuple[str, ...]:
    """Read a list of images: one a line, as a bare name or as the paths of an image and of its label.

    Args:
        root: Folder that ``place`` starts from.
        place: Path of the list with forward slashes.
        problems: Gets what is wrong with the list: missing, a line of another form, a name given twice.
        remedy: How to get the data.

    Raises:
        DataError: The list may not be read or is no text.
    """
    lines = read_lines(root, place, problems, remedy)
    names: list[str] = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        pair = _PAIR.fullmatch(line)
        if pair or _NAME.fullmatch(line):
            names.append(pair[1] if pair else line)
        elif line:
            problems.append(f"{place}, line {number}: expected the name of an image without folder or suffix")
    problems += [f"{place}: {name} is named {times} times" for name, times in Counter(names).items() if times > 1]
    return tuple(names)


def read_lines(root: Path, place: str, problems: list[str], remedy: str) -> list[str]:
    """Return the lines of a text file, none if it is missing, which is a problem; errors as :func:`read_names`."""
    try:
        return (root / place).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        problems.append(f"{place}: list missing")
        return []
    except OSError as error:
        raise DataError(f"{root / place}: cannot be read ({error.strerror})", remedy) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{root / place}: not a text file ({error.reason})", remedy) from error
