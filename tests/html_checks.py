"""A strict reading of a page: what a browser would repair silently is an error here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

SHARED = re.compile(r"(\.\./)*(style\.css|script\.js)")
"""What the pages of the site may load: its own style and script, by a relative address."""

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
LOADING = {
    "img": "src",
    "script": "src",
    "link": "href",
    "image": "href",
    "use": "href",
    "iframe": "src",
    "source": "src",
}


@dataclass(eq=False)
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None
    content: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [part for part in self.content if isinstance(part, Element)]

    def all(self, tag: str = "") -> Iterator[Element]:
        """Yield the elements below this one, in document order."""
        for child in self.children:
            if not tag or child.tag == tag:
                yield child
            yield from child.all(tag)

    def inside(self, tag: str) -> bool:
        return self.parent is not None and (self.parent.tag == tag or self.parent.inside(tag))

    @property
    def text(self) -> str:
        """All that can be read below this element, in document order: no style, no script."""
        if self.tag in ("style", "script"):
            return ""
        parts = [part if isinstance(part, str) else part.text for part in self.content]
        return re.sub(r"[ \t\r\n]+", " ", " ".join(parts)).strip()

    @property
    def own(self) -> str:
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


class Page(HTMLParser):
    """A document as a tree.

    Raises:
        AssertionError: A tag is not closed, or closed in the wrong place.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("#document", {}, None)
        self.current = self.root
        self.feed(html)
        self.close()
        assert self.current is self.root, f"<{self.current.tag}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs}, self.current)
        self.current.content.append(element)
        if tag not in VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.current.tag == tag, f"</{tag}> at {self.getpos()} closes <{self.current.tag}>"
        assert self.current.parent is not None
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        self.current.content.append(data)

    def all(self, tag: str = "") -> Iterator[Element]:
        return self.root.all(tag)

    def ids(self) -> Counter[str]:
        return Counter(e.attributes["id"] for e in self.all() if "id" in e.attributes)

    def by_id(self, id: str) -> Element:
        return next(e for e in self.all() if e.attributes.get("id") == id)

    @property
    def text(self) -> str:
        return self.root.text


def problems(page: Page) -> list[str]:
    """Return what is wrong with a page's structure; empty for a good one."""
    return [*_structure(page), *_links(page), *_tables(page), *_pictures(page), *_controls(page), *_loads(page)]


def _structure(page: Page) -> Iterator[str]:
    for id, count in page.ids().items():
        if count > 1 or not id or re.search(r"\s", id):
            yield f"the id {id!r} is empty, has a space, or stands {count} times"
    for landmark in ("main", "h1", "title"):
        if sum(1 for _ in page.all(landmark)) != 1:
            yield f"there is not one <{landmark}>"
    levels = [int(e.tag[1]) for e in page.all() if re.fullmatch("h[1-6]", e.tag)]
    for above, below in pairwise(levels):
        if below > above + 1:
            yield f"a heading of level {below} follows one of level {above}"
    for element in page.all():
        for name in ("aria-labelledby", "aria-describedby"):
            if name in element.attributes and element.attributes[name] not in page.ids():
                yield f"{name} names no element: {element.attributes[name]}"


def _links(page: Page) -> Iterator[str]:
    ids = page.ids()
    for anchor in page.all("a"):
        target = anchor.attributes.get("href", "")
        if anchor.inside("a"):
            yield f"a link inside a link: {target}"
        if not (anchor.text or anchor.attributes.get("aria-label")):
            yield f"a link without a name: {target}"
        if target.startswith("#") and unquote(target[1:]) not in ids:
            yield f"a link to nowhere: {target}"
        if not target or target.lower().startswith(("javascript:", "data:")):
            yield f"not a link: {target!r}"


def _tables(page: Page) -> Iterator[str]:
    for table in page.all("table"):
        captions = [child for child in table.children if child.tag == "caption"]
        if len(captions) != 1 or not captions[0].text:
            yield f"a table without a caption: {table.text[:60]}"
        name = captions[0].text[:40] if captions else "?"
        for head in table.all("th"):
            if head.attributes.get("scope") not in ("row", "col"):
                yield f"a head without scope in {name}: {head.text}"
        widths = {
            sum(1 for cell in row.children if cell.tag in ("td", "th"))
            for row in table.all("tr")
            if not row.inside("tfoot")
        }
        if len(widths) != 1:
            yield f"ragged rows in {name}: {sorted(widths)}"
        if "cards" in table.classes and table.attributes.get("role") != "table":
            yield f"{name} loses its meaning where it is laid out as cards"


def _pictures(page: Page) -> Iterator[str]:
    for image in page.all("img"):
        if not image.attributes.get("alt"):
            yield "an image without alt"
    for svg in page.all("svg"):
        named = svg.attributes.get("role") == "img" and svg.attributes.get("aria-label")
        hidden = svg.attributes.get("aria-hidden") == "true"
        if not (named or hidden or svg.inside("svg")):
            yield "a drawing that is neither named nor hidden"


def _controls(page: Page) -> Iterator[str]:
    for control in (*page.all("input"), *page.all("select")):
        if not (control.inside("label") or control.attributes.get("aria-label")):
            yield f"a control without a label: {control.attributes}"
    for region in page.all():
        if "scroll" in region.classes and region.attributes.get("tabindex") != "0":
            yield "a scrolling region the keyboard cannot reach"


def _loads(page: Page) -> Iterator[str]:
    for element in page.all():
        source = element.attributes.get(LOADING.get(element.tag, ""), "")
        if source and not source.startswith("data:image/png;base64,") and not SHARED.fullmatch(source):
            yield f"<{element.tag}> loads {source[:60]}"
        css = element.own if element.tag == "style" else element.attributes.get("style", "")
        for address in re.findall(r"url\(\s*[\"']?([^\"')]*)", css):
            if not address.startswith("data:"):
                yield f"a style loads {address[:60]}"
        if "@import" in css:
            yield "a style imports another"
        if any(name.startswith("on") for name in element.attributes):
            yield f"<{element.tag}> holds a script"
