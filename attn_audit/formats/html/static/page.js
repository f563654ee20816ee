"use strict";
// Figures: Vega-Lite specifications, made as wide as there is room, interpreted without eval.

const EMBEDDING = {
  actions: false, ast: true, renderer: "svg", defaultStyle: false, mode: "vega-lite",
  tooltip: { disableDefaultStyle: true },
};
const BESIDE_PANELS = 64; // pixels that axes take
const NARROW = 480; // no room for two panels beside each other

function fitted(specification, width) {
  const copy = structuredClone(specification);
  if (copy.spec) {
    copy.columns = copy.columns && width < NARROW ? 1 : copy.columns;
    copy.spec.width = Math.max(120, Math.floor((width - BESIDE_PANELS) / (copy.columns ?? 1)) - 12);
    const { header } = copy.facet.row ?? copy.facet;
    header.labelLimit = copy.spec.width;
    if (width < NARROW) header.labelExpr = "split(datum.label, ': ')"; // the number below the name
  } else {
    Object.assign(copy, { width, autosize: { type: "fit-x", contains: "padding" } });
  }
  return copy;
}

async function drawFigures() {
  const specifications = JSON.parse(document.getElementById("figure-data").textContent);
  for (const holder of document.querySelectorAll("[data-figure]")) {
    const width = Math.floor(holder.clientWidth);
    if (!width || holder.dataset.width === String(width)) continue;
    holder.dataset.width = String(width);
    await vegaEmbed(holder, fitted(specifications[holder.dataset.figure], width), EMBEDDING);
    await new Promise((next) => setTimeout(next)); // the page stays responsive between two figures
  }
  document.documentElement.dataset.drawn = "true";
}

// Words shaded by weight. Texts are anybody's: they go in as text nodes, never as markup.

const ALMOST_NOTHING = 0.05; // of the largest weight: left plain
const BORDER = "|"; // between the units of two texts

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shadedWords({ units, border }, weights, full) {
  const whole = full ?? (Math.max(...weights) || 1);
  const words = element("div", "words");
  units.forEach((unit, i) => {
    if (i === border) words.append(element("span", "border", BORDER), " ");
    const word = element("span", "word", unit);
    word.dataset.unit = i;
    const part = weights[i] / whole;
    const level = Math.min(1, full === null ? part : Math.abs(part));
    if (full !== null && part <= -ALMOST_NOTHING) word.classList.add("against");
    if (level >= ALMOST_NOTHING) word.style.setProperty("--level", level.toFixed(3));
    words.append(word, " ");
  });
  return words;
}

function shadedRow(row, example) {
  const made = element("div", "row");
  const under = [row.note && `${row.note}.`, row.under].filter(Boolean).join(" ");
  made.append(element("div", "name", row.name), shadedWords(example, row.weights, row.full),
    element("div", "under", under));
  return made;
}

// One unit at a time is chosen, in every row: by pointing, or with the arrow keys. What it weighs
// stands at the word.
function choosing(rows, example) {
  const tooltip = document.getElementById("weights");
  let chosen = -1;
  function choose(i, at) {
    chosen = Math.min(Math.max(i, 0), example.units.length - 1);
    for (const word of rows.querySelectorAll(".word")) {
      word.classList.toggle("chosen", Number(word.dataset.unit) === chosen);
    }
    const weights = example.rows.map((row) => `${row.name} ${row.weights[chosen]}`);
    tooltip.textContent = `“${example.units[chosen]}”: ${weights.join(", ")}`;
    tooltip.hidden = false;
    const beside = (at ?? rows.querySelector(".chosen")).getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = tooltip;
    tooltip.style.left = `${Math.max(8, Math.min(beside.left, innerWidth - width - 8))}px`;
    const above = beside.top - height - 4;
    tooltip.style.top = `${above < 48 ? beside.bottom + 4 : above}px`;
  }
  const hide = () => { tooltip.hidden = true; };
  rows.addEventListener("pointerover", (event) => {
    const word = event.target.closest(".word");
    if (word) choose(Number(word.dataset.unit), word);
  });
  rows.addEventListener("pointerleave", hide);
  rows.addEventListener("focusout", hide);
  rows.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    choose(chosen + step);
  });
}

// The example browser: search, filters and order over what the page holds.

const AT_ONCE = 10;

