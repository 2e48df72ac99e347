"""A small, safe arithmetic over claim ids.

::

    expression = term   (("+" | "-") term)*
    term       = factor (("*" | "/") factor)*
    factor     = "-" factor | atom ("^" whole number)?
    atom       = number | id | function "(" arguments ")" | "(" expression ")"
    function   = mean | sum | min | max | abs

An id holds at least one slash (``t1/resnet-18/top1-1crop``) and may hold hyphens, so operators between ids are set
off by spaces. Inside a function an id may hold ``*``: ``mean(t3/drn-a-50/iou-*)``. Numbers are exact, powers
at most 16. Nothing is ever handed to the Python evaluator.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import reduce
from itertools import product
from operator import add
from typing import Any, Generic, TypeVar

from harness.claims.intervals import Interval, hull

FUNCTIONS = ("mean", "sum", "min", "max", "abs")
SUBDIVISIONS = 8
MOST_SUBDIVIDED = 3
MOST_TOKENS = 300
HIGHEST_POWER = 16


class ExpressionError(ValueError):
    """The text is not an expression; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Name:
    id: str

    @property
    def is_pattern(self) -> bool:
        return "*" in self.id


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Power:
    base: Node
    exponent: int


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Node


Node = Number | Name | Call | Binary | Power | Negation

ID = re.compile(r"[a-z][a-z0-9.+_-]*(?:/[a-z0-9.+_*-]+)+")
TOKEN = re.compile(
    rf"\s*(?:(?P<id>{ID.pattern})"
    r"|(?P<number>[0-9]{1,30}(?:\.[0-9]{1,30})?)"
    r"|(?P<function>[a-z]+)(?=\()"
    r"|(?P<symbol>[-+*/^(),]))"
)


def parse(text: str) -> Node:
    """Read an expression.

    Raises:
        ExpressionError: The text does not follow the grammar.
    """
    parser = _Parser(text)
    node = parser.expression()
    if parser.token is not None:
        raise ExpressionError(f"unexpected {parser.token[1]!r} in {text!r}")
    return node


class _Parser:
    """Recursive descent over the grammar in the module's docstring; the limit on tokens bounds its depth."""

    def __init__(self, text: str) -> None:
        self.text = text
        tokens = list(_tokens(text))
        if len(tokens) > MOST_TOKENS:
            raise ExpressionError(f"{len(tokens)} symbols in one expression; at most {MOST_TOKENS}: use [define]")
        self.tokens = iter(tokens)
        self.token = next(self.tokens, None)

    def advance(self) -> tuple[str, str]:
        if self.token is None:
            raise ExpressionError(f"{self.text!r} ends too early")
        current, self.token = self.token, next(self.tokens, None)
        return current

    def symbol(self, *symbols: str) -> str | None:
        if self.token is not None and self.token[0] == "symbol" and self.token[1] in symbols:
            return self.advance()[1]
        return None

    def expect(self, symbol: str) -> None:
        if self.symbol(symbol) is None:
            raise ExpressionError(f"{symbol!r} missing in {self.text!r}")

    def expression(self) -> Node:
        node = self.term()
        while operator := self.symbol("+", "-"):
            node = Binary(operator, node, self.term())
        return node

    def term(self) -> Node:
        node = self.factor()
        while operator := self.symbol("*", "/"):
            node = Binary(operator, node, self.factor())
        return node

    def factor(self) -> Node:
        if self.symbol("-"):
            return Negation(self.factor())
        node = self.atom()
        if self.symbol("^"):
            kind, text = self.advance()
            if kind != "number" or "." in text or int(text) > HIGHEST_POWER:
                raise ExpressionError(f"the power in {self.text!r} must be a whole number up to {HIGHEST_POWER}")
            return Power(node, int(text))
        return node

    def atom(self) -> Node:
        kind, text = self.advance()
        if kind == "number":
            return Number(Fraction(text))
        if kind == "id":
            return Name(text)
        if kind == "function":
            return self.call(text)
        if text == "(":
            node = self.expression()
            self.expect(")")
            return node
        raise ExpressionError(f"unexpected {text!r} in {self.text!r}")

    def call(self, function: str) -> Node:
        if function not in FUNCTIONS:
            raise ExpressionError(f"unknown function {function!r}; known: {', '.join(FUNCTIONS)}")
        self.expect("(")
        arguments = [self.expression()]
        while self.symbol(","):
            arguments.append(self.expression())
        self.expect(")")
        if function == "abs" and len(arguments) != 1:
            raise ExpressionError("abs takes one argument")
        return Call(function, tuple(arguments))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None:
            rest = text[position:].strip()
            raise ExpressionError(f"cannot read {rest!r} in {text!r}; ids are written table/row/column")
        kind = match.lastgroup
        assert kind is not None
        yield kind, match.group(kind)
        position = match.end()


def names(node: Node) -> Iterator[str]:
    """Yield every id and pattern in the expression, repeats included, left to right."""
    match node:
        case Name(id):
            yield id
        case Call(_, arguments):
            for argument in arguments:
                yield from names(argument)
        case Binary(_, left, right):
            yield from names(left)
            yield from names(right)
        case Power(operand, _) | Negation(operand):
            yield from names(operand)
        case Number():
            return


