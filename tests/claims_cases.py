"""A small claims file and the ways to get it wrong: for the tests of the linter, the schema and the documentation."""

from __future__ import annotations

from dataclasses import dataclass

GOOD = """\
[paper]
key = "mini"
title = "Mini"

[sources]
text = "text of the paper"

[system]
Net-A = { family = "Net", layers = 10 }
Net-B = { family = "Net", layers = 20, counterpart = "Net-A" }

[define]
"let/gain" = "t1/net-a/top1 - t1/net-b/top1"
"let/double" = "let/gain * 2"

[table.t1]
section = "Table 1"
columns = [
  { id = "top1", metric = "top1-error", unit = "%", n = 50000 },
  { id = "params", metric = "parameters", unit = "M" },
]
rows."Net-A" = ["30.43", "11.7"]
rows."Net-B" = ["28.00", "21.8"]

[claim."s1/gain"]
value = "2.43"
unit = "pp"
metric = "difference"
section = "Section 1"

[[relation]]
id = "s1/recomputed"
section = "Section 1"
quote = "by 2.43 points"
left = "let/gain"
op = "="
right = "s1/gain"
unit = "pp"

[[relation]]
id = "s1/each"
section = "Section 1"
quote = "each is better"
across = { column = ["top1"] }
left = "t1/net-b/{column}"
op = "<"
right = "t1/net-a/{column}"
unit = "%"

[reference.blog]
source = "a blog"
kind = "independent"
columns = [{ beside = "t1/top1" }]
rows."Net-A" = ["30.5"]

[[fact]]
id = "s1/epochs"
section = "Section 1"
value = "90"

[absent]
"s1/seeds" = "the number of seeds is not stated"
"""


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        old, new: The edit of ``GOOD`` that makes it.
        at: Text whose first occurrence stands on the line that the message must name.
        where: The place that the message must name.
        says: What the message must say.
        schema: Whether a JSON Schema can see it too.
    """

    name: str
    old: str
    new: str
    at: str
    where: str
    says: str
    schema: bool


CASES = (
    Case("float cell", '["30.43", ', "[30.40, ", 'rows."Net-A" = [30', "[table t1, row Net-A, column top1]",
         '30.4 is a float: quote the decimal as printed, "30.4", trailing zeros included', True),
    Case("integer cell", '"21.8"]', "22]", 'rows."Net-B"', "[table t1, row Net-B, column params]",
         "22 is an integer: quote the decimal", True),
    Case("float value", 'value = "2.43"', "value = 2.43", '[claim."s1/gain"]', "[claim s1/gain]",
         '2.43 is a float: quote the decimal as printed, "2.43"', True),
    Case("float in a reference", '["30.5"]', "[30.5]", 'rows."Net-A" = [30.5]',
         "[reference blog, row Net-A, column top1]", "30.5 is a float", True),
    Case("not a decimal", '"28.00"', '"28,00"', 'rows."Net-B"', "[table t1, row Net-B, column top1]",
         "'28,00' is not a plain decimal such as 76.3", True),
    Case("row twice", 'rows."Net-B"', 'rows."Net-A"', '"28.00"', "[table t1, row Net-A]",
         "the same key twice is a duplicate id", False),
    Case("two rows with one slug", 'rows."Net-B"', 'rows."Net A"', 'rows."Net A"', "[table t1, row Net A]",
         "duplicate id: rows 'Net-A' and 'Net A' both become 'net-a'", False),
    Case("claim twice", "[[fact]]", '[claim."s1/gain"]\nvalue = "1"\n\n[[fact]]', '[claim."s1/gain"]\nvalue = "1"\n',
         "[claim s1/gain]", "the same key twice is a duplicate id", False),
    Case("claim with a cell's id", '[claim."s1/gain"]', '[claim."t1/net-a/top1"]', '[claim."t1/net-a/top1"]',
         "[claim t1/net-a/top1]", "duplicate id 't1/net-a/top1': also at line 22", False),
    Case("relation twice", 'id = "s1/each"', 'id = "s1/recomputed"', '[[relation]]\nid = "s1/recomputed"\nsection = '
         '"Section 1"\nquote = "each', "[relation 2]", "duplicate id 's1/recomputed'", False),
    Case("fact with a claim's id", 'id = "s1/epochs"', 'id = "s1/gain"', "[[fact]]", "[fact 1]",
         "duplicate id 's1/gain'", False),
    Case("column twice", 'id = "params"', 'id = "top1"', "[table.t1]", "[table t1, column top1]",
         "duplicate id 'top1'", False),
    Case("ragged row", '["28.00", "21.8"]', '["28.00"]', 'rows."Net-B"', "[table t1, row Net-B]",
         "ragged row: 1 cell for 2 columns; none for params", False),
    Case("ragged reference", '["30.5"]', '["30.5", "1"]', 'rows."Net-A" = ["30.5"', "[reference blog, row Net-A]",
         "ragged row: 2 cells for 1 column", False),
    Case("unknown unit", 'unit = "M"', 'unit = "MM"', "[table.t1]", "[table t1, column params]",
         "unknown unit 'MM'; did you mean M", True),
    Case("unknown metric", '"top1-error"', '"top1-eror"', "[table.t1]", "[table t1, column top1]",
         "unknown metric 'top1-eror'; did you mean top1-error", True),
    Case("unknown metric of a claim", '"difference"', '"diference"', '[claim."s1/gain"]', "[claim s1/gain]",
         "unknown metric 'diference'; did you mean difference?", True),
    Case("missing unit", ', unit = "M"', "", "[table.t1]", "[table t1, column params]", "'unit' is missing", True),
    Case("missing id", '"s1/gain"\nunit', '"s1/gian"\nunit', "[[relation]]", "[relation s1/recomputed]",
         "right: unknown id 's1/gian'; did you mean s1/gain?", False),
    Case("pattern without a match", '"let/gain"\nop', '"mean(t1/net-c/*)"\nop', "[[relation]]",
         "[relation s1/recomputed]", "left: the pattern 't1/net-c/*' matches no claim", False),
    Case("missing id in a case", 'column = ["top1"]', 'column = ["top1", "top2"]', '[[relation]]\nid = "s1/each"',
         "[relation s1/each#2]", "left: unknown id 't1/net-b/top2'; did you mean t1/net-b/top1", False),
    Case("word that no case gives", "across = { column", "across = { colum", '[[relation]]\nid = "s1/each"',
         "[relation 2]", "'left' uses {column}, which no case gives", False),
    Case("not an expression", '"let/gain * 2"', '"let/gain x 2"', '"let/double" =', "[define let/double]",
         "cannot read 'x 2' in 'let/gain x 2'", False),
    Case("cycle of definitions", '"t1/net-a/top1 - t1/net-b/top1"', '"let/double / 2"', '"let/gain" =',
         "[define let/gain]", "definitions form a cycle: let/double -> let/gain -> let/double", False),
    Case("cycle of counterparts", "layers = 10 }", 'layers = 10, counterpart = "Net-B" }', "Net-A = {",
         "[system Net-A]", "counterparts form a cycle: Net-A -> Net-B -> Net-A", False),
    Case("unknown counterpart", 'counterpart = "Net-A"', 'counterpart = "Net-C"', "Net-B = {", "[system Net-B]",
         "unknown counterpart 'Net-C'; did you mean Net-", False),
    Case("layers without a family", 'family = "Net", layers = 10', "layers = 10", "Net-A = {", "[system Net-A]",
         "'layers' orders a family, and 'family' is missing", True),
    Case("settings that are no words", "layers = 10 }", "layers = 10, settings = { crop = 544 } }", "Net-A = {",
         "[system Net-A]", "'settings' must be a table of strings such as", True),
    Case("misspelt key", 'quote = "by', 'qoute = "by', "[[relation]]", "[relation 1]",
         "unknown key 'qoute'; did you mean quote or note?", True),
    Case("misspelt key of a column", "n = 50000", "m = 50000", "[table.t1]", "[table t1, column top1]",
         "unknown key 'm'", True),
    Case("misspelt section", "[absent]", "[abscent]", "[abscent]", "[abscent]",
         "unknown section 'abscent'; did you mean absent?", True),
    Case("unknown source", 'section = "Table 1"', 'section = "Table 1"\nsource = "scan"', "[table.t1]", "[table t1]",
         "source 'scan' is not declared under [sources]", False),
    Case("unknown transcription", 'section = "Table 1"', 'section = "Table 1"\ntranscription = "sure"', "[table.t1]",
         "[table t1]", "unknown transcription 'sure'", True),
    Case("transcription of no cell", 'section = "Table 1"', 'section = "Table 1"\ntranscriptions = { "net-c/*" = '
         '"text" }', "[table.t1]", "[table t1]", "'net-c/*' matches no ROW/COLUMN of the table", False),
    Case("unknown kind", '"independent"', '"friends"', "[reference.blog]", "[reference blog]",
         "unknown kind 'friends'; known: authors, copy, independent, origin", True),
    Case("reference beside nothing", '"t1/top1"', '"t2/top1"', "[reference.blog]", "[reference blog]",
         "'beside' names no column: 't2/top1'; write TABLE/COLUMN", False),
    Case("unknown operator", 'op = "="', 'op = "=="', "[[relation]]", "[relation 1]", "unknown operator '=='", True),
    Case("near without a margin", 'op = "="', 'op = "~"', "[[relation]]", "[relation 1]",
         "'~' needs a 'margin' and a 'margin_reason'", True),
    Case("margin without near", 'op = "="', 'op = "="\nmargin = "1"\nmargin_reason = "near"', "[[relation]]",
         "[relation 1]", "'margin' belongs to '~', not to '='", True),
    Case("unchecked with an expression", 'op = "="', 'op = "="\nunchecked = "a picture"', "[[relation]]",
         "[relation 1]", "'unchecked' beside 'left', 'op', 'right', 'unit'", True),
    Case("direction that compares nothing", 'op = "="', 'op = "="\ndirection = "t1/net-a/top1"', "[[relation]]",
         "[relation s1/recomputed]", "direction: 't1/net-a/top1' is not a comparison", False),
    Case("no reason for an absence", '"the number of seeds is not stated"', '""', '"s1/seeds" =',
         "[absent s1/seeds]", "needs a reason in words", True),
    Case("negative n", "n = 50000", "n = -1", "[table.t1]", "[table t1, column top1]",
         "'n' must be a whole number above 0", True),
    Case("column of another system alike in all rows", 'n = 50000', 'n = 50000, system = "CRF"', "[table.t1]",
         "[table t1, column top1]", "'system' must hold {row}, the row's name, such as '{row} + CRF'", True),
    Case("no rows", 'rows."Net-A" = ["30.5"]', "", "[reference.blog]", "[reference blog]",
         'has no rows; write rows."NAME" = ["1.0", ...]', True),
    Case("empty quote", 'quote = "each is better"', 'quote = ""', '[[relation]]\nid = "s1/each"', "[relation 2]",
         "'quote' is empty", True),
    Case("table id in capitals", "[table.t1]", "[table.T1]", "[table.T1]", "[table T1]",
         "the id 'T1' must be lower-case and start with a letter, such as t1", True),
    Case("not TOML", 'op = "="', "op = =", "op = =", "[relation 1]", "not valid TOML", False),
)  # fmt: skip
