"""From the names that a file gives its entries to those of a network's parameters: ordered rules, kept as data.

A rule is a regular expression that a whole name of the file has to match, and what becomes of it:

    [[maps.caffe-resnet-101.rules]]
    file = 'res(?P<stage>\\d)(?P<block>[abc])_branch2(?P<conv>[abc])/0'
    model = 'trunk.layer{stage}.{block}.conv{conv}.weight'

Braces take a group of the expression, translated by the map's ``words`` where those have its name:

    [maps.caffe-resnet-101.words]
    block = { a = "0", b = "1", c = "2" }
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Literal

import msgspec

Check = Literal["", "bilinear"]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of the entries whose names match.

    Attributes:
        file: Regular expression for the whole name.
        model: Template of the parameter that the entry sets; empty if it sets none.
        ignore: Why it sets none.
        same_as: Template of another entry of the file that has to be equal, bit for bit: a shared copy.
        check: "bilinear": its planes have to be the kernel of bilinear upsampling.
    """

    file: str
    model: str = ""
    ignore: str = ""
    same_as: str = ""
    check: Check = ""

    def __post_init__(self) -> None:
        if bool(self.model) == bool(self.ignore):
            raise ValueError(f"rule {self.file!r} needs either 'model' or 'ignore'")
        try:
            groups = re.compile(self.file).groupindex
        except re.error as error:
            raise ValueError(f"rule {self.file!r} is no regular expression: {error}") from error
        for template in (self.model, self.same_as):
            for _, name, _, _ in Formatter().parse(template):
                if name is not None and name not in groups:
                    raise ValueError(f"rule {self.file!r} has no group {name!r} for {template!r}")


class NameMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules, of which the first that matches decides, and translations of their groups.

    Attributes:
        rules: In order.
        words: By group, what its text becomes; a text that is not there makes the whole name unknown.
        extends: Another map, whose rules follow these and whose words apply where these have none.
    """

    rules: tuple[Rule, ...]
    words: dict[str, dict[str, str]] = {}
    extends: str = ""

    def on(self, base: NameMap) -> NameMap:
        """Return this map with the one that it extends."""
        return NameMap(rules=self.rules + base.rules, words={**base.words, **self.words})


@dataclass(frozen=True, slots=True)
class Translation:
    """What a map makes of the names of a file.

    Attributes:
        sources: Name in the file by parameter.
        ignored: Why, by name in the file.
        same_as: Which other entry has to be equal, by name in the file.
        checks: What to check, by name in the file.
        unknown: Names that no rule matches, or whose translation lacks a word.
        doubled: Names whose parameter an earlier name has.
    """

    sources: Mapping[str, str]
    ignored: Mapping[str, str]
    same_as: Mapping[str, str]
    checks: Mapping[str, Check]
    unknown: tuple[str, ...]
    doubled: tuple[str, ...]


def translate(names: Iterable[str], name_map: NameMap) -> Translation:
    """Apply a map to the names of a file."""
    rules = [(re.compile(rule.file), rule) for rule in name_map.rules]
    sources: dict[str, str] = {}
    ignored: dict[str, str] = {}
    same_as: dict[str, str] = {}
    checks: dict[str, Check] = {}
    unknown: list[str] = []
    doubled: list[str] = []
    for name in names:
        rule, groups = _first_match(name, rules, name_map.words)
        if rule is None:
            unknown.append(name)
            continue
        if rule.ignore:
            ignored[name] = rule.ignore
        else:
            key = rule.model.format_map(groups)
            if key in sources:
                doubled.append(name)
            sources.setdefault(key, name)
        if rule.same_as:
            same_as[name] = rule.same_as.format_map(groups)
        if rule.check:
            checks[name] = rule.check
    return Translation(sources, ignored, same_as, checks, tuple(unknown), tuple(doubled))


def _first_match(
    name: str, rules: Iterable[tuple[re.Pattern[str], Rule]], words: Mapping[str, Mapping[str, str]]
) -> tuple[Rule | None, dict[str, str]]:
    for pattern, rule in rules:
        match = pattern.fullmatch(name)
        if match is None:
            continue
        groups = {group: text or "" for group, text in match.groupdict().items()}
        if any(group in words and text not in words[group] for group, text in groups.items()):
            return None, {}
        return rule, {**groups, **{key: words[key][text] for key, text in groups.items() if key in words}}
    return None, {}
