"""Expressions: precedence against Python's parser, values against exact arithmetic, ranges against samples."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.claims.expressions import (
    HIGHEST_POWER,
    MOST_TOKENS,
    RATIONALS,
    Call,
    ExpressionError,
    Name,
    Node,
    enclose,
    evaluate,
    names,
    parse,
    resolve,
)
from harness.claims.intervals import Interval

IDS = ("t1/a-b/x", "t1/a/x.y+z", "s5.1/gain", "t3/drn-a-50/iou-road")
PYTHON_NAMES = {id: f"v{number}" for number, id in enumerate(IDS)}
numbers = st.from_regex(r"(0|[1-9][0-9]?)(\.[0-9]{1,2})?", fullmatch=True)
gaps = st.sampled_from(["", " ", "  "])
values = st.fixed_dictionaries({id: st.fractions(-50, 50, max_denominator=100) for id in IDS})


@st.composite
def functions(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    function = draw(st.sampled_from(["mean", "sum", "min", "max", "abs"]))
    arguments = draw(st.lists(inner, min_size=1, max_size=1 if function == "abs" else 3))
    return f"{function}({', '.join(arguments)})"


@st.composite
def operations(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """Join texts without parentheses, so that precedence and associativity decide what is meant."""
    return f"{draw(inner)} {draw(st.sampled_from('+-*/'))} {draw(inner)}"


atoms = st.one_of(numbers, st.sampled_from(IDS))
texts = st.recursive(
    atoms,
    lambda inner: st.one_of(
        operations(inner),
        functions(inner),
        st.builds(lambda a, x, b: f"({a}{x}{b})", gaps, inner, gaps),
        st.builds(lambda x: f"-{x}", inner),
        st.builds(lambda x, n: f"({x})^{n}", inner, st.integers(0, 3)),
        st.builds(lambda x, n: f"{x} ^ {n}", atoms, st.integers(0, 3)),
    ),
    max_leaves=8,
)

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
FUNCTIONS: dict[str, Callable[[list[Fraction]], Fraction]] = {
    "sum": lambda xs: sum(xs, Fraction(0)),
    "mean": lambda xs: sum(xs, Fraction(0)) / len(xs),
    "min": min,
    "max": max,
    "abs": lambda xs: abs(xs[0]),
}


def by_python(text: str, known: dict[str, Fraction]) -> Fraction:
    """Parse with Python's parser and compute with Fraction: a second method that shares nothing with the first."""
    for id, name in PYTHON_NAMES.items():
        text = text.replace(id, name)
    variables = {name: known[id] for id, name in PYTHON_NAMES.items()}

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant():
                return Fraction(ast.get_source_segment(source, node) or "")
            case ast.Name(id=name):
                return variables[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(exponent))):
                return Fraction(value(left) ** exponent)
            case ast.BinOp(left=left, op=op, right=right):
                return Fraction(OPERATORS[type(op)](value(left), value(right)))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return FUNCTIONS[name]([value(argument) for argument in arguments])
        raise AssertionError(ast.dump(node))

    source = text.replace("^", "**")
    return value(ast.parse(source, mode="eval").body)


def rational(node: Node, known: dict[str, Fraction]) -> Fraction:
    result: Fraction = evaluate(node, known.__getitem__, RATIONALS)
    return result


@given(texts, values)
def test_value_equals_pythons(text: str, known: dict[str, Fraction]) -> None:
    try:
        expected = by_python(text, known)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            rational(parse(text), known)
        return
    assert rational(parse(text), known) == expected


@given(texts, values, st.fractions(0, 5, max_denominator=20), st.data())
def test_enclosure_holds_every_sampled_value(
    text: str, middles: dict[str, Fraction], radius: Fraction, data: st.DataObject
) -> None:
    node = parse(text)
    boxes = {id: Interval(value - radius, value + radius) for id, value in middles.items()}
    try:
        range_ = enclose(node, boxes)
    except ZeroDivisionError:
        assume(False)
    shares = data.draw(st.fixed_dictionaries({id: st.sampled_from([Fraction(k, 7) for k in range(8)]) for id in IDS}))
    sample = {id: boxes[id].low + shares[id] * boxes[id].width for id in IDS}
    assert range_.low <= rational(node, sample) <= range_.high


