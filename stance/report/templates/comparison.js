"use strict";
(() => {
  const form = document.getElementById("filter");
  const status = form.querySelector("output");
  const table = document.querySelector(".differences");
  const MANY = 150; // lines from which one quantity is shown at first
  const groups = Array.from(table.tBodies, (body) => ({
    body,
    lines: Array.from(body.rows).filter((row) => row.className !== "group").map((row) => ({ row, name: row.cells[0].textContent.toLowerCase(), short: row.className === "short" })),
  }));
  const total = groups.reduce((sum, group) => sum + group.lines.length, 0);

  const apply = () => {
    const { quantity, thread, holds } = form.elements;
    const words = thread.value.trim().toLowerCase();
    let shown = 0;
    groups.forEach((group, place) => {
      const chosen = !quantity || quantity.value === "" || Number(quantity.value) === place;
      let own = 0;
      for (const line of group.lines) {
        const fits = chosen && line.name.includes(words) && (!holds.checked || "holds" in line.row.dataset);
        if (line.row.hidden === fits) line.row.hidden = !fits;
        own += fits;
      }
      group.body.hidden = own === 0;
      shown += own;
    });
    status.textContent = `${shown} of ${total} comparisons`;
  };

  // "29% (17 to 44)", "-12 (-20 to -3)", "<.001": the first number; what has none comes last, either way.
  const figure = (row, column) => {
    const found = row.cells[column].textContent.replace("<.001", ".0005").replace("−", "-").match(/[+-]?[\d.]+/);
    return found ? Number(found[0]) : null;
  };
  const compare = (column, kind, sign) => (one, other) => {
    if (one.short !== other.short) return one.short ? 1 : -1;
    if (kind === "text") return sign * one.name.localeCompare(other.name);
    const [first, second] = [figure(one.row, column), figure(other.row, column)];
    if (first === null || second === null) return (first === null) - (second === null);
    return sign * (first - second);
  };

  // Of two header rows the second has the four columns in the middle.
  const [upper, lower] = table.tHead.rows;
  const heads = [...Array.from(upper.cells).slice(0, 4), ...lower.cells, ...Array.from(upper.cells).slice(-2)];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const group of groups) {
        group.lines.sort(compare(column, head.dataset.sort, down ? -1 : 1));
        group.body.append(...group.lines.map((line) => line.row));
      }
    });
  });

  form.hidden = false;
  if (total > MANY && form.elements.quantity) form.elements.quantity.value = "0";
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
