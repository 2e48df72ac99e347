"use strict";
// Filters. Without this script the page is the same, unfiltered.
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
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((box) => { box.open = true; }));