def test_enclosure_is_tight_where_a_number_occurs_twice() -> None:
    """(a - b) / a is monotone in both, so its corners are its range; the natural extension is 11 % wider than that."""
    a, b = Fraction("27.73"), Fraction("24.81")
    half = Fraction("0.005")
    boxes = {"t/r/a": Interval(a - half, a + half), "t/r/b": Interval(b - half, b + half)}
    found = enclose(parse("(t/r/a - t/r/b) / t/r/a * 100"), boxes)
    corners = [(x - y) / x * 100 for x in (a - half, a + half) for y in (b - half, b + half)]
    assert found.low <= min(corners)
    assert max(corners) <= found.high
    assert found.width < Fraction(102, 100) * (max(corners) - min(corners))


@given(texts)
def test_names_are_the_ids_in_order(text: str) -> None:
    positions = sorted((at, id) for id in IDS for at in range(len(text)) if text.startswith(id, at))
    assert list(names(parse(text))) == [id for _, id in positions]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("(1", r"'\)' missing"),
        ("1)", r"unexpected '\)'"),
        ("1 2", "unexpected '2'"),
        ("median(1, 2)", "unknown function 'median'; known: mean"),
        ("abs(1, 2)", "abs takes one argument"),
        ("2 ^ 0.5", "must be a whole number"),
        ("2 ^ -1", "must be a whole number"),
        (f"2 ^ {HIGHEST_POWER + 1}", "must be a whole number up to"),
        ("resnet * 2", "ids are written table/row/column"),
        ("__import__('os')", "cannot read"),
        ("T1/a/b", "cannot read"),
        ("+".join(["1"] * MOST_TOKENS), "at most"),
    ],
)
def test_what_is_no_expression(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        parse(text)


def test_longest_expressions_stay_within_the_recursion_limit() -> None:
    deep = "(" * (MOST_TOKENS // 2 - 1) + "1" + ")" * (MOST_TOKENS // 2 - 1)
    long = " + ".join(["1"] * (MOST_TOKENS // 2))
    assert rational(parse(deep), {}) == 1
    assert rational(parse(long), {}) == MOST_TOKENS // 2
    assert rational(parse("-" * (MOST_TOKENS - 1) + "1"), {}) == (-1) ** (MOST_TOKENS - 1)


KNOWN = ("t3/a/iou-road", "t3/a/iou-sky", "t3/a/miou", "t3/b/iou-road")


def test_patterns_become_the_ids_they_match() -> None:
    found = resolve(parse("mean(t3/a/iou-*, t3/b/iou-road)"), KNOWN, {})
    assert found == Call("mean", (Name("t3/a/iou-road"), Name("t3/a/iou-sky"), Name("t3/b/iou-road")))


def test_definitions_are_replaced_through_each_other() -> None:
    definitions = {"let/x": parse("t3/a/miou * 2"), "let/y": parse("let/x - 1")}
    known = {"t3/a/miou": Fraction(5)}
    assert rational(resolve(parse("let/y ^ 2"), KNOWN, definitions), known) == 81


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("t3/a/iou-sea", "unknown id 't3/a/iou-sea'"),
        ("t3/a/iou-*", r"the pattern 't3/a/iou-\*' must stand inside one of mean"),
        ("mean(t4/*)", "matches no claim"),
        ("let/x + 1", "definitions form a cycle: let/x -> let/y -> let/x"),
    ],
)
def test_what_cannot_be_resolved(text: str, says: str) -> None:
    definitions = {"let/x": parse("let/y + 1"), "let/y": parse("let/x + 1")}
    with pytest.raises(ExpressionError, match=says):
        resolve(parse(text), KNOWN, definitions)
