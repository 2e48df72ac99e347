"""LaTeX held against an outside parser: nothing unbalanced, nothing unknown, and what a reader would see of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import (
    LatexCharsNode,
    LatexEnvironmentNode,
    LatexGroupNode,
    LatexMacroNode,
    LatexMathNode,
    LatexNode,
    LatexSpecialsNode,
    LatexWalker,
)

TEXT_MACROS = {
    *("\\", "$", "&", "#", "%", "_", "textbackslash", "textasciicircum"),
    *("textasciitilde", "textasciigrave", "dots", "textit", "footnotesize"),
}
"""Commands of LaTeX itself (The LaTeX Companion, section 7.3, and source2e) that print text."""
SYMBOLS = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"),
    *("times", "cdot", "pm", "approx", "neq", "leq", "geq", "rightarrow", "in", "ast", "infty", "prime"),
    *("lbrace", "rbrace", "varepsilon", "varphi"),
}
"""Symbols of plain TeX's mathematics."""
TABLE_MACROS = {
    *("begin", "end", "caption", "label", "centering", "multicolumn", "linewidth"),
    *("toprule", "midrule", "bottomrule", "endhead", "endfirsthead", "endfoot", "endlastfoot"),
}
"""LaTeX's, booktabs' and longtable's."""


def nodes(source: str) -> Sequence[LatexNode]:
    """Parse strictly: an unbalanced brace, dollar or environment is an error."""
    parsed: Sequence[LatexNode] = LatexWalker(source, tolerant_parsing=False).get_latex_nodes()[0]
    return parsed


def every(parsed: Sequence[LatexNode | None], mathematics: bool = False) -> Iterator[tuple[LatexNode, bool]]:
    """Yield every node with whether it stands in mathematics."""
    for node in parsed:
        if node is None:
            continue
        yield node, mathematics
        if isinstance(node, LatexMathNode):
            yield from every(node.nodelist, True)
        elif isinstance(node, LatexGroupNode | LatexEnvironmentNode):
            yield from every(node.nodelist, mathematics)
        if isinstance(node, LatexMacroNode | LatexEnvironmentNode) and node.nodeargd is not None:
            yield from every(node.nodeargd.argnlist or [], mathematics)


def unknown(source: str) -> set[str]:
    """Return the commands that are not among those listed here, or do not stand where they may."""
    found = set()
    for node, mathematics in every(nodes(source)):
        if isinstance(node, LatexMacroNode):
            known = SYMBOLS if mathematics else TEXT_MACROS | TABLE_MACROS
            if node.macroname not in known:
                found.add(node.macroname)
        elif isinstance(node, LatexCharsNode) and not mathematics and set("#$%^_\\{}") & set(node.chars):
            found.add(node.chars)
        elif isinstance(node, LatexSpecialsNode) and node.specials_chars in ("#", "^", "_") and not mathematics:
            found.add(node.specials_chars)
    return found


def seen(source: str) -> str:
    """Return what a reader sees of a LaTeX text, with its white space as it is."""
    text: str = LatexNodes2Text(strict_latex_spaces=True, math_mode="text").latex_to_text(source)
    return text
