// What a reader can do on the page: filter and sort; page_curves.js, which is put before this in one
// script, draws and zooms. Without them the page can still be read.

const data = JSON.parse(document.getElementById("curves-data").textContent);
const form = document.getElementById("filters");

// --- Filters. The form holds what is chosen; the address repeats it, so that it can be sent. ---

let section = ""; // the part of the page last gone to

function chosen() {
  const fields = new FormData(form);
  return {
    suite: fields.get("suite") ?? "",
    lines: new Set(fields.getAll("line").map(Number)),
    words: fields.get("task").toLowerCase().split(/\s+/).filter(Boolean),
    seeds: fields.has("seeds"),
  };
}

function readAddress() {
  const address = location.hash.slice(1);
  const wanted = new URLSearchParams(address.includes("=") ? address : { at: address });
  form.reset();
  for (const field of form.querySelectorAll("[name=suite]")) {
    if (field.value === wanted.get("suite")) field.checked = true;
  }
  const hidden = new Set(wanted.getAll("without"));
  for (const field of form.querySelectorAll("[name=line]")) {
    field.checked = !hidden.has(field.dataset.label);
  }
  form.elements.task.value = wanted.get("task") ?? "";
  if (form.elements.seeds) form.elements.seeds.checked = wanted.get("seeds") !== "no";
  section = wanted.get("at") ?? "";
}

function writeAddress({ suite, lines, seeds }) {
  const address = new URLSearchParams();
  const task = form.elements.task.value.trim();
  if (section) address.set("at", section);
  if (suite) address.set("suite", suite);
  if (task) address.set("task", task);
  data.lines.forEach((label, line) => lines.has(line) || address.append("without", label));
  if (form.elements.seeds && !seeds) address.set("seeds", "no");
  history.replaceState(null, "", `#${address}`);
}

function tags(element) {
  const { suite, task, lines } = element.dataset;
  return { element, suite, task: task.toLowerCase(), lines: lines.split(" ").filter(Boolean).map(Number) };
}

// What carries no suite or task is about all of them, and stays.
function matches(tagged, { suite, words }) {
  const inSuite = !suite || !tagged.suite || tagged.suite === suite;
  return inSuite && (!tagged.task || words.every((word) => tagged.task.includes(word)));
}

function filterTable({ rows, columns, count }, choice) {
  let shown = 0;
  for (const row of rows) {
    const visible = matches(row, choice) && row.lines.every((line) => choice.lines.has(line));
    row.element.hidden = !visible;
    shown += visible;
  }
  if (count) count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  for (const { line, cells } of columns) {
    for (const cell of cells) cell.hidden = !choice.lines.has(line);
  }
}

function filterPanels(panels, choice) {
  let shown = 0;
  for (const panel of panels) {
    const visible = matches(panel.tags, choice) && panel.tags.lines.some((line) => choice.lines.has(line));
    panel.element.hidden = !visible;
    shown += visible;
    panel.show(choice);
  }
  const count = document.querySelector("#curves h2 .count");
  if (count) count.textContent = shown === panels.length ? "" : `${shown} of ${panels.length} tasks`;
}

function filter(tables, panels, names) {
  const choice = chosen();
  tables.forEach((table) => filterTable(table, choice));
  filterPanels(panels, choice);
  for (const entry of document.querySelectorAll(".legend [data-line]")) {
    entry.hidden = !choice.lines.has(Number(entry.dataset.line));
  }
  const fitting = new Set(names.filter((one) => matches(one, choice)).map((one) => one.task)).size;
  const tasks = new Set(names.map((one) => one.task)).size;
  document.getElementById("shown").textContent =
    `${fitting} of ${tasks} tasks, ${choice.lines.size} of ${data.lines.length} lines`;
  return choice;
}

// --- Tables: by a click on a column's head, up, down, and as they were. ---

function read(table) {
  const rows = [...table.tBodies[0].rows];
  const columns = [...table.tHead.rows[0].cells]
    .filter((head) => head.dataset.line)
    .map((head) => ({
      line: Number(head.dataset.line),
      cells: [head, ...rows.map((row) => row.cells[head.cellIndex])],
    }));
  const count = table.closest(".table-block")?.querySelector(".count");
  return { rows: rows.map(tags), columns, count };
}

const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// What is missing comes last in either order.
function sorted(rows, column, compare, sign) {
  const keyed = rows.map((row) => ({ row, key: row.cells[column].dataset.value }));
  const present = keyed.filter(({ key }) => key !== "");
  present.sort((one, other) => sign * compare(one.key, other.key));
  return [...present, ...keyed.filter(({ key }) => key === "")].map(({ row }) => row);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  for (const head of heads) {
    const compare = head.classList.contains("number") ? (one, other) => one - other : names.compare;
    head.querySelector("button")?.addEventListener("click", () => {
      const order = next[head.getAttribute("aria-sort") ?? "none"];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order === "none") return body.append(...original);
      head.setAttribute("aria-sort", order);
      body.append(...sorted(original, head.cellIndex, compare, order === "ascending" ? 1 : -1));
    });
  }
}

// --- Start ---

const tables = [...document.querySelectorAll("main table")];
const readTables = tables.map(read);
const panels = [...document.querySelectorAll(".panel")].map((element) => new Panel(element));
const panelOf = new Map(panels.flatMap((panel) => [[panel.element, panel], [panel.plot, panel]]));
const tagged = [...readTables.flatMap(({ rows }) => rows), ...panels.map((panel) => panel.tags)]
  .filter((one) => one.task);

function update() {
  writeAddress(filter(readTables, panels, tagged));
}

function goTo(id) {
  const target = id && document.getElementById(id);
  if (!target) return;
  target.setAttribute("tabindex", "-1");
  target.focus({ preventScroll: true });
  target.scrollIntoView();
}

tables.forEach(makeSortable);
form.hidden = false;
form.querySelector("details").open = matchMedia("(min-width: 60rem)").matches;
readAddress();
filter(readTables, panels, tagged);
goTo(section);

form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(update)); // fields change after the event
addEventListener("hashchange", () => {
  readAddress();
  filter(readTables, panels, tagged);
  goTo(section);
});
for (const link of document.querySelectorAll("a[href^='#']")) {
  link.addEventListener("click", (event) => {
    event.preventDefault(); // the address keeps the filters
    section = link.hash.slice(1);
    writeAddress(chosen());
    goTo(section);
  });
}

const sight = new IntersectionObserver(
  (entries) => entries.forEach((entry) => panelOf.get(entry.target).sight(entry.isIntersecting)),
  { rootMargin: "300px" },
);
const size = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const panel = panelOf.get(target);
    if (panel.inSight) panel.draw();
    else panel.drawn = false;
  }
});
for (const panel of panels) {
  sight.observe(panel.element);
  size.observe(panel.plot);
}
addEventListener("beforeprint", () => panels.forEach((panel) => panel.drawn || panel.draw()));
