"""Text that TeX prints as it stands.

Letters of any alphabet but Greek, quotation marks and dashes stay as they are, in UTF-8, which is LaTeX's own input
encoding since 2018. Braces become commands: BibTeX counts them even behind a backslash.
"""

from __future__ import annotations

import re
import unicodedata


def _greek(letter: str) -> str:
    """Return the command of a Greek letter, which is its name in Unicode but for one."""
    name = unicodedata.name(letter).rsplit(" ", 1)[1].replace("LAMDA", "LAMBDA")
    return name.capitalize() if letter.isupper() else name.lower()


_GREEK = {letter: _greek(letter) for letter in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"}
_MATHEMATICS = {
    **_GREEK,
    "ε": "varepsilon",
    "φ": "varphi",
    "×": "times",
    "·": "cdot",
    "±": "pm",
    "≈": "approx",
    "≠": "neq",
    "≤": "leq",
    "≥": "geq",
    "→": "rightarrow",
    "∈": "in",
    "∗": "ast",
    "∞": "infty",
}
_TABLE = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"$\lbrace$",
        "}": r"$\rbrace$",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
        '"': "{''}",
        "`": r"\textasciigrave{}",
        "\N{ZERO WIDTH NON-JOINER}": "{}",
        "…": r"\dots{}",
        "−": "$-$",
        "²": "$^{2}$",
        "³": "$^{3}$",
        "′": r"$^{\prime}$",
        "\N{NO-BREAK SPACE}": "~",
        "\N{NARROW NO-BREAK SPACE}": "~",
        **{symbol: rf"$\{name}$" for symbol, name in _MATHEMATICS.items()},
        **{chr(code): " " for code in (*range(32), 127)},
    }
)

_LIGATURES = re.compile(r"([-',])(?=\1)")
"""Where TeX would make one sign of two: a dash, a quotation mark."""


def latex(text: str) -> str:
    """Write plain text as LaTeX; control characters become spaces."""
    return _LIGATURES.sub("\\1\N{ZERO WIDTH NON-JOINER}", text).translate(_TABLE)
