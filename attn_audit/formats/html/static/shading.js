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
  made.append(element("div", "name", row.name), shadedWords(example, row.weights, row.full),
    element("div", "under", row.under));
  return made;
}

// One unit at a time is chosen, in every row: by pointing, or with the arrow keys.
function choosing(rows, example, readout) {
  let chosen = -1;
  function choose(i) {
    chosen = Math.min(Math.max(i, 0), example.units.length - 1);
    for (const word of rows.querySelectorAll(".word")) {
      word.classList.toggle("chosen", Number(word.dataset.unit) === chosen);
    }
    const weights = example.rows.map((row) => `${row.name} ${row.weights[chosen]}`);
    readout.textContent = `“${example.units[chosen]}”: ${weights.join(", ")}`;
  }
  rows.addEventListener("pointerover", (event) => {
    const word = event.target.closest(".word");
    if (word) choose(Number(word.dataset.unit));
  });
  rows.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(chosen + step);
  });
}
