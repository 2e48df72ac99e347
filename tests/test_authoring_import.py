"""Tables of other programs as claims: every digit is kept, every row has an id, and what is wrong is named."""

from __future__ import annotations

import csv
import json
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from authoring_cases import ROOT
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit.finding import Severity
from harness.audit.run import audit
from harness.authoring.claims_text import Heading, paper_text
from harness.authoring.import_table import Wishes, import_grid, read_grid
from harness.claims.load import examine, load_paper
from harness.claims.printed import PRINTED
from harness.cli.import_table import import_table
from harness.errors import ClaimsError, RemeasureError, UsageError

DECIMAL = st.from_regex(PRINTED, fullmatch=True).filter(lambda text: text.isascii() and len(text) < 20)
NAME = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)
WORD = st.text(alphabet="abcXYZ123-+. ", min_size=1, max_size=10).filter(lambda t: any(map(str.isalpha, t)))
HEADER = ["Model", "Top-1 err. (%)", "Params (M)"]
TABLE = st.lists(st.tuples(WORD, DECIMAL, DECIMAL), min_size=1, max_size=8)


def imported(path: Path, **wishes: Any) -> list[list[str]]:
    """Import a file, write claims, load these, and return their numbers row by row."""
    result = import_grid(read_grid(path), Wishes(**wishes))
    target = path.with_suffix(".toml")
    target.write_text(paper_text("zoo", "A zoo", Heading("t1", "Table 1", ""), path.name, result), encoding="utf-8")
    paper = load_paper(target)
    (table,) = paper.tables.values()
    assert len(table.rows) == len(result.rows)
    claims = paper.claims
    cells = [[claims.get(f"t1/{row}/{column.id}") for column in table.columns] for row in table.rows]
    return [["-" if claim is None else claim.printed.text for claim in row] for row in cells]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(import_table, [str(argument) for argument in arguments])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=60)
@given(TABLE, st.sampled_from([",", "\t", ";", "|"]))
def test_csv_keeps_every_digit(tmp_path_factory: pytest.TempPathFactory, table: list[Any], mark: str) -> None:
    text = StringIO()
    csv.writer(text, delimiter=mark).writerows([HEADER, *table])
    path = write(tmp_path_factory.mktemp("csv"), "zoo.csv", text.getvalue())
    assert imported(path) == [list(row[1:]) for row in table]


@settings(max_examples=40)
@given(TABLE)
def test_markdown_keeps_every_digit(tmp_path_factory: pytest.TempPathFactory, table: list[Any]) -> None:
    lines = [f"| {' | '.join(row)} |" for row in (HEADER, ["---", ":-:", "--:"], *table)]
    path = write(tmp_path_factory.mktemp("md"), "zoo.md", "\n".join(["# A zoo", "", *lines, "", "Text."]))
    assert imported(path, names=("Model",)) == [list(row[1:]) for row in table]


@settings(max_examples=40)
@given(TABLE)
def test_latex_as_pandas_writes_it_keeps_every_digit(
    tmp_path_factory: pytest.TempPathFactory, table: list[Any]
) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table, columns=HEADER)
    text = frame.to_latex(index=False, escape=True)
    path = write(tmp_path_factory.mktemp("tex"), "zoo.tex", text)
    assert imported(path, names=("Model",)) == [list(row[1:]) for row in table]


