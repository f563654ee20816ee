// What happens when the page is there, when its width changes, and before it is printed.

browseExamples();
drawFigures();

let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(drawFigures, 150);
});
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
