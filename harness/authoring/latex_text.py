"""LaTeX as a reader sees it: what a cell of a table says, without its commands."""

from __future__ import annotations

import re

SYMBOLS = {
    "pm": "±", "times": "×", "dagger": "†", "ddagger": "‡", "S": "§", "P": "¶", "ast": "*", "star": "*",
    "checkmark": "✓", "cmark": "✓", "xmark": "✗", "sim": "~", "approx": "≈", "le": "≤", "leq": "≤", "ge": "≥",
    "geq": "≥", "uparrow": "↑", "downarrow": "↓", "textendash": "–", "textemdash": "—", "cdot": "·", "infty": "∞",
    "textbackslash": "\\", "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "lambda": "λ",
    "mu": "μ", "sigma": "σ", "textpm": "±", "textdagger": "†", "textasciitilde": "~", "slash": "/", "rightarrow": "→",
}  # fmt: skip
SWITCHES = {
    "bf", "it", "rm", "tt", "em", "sc", "sf", "sl", "bfseries", "itshape", "mdseries", "rmfamily", "sffamily",
    "ttfamily", "small", "footnotesize", "scriptsize", "tiny", "large", "Large", "normalsize", "centering", "boldmath",
    "displaystyle", "textstyle", "hfill", "raggedright", "left", "right", "protect", "relax", "null", "strut", "limits",
}  # fmt: skip
"""Say how, not what."""
SPACES = {"quad", "qquad", "enspace", "thinspace", "space", "newline", "\\", " ", ",", ";", ":", "\n", "tabularnewline"}
DROPPED = {
    "cite": 1, "citep": 1, "citet": 1, "citealp": 1, "citealt": 1, "citeauthor": 1, "citeyear": 1, "ref": 1,
    "cref": 1, "Cref": 1, "autoref": 1, "eqref": 1, "label": 1, "vspace": 1, "hspace": 1, "color": 1, "cellcolor": 1,
    "phantom": 1, "hphantom": 1, "vphantom": 1, "fontsize": 2, "rule": 2, "setlength": 2, "begin": 1, "end": 1,
}  # fmt: skip
"""How many arguments go with a command that shows no text."""
MARKED = {"footnote", "footnotemark", "tnote", "thanks"}
"""Put a mark behind a word."""
SECOND = {"textcolor": 1, "href": 1, "colorbox": 1, "rotatebox": 1, "scalebox": 1, "resizebox": 2, "raisebox": 1,
          "parbox": 1, "hyperref": 0, "specialcell": 0}  # fmt: skip
"""How many arguments stand before the one that is shown."""
COMMAND = re.compile(r"\\([a-zA-Z]+)\*?[ \t]*|\\(.)", re.DOTALL)
OPTIONAL = re.compile(r"\s*\[[^\]]*\]")


def argument(text: str, position: int) -> tuple[str, int] | None:
    """Return the group in braces that begins at a position, blanks aside, and where it is over; None if none does."""
    while position < len(text) and text[position].isspace():
        position += 1
    if position >= len(text) or text[position] != "{":
        return None
    depth, start = 0, position + 1
    while position < len(text):
        mark = text[position]
        if mark == "\\":
            position += 2
            continue
        depth += (mark == "{") - (mark == "}")
        position += 1
        if depth == 0:
            return text[start : position - 1], position
    return None


def plain(text: str) -> str:
    """Return what a reader sees of LaTeX, on one line; superscripts as ``^x`` and subscripts as ``_x``.

    A command that is not known shows its argument; without one, its name, so that nothing is lost unseen.
    """
    return " ".join(_shown(text).split())


def _shown(text: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(text):
        mark = text[position]
        if mark == "\\" and (command := COMMAND.match(text, position)):
            shown, position = _command(text, command)
            parts.append(shown)
        elif mark == "{":
            group = argument(text, position)
            content, position = (text[position + 1 :], len(text)) if group is None else group
            parts.append(_shown(content))
        else:
            parts.append("" if mark in "$}" else " " if mark == "~" else mark)
            position += 1
    return "".join(parts)


def _command(text: str, command: re.Match[str]) -> tuple[str, int]:
    """Return what a command shows, and where it is over."""
    name, position = command[1] or command[2], command.end()
    if name in SPACES:
        return " ", position
    if name == "!" or name in "()[]" or name in SWITCHES:
        return "", position
    if name in SYMBOLS:
        return SYMBOLS[name], position
    if command[1] is None:
        return name, position
    while optional := OPTIONAL.match(text, position):
        position = optional.end()
    if name in MARKED:
        group = argument(text, position)
        return "†", position if group is None else group[1]
    for _ in range(DROPPED.get(name, SECOND.get(name, 0))):
        group = argument(text, position)
        position = position if group is None else group[1]
    if name in DROPPED:
        return "", position
    while optional := OPTIONAL.match(text, position):
        position = optional.end()
    group = argument(text, position)
    if group is None:
        return f"{name} " if text[position : position + 1].isalnum() else name, position
    return (_shown(group[0]) if group[0].strip() else name), group[1]