@settings(max_examples=100)
@given(st.lists(NAME, min_size=1, max_size=6))
def test_any_names_give_claims_with_distinct_ids(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    text = StringIO()
    csv.writer(text).writerows([HEADER, *([f"n {name}", "1.0", "2"] for name in names)])
    path = write(tmp_path_factory.mktemp("names"), "zoo.csv", text.getvalue())
    assert len(imported(path, names=("Model",))) == len(names)


def test_a_model_card_as_huggingface_writes_it(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    results = [
        hub.EvalResult(
            task_type="image-classification",
            dataset_type="imagenet-1k",
            dataset_name="ImageNet",
            dataset_split="validation",
            metric_type="accuracy",
            metric_name=name,
            metric_value=value,
        )
        for name, value in (("Top-1 accuracy", 0.7613), ("Top-5 accuracy", 0.92862))
    ]
    data = hub.ModelCardData(model_name="resnet50", eval_results=results)
    path = write(tmp_path, "README.md", f"---\n{data.to_yaml()}\n---\n\n# ResNet\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert imported(path) == [["0.7613", "0.92862"]]
    paper = load_paper(path.with_suffix(".toml"))
    assert {(c.metric, c.unit, c.dataset) for c in paper.claims.values()} == {
        ("top1-accuracy", "fraction", "imagenet-1k/validation"),
        ("top5-accuracy", "fraction", "imagenet-1k/validation"),
    }


def test_model_index_keeps_zeros_that_yaml_would_forget(tmp_path: Path) -> None:
    text = (
        "model-index:\n- name: net\n  results:\n  - dataset: {type: d}\n    metrics:\n"
        "    - {type: accuracy, value: 76.30}\n    - {type: f1, value: 1e-3}\n"
    )
    path = write(tmp_path, "card.yaml", text)
    with pytest.raises(ClaimsError, match=r"card\.yaml:2: row 'net', column 'd f1': '1e-3' has an exponent"):
        imported(path)
    assert imported(path, columns={"d f1": []}) == [["76.30"]]


def test_the_zoo_of_torchvision_can_be_audited_as_it_is(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    published = [
        (str(weights), weights.meta["_metrics"]["ImageNet-1K"], weights.meta["num_params"])
        for name in models.list_models()
        for weights in models.get_model_weights(name)
        if "ImageNet-1K" in weights.meta["_metrics"]
    ]
    rows = [[n, f"{m['acc@1']:.3f}", f"{m['acc@5']:.3f}", f"{p / 1e6:.1f}M"] for n, m, p in published]
    text = StringIO()
    csv.writer(text).writerows([["Weights", "Acc@1", "Acc@5", "Params"], *rows])
    path, out = write(tmp_path, "zoo.csv", text.getvalue()), tmp_path / "zoo.toml"
    done = run(path, "--dataset", "imagenet/val", "--n", "50000", "--out", out)
    assert done.exit_code == 0, done.output
    assert "column 'Acc@1' is top1-accuracy in % (guessed)" in done.output
    assert "column 'Params' is parameters in M (guessed)" in done.output
    paper = load_paper(out)
    numbers = [cell.removesuffix("M") for row in rows for cell in row[1:] if cell != "nan"]
    assert len(rows) > 100
    assert [claim.printed.text for claim in paper.claims.values()] == numbers
    assert {c.n for c in paper.claims.values() if c.metric == "top1-accuracy"} == {50000}
    assert {c.n for c in paper.claims.values() if c.metric == "parameters"} == {None}
    assert [f for f in audit(paper).findings if f.severity is Severity.ERROR] == []
    out.write_text(out.read_text(encoding="utf-8").replace('"56.522"', '"156.522"'), encoding="utf-8")
    (error,) = [f for f in audit(load_paper(out)).findings if f.severity is Severity.ERROR]
    assert "156.522" in error.message


def test_twenty_thousand_rows(tmp_path: Path) -> None:
    rows = [f"net-{i},{i % 9000 / 100:.2f},{i % 70}.{i % 10}" for i in range(20_000)]
    path = write(tmp_path, "big.csv", "\n".join(["model,top-1 err,params (M)", *rows]))
    result = import_grid(read_grid(path), Wishes())
    assert len(result.rows) == 20_000
    assert result.rows[19_999] == ("net-19999", ("19.99", "49.9"))
    assert len(paper_text("k", "t", Heading("t1", "s", ""), "f", result).splitlines()) > 20_000


def test_spans_and_rules_of_latex(tmp_path: Path) -> None:
    text = r"""
\begin{tabular}{@{}l|cc|c@{}} % a comment & no cell
\toprule
\multirow{2}{*}{Method~\cite{a}} & \multicolumn{2}{c|}{VOC 2012} & Params \\
\cmidrule(lr){2-3}
 & mIoU (\%) & \shortstack{Pixel\\acc.} & (M) \\
\midrule
\multicolumn{4}{l}{\emph{Baselines}} \\
FCN-8s~\cite{fcn} & 62.20 & \underline{90.3} & 134.5 \\
\multirow{2}{*}{DeepLab} & $67.6 \pm 0.3$ & -- & \multirow{2}{*}{20.5} \\
 & \textbf{71.6}$^\dagger$ & 92.0 & \\[2pt]
\rowcolor{gray!20} Ours & $\mathbf{73.9}$ & n/a & 21.1
\\ \bottomrule
\end{tabular}
"""
    path = write(tmp_path, "t.tex", text)
    grid = read_grid(path)
    assert grid.columns == ("Method", "VOC 2012 mIoU (%)", "VOC 2012 Pixel acc.", "Params (M)")
    assert [row.line for row in grid.rows] == [9, 10, 11, 12]
    assert imported(path) == [
        ["62.20", "90.3", "134.5"],
        ["67.6", "-", "20.5"],
        ["71.6", "92.0", "20.5"],
        ["73.9", "-", "21.1"],
    ]
    notes = import_grid(grid, Wishes()).notes
    for note in (
        "t.tex:8: 'Baselines'",
        "'DeepLab (2)'",
        "±0.3 is left out",
        "^† is left out",
        "2 of 12 cells print no",
    ):
        assert any(note in said for said in notes), note


def test_hlines_alone_tell_a_header_of_two_rows(tmp_path: Path) -> None:
    text = r"""\begin{tabular}{l|cc}\hline
Net & \multicolumn{2}{c}{mIoU}\\ \hline
 & val & test\\ \hline
A & 70.1 & 69.0\\ \hline
B & 71.1 & 70.2\\ \hline
\end{tabular}"""
    grid = read_grid(write(tmp_path, "t.tex", text))
    assert grid.columns == ("Net", "mIoU val", "mIoU test")
    assert [row.cells for row in grid.rows] == [("A", "70.1", "69.0"), ("B", "71.1", "70.2")]


def test_markdown_of_a_readme(tmp_path: Path) -> None:
    text = """
```
| no | table |
|----|-------|
| 1  | 2     |
```

Method | Backbone | mIoU | Link
:-- | --- | :-: | ---
[PSPNet](https://example.org/a) | R-50 | **77.85** | [model](x)
PSPNet | R\\|101 | 78.34<sup>*</sup> | [model](y)
"""
    path = write(tmp_path, "README.md", text)
    grid = read_grid(path)
    assert [row.line for row in grid.rows] == [10, 11]
    result = import_grid(grid, Wishes())
    assert list(result.rows) == [("PSPNet, R-50", ("77.85",)), ("PSPNet, R|101", ("78.34",))]
    assert any("'Link' is left out" in note for note in result.notes)


def test_rows_of_one_name_and_of_one_id_stay_apart(tmp_path: Path) -> None:
    names = ["Net 2", "Net", "Net", "Net (2)", "net", "†"]
    path = write(tmp_path, "t.csv", "\n".join(["model,miou", *(f"{name},1.{i}" for i, name in enumerate(names))]))
    assert imported(path) == [[f"1.{i}"] for i in range(len(names))]


def test_pairs_are_declared_and_options_beat_guesses(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "model,acc,year\nA,76.3/92.1,2016\nB,77.0/93.0,2017\n")
    done = run(path, "--column", "acc=top1-accuracy:%:imagenet/val::50000,top5-accuracy:%", "--block")
    assert done.exit_code == 0, done.output
    assert 'rows."A" = ["76.3", "92.1"]' in done.output
    assert "column 'year' is left out: its header tells no metric" in done.output
    assert 'id = "acc-top1-accuracy"' in done.output
    done = run(path, "--column", "acc=-", "--column", "year=setting:1")
    assert 'rows."B" = ["2017"]' in done.output
    assert "column 'acc' is left out" in done.output


def test_a_mapping_declares_many_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "model,a,b,c\nA,76.3/92.1,3,4\n")
    mapping = write(
        tmp_path,
        "columns.toml",
        '[columns]\na = [{ metric = "top1-accuracy" }, { metric = "top5-accuracy", id = "five" }]\n'
        'b = { metric = "time", unit = "ms" }\nc = false\n',
    )
    done = run(path, "--columns", mapping)
    assert done.exit_code == 0, done.output
    table = tomllib.loads(done.stdout)["table"]["t1"]
    assert [column["id"] for column in table["columns"]] == ["a-top1-accuracy", "five", "b"]
    assert table["rows"] == {"A": ["76.3", "92.1", "3"]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "t.csv: the file is empty"),
        ("t.csv", b"model,miou\nA,\xff1\n", "t.csv:2: not UTF-8: byte 0xff"),
        ("t.csv", "model,miou\nA,1\n".encode("utf-16-le"), "null character"),
        ("t.csv", b";;\n", "t.csv: the file is empty"),
        ("t.csv", b"model,miou\n", "t.csv:1: the table has no rows"),
        ("t.csv", b"model,miou\nA,1\nB,1,2\nC\n", "t.csv:3: ragged row: 3 cells for 2 columns\nt.csv:4: ragged row: 1"),
        ("t.csv", b'model,miou\nA,1\n"B,2\n', "t.csv:3: unexpected end of data"),
        ("t.csv", b"model,miou\nA,70.1/x\nB,70\nC,71\n", "t.csv:2: row 'A', column 'miou': '70.1/x' is not one number"),
        (
            "t.csv",
            b"model,params (M)\nA,25.6G\nB,1M\n",
            "t.csv:2: row 'A', column 'params (M)': 25.6G in a column in M",
        ),
        ("t.csv", b"model,miou\n,70\nB,71\n", "t.csv:2: no name"),
        ("t.csv", b"model,notes\nA,good\n", "no column becomes claims"),
        ("t.md", b"# Title\n\ntext | text\n", "t.md: no table"),
        ("t.md", b"|a|b|\n|-|-|\n|1|2|3|\n", "t.md:3: ragged row"),
        ("t.tex", b"text", "t.tex: no table"),
        ("t.tex", b"\n\\begin{tabular}{lc}\nA & 1 \\\\\n", "t.tex:2: \\begin{tabular} has no \\end{tabular}"),
        ("t.tex", b"\\begin{tabular}{lc}N & M\\\\ A & \\textbf{1 \\\\ B & 2\\end{tabular}", "is not closed"),
        ("t.tex", b"\\begin{tabular}{lc}N & mIoU\\\\ \\hline A & 1\\\\ B\\\\ C & 2 & 3\\end{tabular}", "ragged row"),
        ("t.tex", b"\\begin{tabular}{lc}N & \\multicolumn{x}{c}{mIoU}\\\\ A & 1\\end{tabular}", "over 'x'"),
        ("t.csv", b"model," + b"m" * 200_000 + b"\nA,1\n", "t.csv:1: field larger than field limit"),
        ("t.tex", rb"\begin{tabular}{lc}N & \multicolumn{99999}{c}{mIoU}\\ A & 1\end{tabular}", "over '99999'"),
        ("t.tex", rb"\begin{tabular}{lc}N & mIoU\\ A & " + b"{" * 1500 + b"}" * 1500 + rb"\end{tabular}", "too deeply"),
        ("t.yaml", b"model-index: " + b"[" * 1500 + b"]" * 1500, "too deeply"),
        ("t.yaml", b"a: [1", "not valid YAML"),
        ("t.yaml", b"a: 1", "no list under model-index"),
        ("t.yaml", b"model-index:\n- results: []\n", "t.yaml:2: a model without a name"),
        ("t.xyz", b"model,miou\nA,1\n", "the ending tells no format"),
    ],
)
def test_bad_files_get_one_message_that_names_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    done = run(name)
    assert isinstance(done.exception, RemeasureError)
    assert said in str(done.exception)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--column", "mIou=miou"), "did you mean miou"),
        (("--column", "miou"), "declares no column"),
        (("--column", "miou=miuo"), "unknown metric 'miuo'; did you mean miou"),
        (("--column", "miou=miou:MM"), "unknown unit 'MM'"),
        (("--n", "many"), "no number of test images"),
        (("--table", "T 1"), "must be lower-case"),
        (("--key", "A B"), "the key 'A B'"),
        (("--which", "2"), "holds 1 tables"),
        (("--row", "name"), "no column 'name'"),
        (("--columns", "nowhere.toml"), "nowhere.toml: cannot be read"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = write(tmp_path, "t.csv", "model,miou\nA,70\n")
    done = run(path, *arguments)
    assert isinstance(done.exception, RemeasureError)
    assert said in str(done.exception)


def test_of_several_tables_one_is_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, "t.md", "|a|miou|\n|-|-|\n|x|1|\n\n|b|iou|\n|-|-|\n|y|2|\n")
    with pytest.raises(UsageError, match=r"2 tables:\n  1: a \| miou\n  2: b \| iou"):
        read_grid(path)
    assert read_grid(path, which=2).columns == ("b", "iou")


def test_unclear_cells_may_be_absent(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "model,miou\nA,about 70\nB,71\nC,72\n")
    done = run(path, "--unclear", "absent", "--out", tmp_path / "out.toml")
    assert done.exit_code == 0, done.output
    assert "t.csv:2: row 'A', column 'miou': 'about 70' is a bound or an estimate" in done.output
    paper = load_paper(tmp_path / "out.toml")
    assert list(paper.absent) == ["t1/a/miou"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path, out = write(tmp_path, "t.csv", "model,miou\nA,70\n"), write(tmp_path, "out.toml", "mine")
    done = run(path, "--out", out)
    assert isinstance(done.exception, UsageError)
    assert out.read_text(encoding="utf-8") == "mine"


@settings(max_examples=150)
@given(st.text(alphabet='ab1.,;|"\n\\&{}-:$% ', max_size=60), st.sampled_from(["csv", "md", "tex", "yaml"]))
def test_no_file_is_too_broken_for_a_message(tmp_path_factory: pytest.TempPathFactory, text: str, ending: str) -> None:
    path = write(tmp_path_factory.mktemp("broken"), f"t.{ending}", text)
    try:
        result = import_grid(read_grid(path), Wishes(defaults={"metric": "score", "unit": "%"}, unclear_absent=True))
    except RemeasureError:
        return
    target = path.with_suffix(".toml")
    target.write_text(paper_text("k", "t", Heading("t1", "s", ""), "f", result), encoding="utf-8")
    assert examine(target)[1] == []


def test_the_schema_knows_the_metrics_of_leaderboards() -> None:
    schema = json.loads((ROOT / "harness/claims/claims.schema.json").read_text(encoding="utf-8"))
    assert {"top1-accuracy", "top5-accuracy"} <= set(schema["$defs"]["metric"]["enum"])


def test_columns_of_text_name_the_rows_as_far_as_it_takes(tmp_path: Path) -> None:
    text = r"""\begin{tabular}{l l l c c}
Method & Backbone & Code & \#Params & mIoU \\ \Xhline{2\arrayrulewidth}
FCN & R-50 & yes & 49.5M & 61.5 \\
FCN & R-101 & no & 68.6M & 63.9{\scriptsize$\pm$0.2} \\ \hdashline
{\color{gray} Swin-T} & -- & no & 60.0M & 64.3 \\
\end{tabular}"""
    result = import_grid(read_grid(write(tmp_path, "t.tex", text)), Wishes())
    assert [name for name, _ in result.rows] == ["FCN, R-50", "FCN, R-101", "Swin-T"]
    assert [cells for _, cells in result.rows] == [("49.5", "61.5"), ("68.6", "63.9"), ("60.0", "64.3")]
    assert "column 'Code' is left out: most of its cells hold no number" in result.notes


def test_a_column_of_words_with_a_number_in_it_is_no_column_of_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "model,miou,top-1\nA,70,good\nB,71,fair\nC,72,76.3\n")
    result = import_grid(read_grid(path), Wishes(names=("model",)))
    assert [column.header for column in result.columns] == ["miou"]
    assert "column 'top-1' is left out: most of its cells hold no number" in result.notes


def test_a_second_value_of_one_metric_is_named_and_left_out(tmp_path: Path) -> None:
    value = "{{dataset: {{name: d, type: d}}, metrics: [{{type: accuracy, value: {}}}]}}"
    text = f"model-index:\n- name: A\n  results:\n  - {value.format('0.7')}\n  - {value.format('0.8')}\n"
    result = import_grid(read_grid(write(tmp_path, "t.yaml", text)), Wishes())
    assert [cells for _, cells in result.rows] == [("0.7",)]
    assert any("a second 'd accuracy' of 'A' is left out: 0.8" in note for note in result.notes)
