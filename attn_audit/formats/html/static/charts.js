// Figures: Vega-Lite specifications, made as wide as there is room, interpreted without eval.

const EMBEDDING = {
  actions: false, ast: true, renderer: "svg", defaultStyle: false, mode: "vega-lite",
  tooltip: { disableDefaultStyle: true },
};
const BESIDE_PANELS = 64; // pixels that axes take

function fitted(specification, width) {
  const copy = structuredClone(specification);
  if (copy.spec) {
    copy.spec.width = Math.max(120, width - BESIDE_PANELS);
    copy.facet.row.header.labelLimit = copy.spec.width;
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
