"use strict";
// Filters and sorting. Without this script the page is the same, unfiltered and in the paper's order.
for (const form of document.querySelectorAll("form.filter")) {
  const items = [...document.querySelectorAll(form.dataset.items)];
  const texts = items.map((item) => item.textContent.toLowerCase().replace(/\s+/g, " "));
  const count = form.querySelector("output");
  const apply = () => {
    const wanted = [...new FormData(form)].filter(([, value]) => value.trim() !== "");
    let shown = 0;
    items.forEach((item, position) => {
      const keep = wanted.every(([name, value]) =>
        name === "text"
          ? value.toLowerCase().trim().split(/\s+/).every((word) => texts[position].includes(word))
          : (item.getAttribute("data-" + name) || "").split(" ").includes(value));
      item.hidden = !keep;
      shown += keep;
    });
    count.textContent = shown + " of " + items.length + " shown";
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const hidden = target && target.closest("[hidden]");
    if (hidden && items.includes(hidden)) { form.reset(); setTimeout(() => target.scrollIntoView()); }
    for (let box = target && target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  };
  addEventListener("hashchange", reveal);
  apply();
  reveal();
}
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const asPrinted = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.value);
  };
  const compare = (one, two) => {
    if (typeof one === "number" && typeof two === "number") return one - two;
    if (typeof one === typeof two) return one.localeCompare(two, "en", { numeric: true });
    return typeof one === "number" ? -1 : 1;
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turn = { null: "ascending", ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (turn) head.setAttribute("aria-sort", turn);
      const sign = turn === "descending" ? -1 : 1;
      const order = turn
        ? asPrinted.map((row) => [key(row, column), row]).sort((a, b) => sign * compare(a[0], b[0])).map((pair) => pair[1])
        : asPrinted;
      body.append(...order);
    });
  });
  table.classList.add("sortable");
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((box) => { box.open = true; }));