function exampleCard(example, told, sortedBy) {
  const card = element("article", "example");
  const title = element("h3", "", `Predicted ${example.said} `);
  const gold = example.label === null ? "" : `label ${example.label} · `;
  title.append(element("small", "", `${gold}${example.id}`));
  const rows = rowsOf(example);
  choosing(rows, example);
  card.append(title, chipsOf(example, told, sortedBy), rows, numbersOf(example, told));
  return card;
}

// Texts that are too long are cut off with a fade; the button shows all of them.
function foldLong(card) {
  const rows = card.querySelector(".rows");
  const long = [...rows.querySelectorAll(".words")].filter((e) => e.scrollHeight > e.clientHeight + 4);
  if (!long.length) return;
  rows.classList.add("long");
  const all = element("button", "all", "Show all of the text");
  all.type = "button";
  all.addEventListener("click", () => {
    rows.classList.remove("long");
    rows.classList.add("whole");
    all.remove();
  });
  rows.after(all);
}

function chipsOf(example, told, sortedBy) {
  const chips = element("ul", "chips");
  if (sortedBy in example.measures) {
    const value = example.measures[sortedBy];
    chips.append(element("li", "sorted", `${told.measures[sortedBy]} ${value}`));
  }
  for (const reason of example.reasons) chips.append(element("li", "", told.reasons[reason]));
  for (const tag of example.tags) chips.append(element("li", "", told.tags[tag]));
  return chips;
}

function rowsOf(example) {
  const rows = element("div", "rows");
  rows.tabIndex = 0;
  rows.setAttribute("role", "group");
  rows.setAttribute("aria-label", `Weights of ${example.id}: arrow keys go from word to word`);
  for (const row of example.rows) rows.append(shadedRow(row, example));
  if (example.uniform !== null) {
    const row = element("div", "row");
    row.append(element("div", "name", "equal attention"), element("div", "under", example.uniform));
    rows.append(row);
  }
  return rows;
}

function numbersOf(example, told) {
  const details = element("details", "numbers");
  const list = element("dl", "facts");
  for (const [field, value] of Object.entries(example.measures)) {
    list.append(element("dt", "", told.measures[field]), element("dd", "", String(value)));
  }
  details.append(element("summary", "", "All its numbers"), list);
  return details;
}

function matches(example, wanted) {
  const holds = (field) => !wanted[field] || example[field].includes(wanted[field]);
  const shown = { telling: example.reasons.length > 0, sampled: example.sampled };
  return holds("predicted") && holds("gold") && (wanted.kind ? shown[wanted.kind] : true)
    && (!wanted.verdict || example.tags.includes(wanted.verdict))
    && wanted.search.toLowerCase().split(/\s+/).every((part) => example.text.includes(part));
}

// Examples without the number stand last, whatever the order.
function ordered(examples, field, direction) {
  if (!field) return examples;
  const known = examples.filter((example) => field in example.measures);
  const unknown = examples.filter((example) => !(field in example.measures));
  const by = (one, other) => direction * (one.measures[field] - other.measures[field]);
  return [...known.sort(by), ...unknown];
}

function browseExamples() {
  const source = document.getElementById("example-data");
  if (!source) return;
  const told = JSON.parse(source.textContent);
  const [controls, list, more, found] = ["controls", "list", "more", "found"]
    .map((id) => document.getElementById(id));
  for (const example of told.examples) {
    example.text = `${example.units.join(" ")} ${example.id}`.toLowerCase();
  }
  let chosen = [];

  function showMore() {
    const next = chosen.slice(list.children.length, list.children.length + AT_ONCE);
    const sortedBy = controls.elements.sort.value;
    const cards = next.map((example) => exampleCard(example, told, sortedBy));
    list.append(...cards);
    cards.forEach(foldLong);
    more.hidden = list.children.length >= chosen.length;
    const n = chosen.length;
    found.textContent = n === 0 ? "No example matches."
      : `${n} ${n === 1 ? "example" : "examples"}, ${list.children.length} shown.`;
  }

  function update() {
    const wanted = Object.fromEntries(new FormData(controls));
    const fitting = told.examples.filter((example) => matches(example, wanted));
    chosen = ordered(fitting, wanted.sort, Number(wanted.order));
    list.replaceChildren();
    showMore();
  }

  controls.addEventListener("input", update);
  controls.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", showMore);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-example]");
    if (!link) return;
    controls.reset();
    controls.elements.search.value = link.dataset.example;
    update();
  });
  update();
}

// What happens when the page is there, and when its width changes.

browseExamples();
drawFigures();

let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(drawFigures, 150);
});
