"use strict";
// Sorting, choosing and copying. All rows are in the page; this only orders and hides them, and keeps the view in the
// address: ?q=TEXT&category=C&group=G&passes=N&without=MARKS&sort=TABLE.COLUMN.up
const address = new URLSearchParams(location.search);
const sections = [...document.querySelectorAll("section.table")].filter((section) => section.querySelector("table"));
const original = new Map();  // bodies of tables, with their rows in the order of the page

function number(text) {
  const found = text.replace(/[−–]/g, "-").match(/^[\s\[<+≥]*(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|-?inf)/i);
  return found ? Number(found[1].replace("inf", "Infinity")) : NaN;
}

function keep(name, value) {
  if (value) address.set(name, value); else address.delete(name);
  const query = address.toString();
  history.replaceState(null, "", (query ? "?" + query : location.pathname) + location.hash);
}

function text(row, column) { return row.cells[column].textContent.trim(); }

// Rows without a number come last in both directions; words are sorted as words. Controls stay below their line.
function sort(table, column, direction) {
  for (const body of table.tBodies) {
    const rows = original.get(body);
    if (direction) {
      const words = rows.map((row) => text(row, column)), numbers = words.map(number);
      const known = words.map((word) => word !== "-" && word !== "");
      const spoken = numbers.filter((value, k) => known[k] && Number.isNaN(value)).length > known.filter(Boolean).length / 2;
      const missing = (k) => !known[k] || (!spoken && Number.isNaN(numbers[k]));
      const compare = (a, b) => {
        if (missing(a) || missing(b)) return missing(a) - missing(b);
        const order = spoken ? words[a].localeCompare(words[b]) : numbers[a] - numbers[b] || 0;
        return direction === "down" ? -order : order;
      };
      body.append(...[...rows.keys()].sort(compare).map((k) => rows[k]));
    } else body.append(...rows);
  }
  for (const [k, head] of [...heads(table)].entries()) {
    if (k === column && direction) head.setAttribute("aria-sort", direction === "up" ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
    head.querySelector("button").textContent = k !== column || !direction ? "↕" : direction === "up" ? "▲" : "▼";
  }
}

function heads(table) { return table.tHead.rows[table.tHead.rows.length - 1].cells; }

function sortable(section) {
  const table = section.querySelector("table");
  for (const body of table.tBodies) original.set(body, [...body.rows]);
  for (const [k, head] of [...heads(table)].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "↕";
    button.setAttribute("aria-label", `Sort by ${head.textContent.trim()}`);
    const steps = head.textContent.includes("↑") ? ["down", "up", ""] : ["up", "down", ""];
    button.addEventListener("click", () => {
      const now = { ascending: "up", descending: "down" }[head.getAttribute("aria-sort")] || "";
      const next = steps[(steps.indexOf(now) + 1) % 3];
      sort(table, k, next);
      keep("sort", next && `${section.id}.${k}.${next}`);
    });
    head.append(button);
  }
}

function copyable(section) {
  const take = section.querySelector(".take"), button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const lines = [...section.querySelector("table").rows].filter((row) => !row.hidden).map((row) =>
      [...row.cells].filter((cell) => !cell.hidden).map((cell) => {
        const own = cell.cloneNode(true);
        own.querySelectorAll("button").forEach((part) => part.remove());
        return [own.textContent.trim().replace(/\s+/g, " "), ...Array(cell.colSpan - 1).fill("")].join("\t");
      }).join("\t"));
    await copied(lines.join("\n"));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  take.prepend(button);
}

async function copied(words) {
  try { await navigator.clipboard.writeText(words); } catch {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = words;
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function all(name) {
  const values = sections.flatMap((section) => [...section.querySelectorAll(`[data-${name}]`)].map((one) => one.dataset[name]));
  return [...new Set(values)];
}

function field(label, input, name) {
  const around = document.createElement("label");
  around.append(label, input);
  input.name = name;
  return around;
}

function list(label, name, values, every) {
  const select = document.createElement("select");
  select.append(new Option(every, ""), ...values.map(([value, words]) => new Option(words, value)));
  return field(label, select, name);
}

function choices(form) {
  const search = document.createElement("input");
  search.type = "search";
  const fields = [field("Name contains", search, "q")];
  const categories = all("over"), groups = all("group"), marks = [...new Set(all("marks").flatMap((own) => [...own]))];
  const passes = [...new Set(all("passes").map((own) => Math.ceil(Number(own))))].sort((a, b) => a - b);
  if (categories.length > 1) fields.push(list("Columns", "category", categories.map((own) => [own, own]), "all"));
  if (groups.length > 1) fields.push(list("Group", "group", groups.map((own) => [own, own]), "all groups"));
  if (passes.length > 1) fields.push(list("Cost per image", "passes", passes.map((own) => [own, `at most ${own} passes`]), "any"));
  for (const mark of marks) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = mark;
    const around = field("", box, "without");
    const says = [...document.querySelectorAll("[data-says]")].find((own) => own.dataset.mark === mark)?.dataset.says;
    around.append(` without rows marked ${mark}` + (says ? `: ${says}` : ""));
    around.className = "mark";
    fields.push(around);
  }
  const reset = document.createElement("button");
  reset.type = "reset";
  reset.textContent = "Show all";
  form.append(...fields, reset);
}

function choose(form) {
  const chosen = new FormData(form), words = (chosen.get("q") || "").toLowerCase(), without = chosen.getAll("without");
  const [category, group, passes] = ["category", "group", "passes"].map((name) => chosen.get(name) || "");
  for (const section of sections) {
    const table = section.querySelector("table");
    for (const body of table.tBodies) for (const row of body.rows) {
      const facts = row.dataset;
      row.hidden = !(`${facts.stem} ${text(row, 0)}`.toLowerCase().includes(words))
        || Boolean(group && facts.group && facts.group !== group && !body.classList.contains("controls"))
        || Boolean(passes && Number(facts.passes) > Number(passes))
        || without.some((mark) => (facts.marks || "").includes(mark));
    }
    columns(table, category);
  }
  keep("q", words);
  keep("category", category);
  keep("group", group);
  keep("passes", passes);
  keep("without", without.join(""));
}

function columns(table, category) {
  const last = heads(table), known = [...last].some((head) => head.dataset.over === category);
  const off = [...last].map((head) => Boolean(category && known && head.dataset.over && head.dataset.over !== category));
  for (const row of [table.tHead.rows[table.tHead.rows.length - 1], ...[...table.tBodies].flatMap((body) => [...body.rows])])
    off.forEach((hidden, k) => { if (row.cells[k].hidden !== hidden) row.cells[k].hidden = hidden; });
  if (table.tHead.rows.length > 1) for (const cell of [...table.tHead.rows[0].cells].slice(1))
    cell.hidden = Boolean(category && known && cell.textContent.trim() && cell.textContent.trim() !== category);
}

function restore(form) {
  for (const name of ["q", "category", "group", "passes"]) {
    const input = form.elements[name], value = address.get(name) || "";
    if (input) input.value = value;
    if (input && input.value !== value) input.value = "";
  }
  for (const box of form.querySelectorAll("[name=without]")) box.checked = (address.get("without") || "").includes(box.value);
  const [, id, column, direction] = (address.get("sort") || "").match(/^(.*)\.(\d+)\.(up|down)$/) || [];
  const table = id && sections.find((section) => section.id === id)?.querySelector("table");
  if (table && heads(table)[column]) sort(table, Number(column), direction);
}

sections.forEach(sortable);
sections.forEach(copyable);
const place = document.getElementById("choose");
const form = document.createElement("form");
form.className = "choose";
form.setAttribute("aria-label", "Filters");
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => choose(form));
form.addEventListener("reset", () => setTimeout(() => choose(form)));
if (place && sections.length) {
  choices(form);
  place.append(form);
}
restore(form);
if (place && [...address.keys()].length) choose(form);
