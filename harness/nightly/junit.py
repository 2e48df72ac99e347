"""A night as JUnit XML, which continuous integration shows as tests: a test for each metric, claim and failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as Tree

from harness.nightly import wording
from harness.nightly.outcome import NightReport
from harness.regression.model import Decision, Word

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document can hold, as colours of a terminal bring them."""
_FAILS = {Word.REGRESSION: "regression", Word.MISSING: "missing", Word.NOT_COMPARED: "not compared"}


def junit(report: NightReport) -> bytes:
    """Return the report as XML: suites ``metrics``, ``claims`` and ``work``.

    A regression and a missing metric are failures, a comparison that could not be made and work that failed are
    errors, a new segment and work that was left are skipped.
    """
    root = Tree.Element("testsuites", name="remeasure nightly")
    for name, cases in (("metrics", _metrics(report)), ("claims", _claims(report)), ("work", _work(report))):
        _suite(root, name, list(cases), report)
    for kind in ("tests", "failures", "errors", "skipped"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    Tree.indent(root)
    return bytes(Tree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(root: Tree.Element, name: str, cases: list[Tree.Element], report: NightReport) -> None:
    counts = {
        kind: sum(case.find(tag) is not None for case in cases)
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    suite = Tree.SubElement(root, "testsuite", name=name, tests=str(len(cases)), timestamp=report.started[:19])
    for kind, count in counts.items():
        suite.set(kind, str(count))
    seconds = sum(float(case.get("time", "0")) for case in cases)
    suite.set("time", f"{seconds:.3f}")
    suite.extend(cases)


def _case(group: str, name: str, seconds: float = 0.0) -> Tree.Element:
    return Tree.Element("testcase", classname=_clean(group), name=_clean(name), time=f"{seconds:.3f}")


def _metrics(report: NightReport) -> Iterator[Tree.Element]:
    for decision in report.decisions:
        address = decision.address
        label = f" {address.label}" if address.label else ""
        case = _case(f"{address.paper}.{address.experiment}", f"{address.system} {address.metric}{label}")
        _add(case, report, decision)
        yield case


def _add(case: Tree.Element, report: NightReport, decision: Decision) -> None:
    said = wording.sentence(decision)
    if decision.word in _FAILS:
        tag = "error" if decision.word is Word.NOT_COMPARED else "failure"
        found = Tree.SubElement(case, tag, type=_FAILS[decision.word], message=_clean(said))
        found.text = _clean(f"{said}\n{wording.repeat(report, decision)}\n{wording.accept(decision, report.started)}")
    elif decision.word is Word.NEW_SEGMENT:
        Tree.SubElement(case, "skipped", message=_clean(said))


def _claims(report: NightReport) -> Iterator[Tree.Element]:
    for worse in report.worse:
        case = _case("claims", worse.id)
        message = f"{worse.before}, now {worse.now}"
        Tree.SubElement(case, "failure", type="claim", message=message).text = _clean(worse.reason)
        yield case


def _work(report: NightReport) -> Iterator[Tree.Element]:
    for made in report.made:
        yield _case("work", made.what, made.seconds)
    for failed in report.failed:
        case = _case("work", failed.what)
        kind = "defect" if failed.defect else "infrastructure"
        Tree.SubElement(case, "error", type=kind, message=_clean(failed.message)).text = _clean(failed.text)
        yield case
    for left in report.left:
        case = _case("work", left.what)
        Tree.SubElement(case, "skipped", message=_clean(left.reason))
        yield case


def _clean(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
