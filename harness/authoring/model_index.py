"""The results that a model card of Hugging Face lists under ``model-index``; numbers stay the digits of the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.authoring.columns import metric_of
from harness.authoring.grid import Grid, Row
from harness.errors import ClaimsError
from harness.packages import require

if TYPE_CHECKING:
    from yaml.nodes import Node

KEY = "model-index"
SHAPE = "A model card lists model-index: [{name, results: [{task, dataset: {name, type}, metrics: [{type, value}]}]}]."
Place = tuple[str, str]


def read_model_index(path: Path, text: str) -> list[Grid]:
    """Read a YAML file, or the YAML at the head of a model card: a row per model, a column per dataset and metric.

    Raises:
        ClaimsError: It is not YAML, or holds no such list.
        MissingPackageError: PyYAML is not installed.
    """
    require("yaml")
    import yaml

    head, offset = _front_matter(text)
    try:
        root = yaml.compose(head, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = offset + (error.problem_mark.line + 1 if error.problem_mark is not None else 1)
        raise ClaimsError(f"{path}:{line}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ClaimsError(f"{path}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise ClaimsError(f"{path}: its lists or mappings are nested too deeply", SHAPE) from error
    index = _item(root, KEY)
    if not isinstance(index, yaml.SequenceNode) or not index.value:
        raise ClaimsError(f"{path}: no list under {KEY}", SHAPE)
    return [_grid(path, offset, index.value)]


def _front_matter(text: str) -> tuple[str, int]:
    """Return the YAML of a file and how many lines stand before it."""
    lines = text.splitlines()
    if lines[0].strip() != "---":
        return text, 0
    end = next((i for i, line in enumerate(lines[1:], start=1) if line.strip() == "---"), len(lines))
    return "\n".join(lines[1:end]), 1


def _grid(path: Path, offset: int, models: list[Node]) -> Grid:
    columns: dict[str, dict[str, str]] = {}
    rows: list[tuple[int, str, dict[str, str]]] = []
    notes: list[str] = []
    for model in models:
        name, line = _text(model, "name"), offset + model.start_mark.line + 1
        if not name:
            raise ClaimsError(f"{path}:{line}: a model without a name", SHAPE)
        cells: dict[str, str] = {}
        for result in _list(model, "results"):
            dataset, known = _dataset(result)
            for metric in _list(result, "metrics"):
                at = offset + metric.start_mark.line + 1
                kind, value = _text(metric, "type"), _text(metric, "value")
                if not kind or _item(metric, "value") is None:
                    raise ClaimsError(f"{path}:{at}: a metric without a type or a value", SHAPE)
                header = " ".join(filter(None, (dataset, _text(metric, "name") or kind)))
                columns.setdefault(header, known | _metric(kind, _text(metric, "name")))
                if header in cells:
                    notes.append(f"{path}:{at}: a second {header!r} of {name!r} is left out: {value}")
                else:
                    cells[header] = value
        rows.append((line, name, cells))
    if not columns:
        raise ClaimsError(f"{path}: the models have no results", SHAPE)
    body = tuple(Row(line, (name, *(cells.get(column, "-") for column in columns))) for line, name, cells in rows)
    return Grid(path, ("model", *columns), body, columns, tuple(notes))


def _dataset(result: Node) -> tuple[str, dict[str, str]]:
    """Return a dataset's name, and what a column says of it."""
    dataset = _item(result, "dataset")
    if dataset is None:
        return "", {}
    kind, split, config = (_text(dataset, key) for key in ("type", "split", "config"))
    address = "/".join(part for part in (kind or _text(dataset, "name"), config, split) if part)
    named = " ".join(part for part in (_text(dataset, "name") or kind, config, split) if part)
    return named, {"dataset": address} if address else {}


def _metric(kind: str, name: str) -> dict[str, str]:
    """Return the metric that a type or else a name stands for; ``score`` for what the vocabulary does not know."""
    return {"metric": metric_of(name) or metric_of(kind) or "score"}


def _item(node: Any, key: str) -> Node | None:
    """Return the value of a key of a mapping node; None where there is none."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return None
    found: Node | None = next((value for name, value in node.value if name.value == key), None)
    return found


def _list(node: Node, key: str) -> list[Node]:
    import yaml

    item = _item(node, key)
    return list(item.value) if isinstance(item, yaml.SequenceNode) else []


def _text(node: Node, key: str) -> str:
    """Return a scalar as it is written; empty where there is none."""
    import yaml

    item = _item(node, key)
    return " ".join(str(item.value).split()) if isinstance(item, yaml.ScalarNode) else ""