class Ids(Collection[str]):
    """Ids indexed by the path before their last parts, so that a pattern need not be held against each of them."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = dict.fromkeys(ids)
        self._under: dict[str, list[str]] = {}
        for id in self._ids:
            parts = id.split("/")
            for length in range(1, len(parts)):
                self._under.setdefault("/".join(parts[:length]), []).append(id)

    def __contains__(self, id: object) -> bool:
        return id in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def under(self, pattern: str) -> Sequence[str]:
        """Return the ids that start with the part of the pattern before the slash that precedes its first ``*``."""
        head = pattern.partition("*")[0].rpartition("/")[0]
        return self._under.get(head, ()) if head else tuple(self._ids)


def resolve(node: Node, known: Collection[str], definitions: Mapping[str, Node]) -> Node:
    """Replace patterns by the ids they match and defined names by their expressions; pass ``Ids`` where there are many.

    Raises:
        ExpressionError: An id is unknown, a pattern matches nothing or stands outside a function,
            or the definitions form a cycle (the message shows it).
    """
    return _resolve(node, known, definitions, ())


def _resolve(node: Node, known: Collection[str], definitions: Mapping[str, Node], path: tuple[str, ...]) -> Node:
    def go(child: Node) -> Node:
        return _resolve(child, known, definitions, path)

    match node:
        case Name(id) if id in definitions:
            if id in path:
                raise ExpressionError(f"definitions form a cycle: {' -> '.join([*path, id])}")
            return _resolve(definitions[id], known, definitions, (*path, id))
        case Name(id):
            if node.is_pattern:
                raise ExpressionError(f"the pattern {id!r} must stand inside one of {', '.join(FUNCTIONS)}")
            if id not in known:
                raise ExpressionError(f"unknown id {id!r}")
            return node
        case Call(function, arguments):
            expanded: list[Node] = []
            for argument in arguments:
                if isinstance(argument, Name) and argument.is_pattern:
                    among = known.under(argument.id) if isinstance(known, Ids) else known
                    matches = [Name(k) for k in among if fnmatchcase(k, argument.id)]
                    if not matches:
                        raise ExpressionError(f"the pattern {argument.id!r} matches no claim")
                    expanded.extend(matches)
                else:
                    expanded.append(go(argument))
            return Call(function, tuple(expanded))
        case Binary(operator, left, right):
            return Binary(operator, go(left), go(right))
        case Power(base, exponent):
            return Power(go(base), exponent)
        case Negation(operand):
            return Negation(go(operand))
        case Number():
            return node


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Algebra(Generic[T]):
    """What evaluation needs of a kind of value beyond ``+ - * /``."""

    lift: Callable[[Fraction], T]
    least: Callable[[Sequence[T]], T]
    greatest: Callable[[Sequence[T]], T]
    power: Callable[[T, int], T]


RATIONALS: Algebra[Fraction] = Algebra(lambda x: x, min, max, lambda x, n: x**n)
INTERVALS: Algebra[Interval] = Algebra(
    Interval.point,
    lambda xs: Interval(min(x.low for x in xs), min(x.high for x in xs)),
    lambda xs: Interval(max(x.low for x in xs), max(x.high for x in xs)),
    Interval.power,
)


def evaluate(node: Node, values: Callable[[str], Any], algebra: Algebra[Any]) -> Any:
    """Evaluate a resolved expression in one kind of value: rationals, intervals, arrays.

    Raises:
        ZeroDivisionError: A divisor is zero, or its interval holds zero.
        KeyError: ``values`` knows no value for an id.
    """

    def go(child: Node) -> Any:
        return evaluate(child, values, algebra)

    match node:
        case Number(value):
            return algebra.lift(value)
        case Name(id):
            return values(id)
        case Negation(operand):
            return -go(operand)
        case Power(base, exponent):
            return algebra.power(go(base), exponent)
        case Binary(operator, left, right):
            return _binary(operator, go(left), go(right))
        case Call(function, arguments):
            operands = [go(argument) for argument in arguments]
            match function:
                case "min":
                    return algebra.least(operands)
                case "max":
                    return algebra.greatest(operands)
                case "abs":
                    return abs(operands[0])
                case _:
                    total = reduce(add, operands)
                    return total / algebra.lift(Fraction(len(operands))) if function == "mean" else total


def _binary(operator: str, left: Any, right: Any) -> Any:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def enclose(node: Node, values: Mapping[str, Interval]) -> Interval:
    """Enclose the range of a resolved expression over a box.

    The natural interval extension, tightened by cutting the interval of each id that occurs more than once
    into ``SUBDIVISIONS`` parts (Moore 1966, ch. 4): ``(a - b) / a`` depends on ``a`` twice.

    Raises:
        ZeroDivisionError: A divisor's interval holds zero.
    """
    repeated = [id for id, n in Counter(names(node)).items() if n > 1 and values[id].width > 0]
    repeated = repeated[:MOST_SUBDIVIDED]
    if not repeated:
        return _interval(node, values)
    parts = [_cut(values[id]) for id in repeated]
    return hull([_interval(node, {**values, **dict(zip(repeated, box, strict=True))}) for box in product(*parts)])


def _interval(node: Node, values: Mapping[str, Interval]) -> Interval:
    result: Interval = evaluate(node, values.__getitem__, INTERVALS)
    return result


def _cut(interval: Interval) -> list[Interval]:
    step = interval.width / SUBDIVISIONS
    return [Interval(interval.low + k * step, interval.low + (k + 1) * step) for k in range(SUBDIVISIONS)]
