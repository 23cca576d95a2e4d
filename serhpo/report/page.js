"use strict";
// Draws the figures in the reader's colours, and sorts tables. Nothing is loaded from anywhere.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // Where a finger scrolls the page, dragging must not zoom a figure.
  const finger = matchMedia("(pointer: coarse), (max-width: 46rem)");
  const twins = new Map(Object.entries(read("colours")));
  const config = {
    responsive: true,
    displayModeBar: finger.matches ? false : "hover",
    displaylogo: false,
    // Named one by one, and no server: plotly.js 4 otherwise offers to send the figure to its maker's cloud.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    showSendToCloud: false,
    plotlyServerURL: "",
  };

  let view = "whole";

  function read(id, reviver) {
    return JSON.parse(document.getElementById(id).textContent, reviver);
  }

  // On paper the figures get the size of an A4 column: the browser lays the page out only afterwards.
  function draw(isDark, onPaper = false) {
    const swap = (key, value) => (isDark && twins.get(value)) || value;
    for (const place of document.querySelectorAll("[data-figure]")) {
      const name = place.dataset.figure;
      const figure = read("figure-" + name, swap);
      const file = { format: "svg", filename: document.title + " " + name };
      if (onPaper) {
        const width = place.closest(".pair") ? 340 : 690;
        const height = parseInt(place.style.height) || { small: 280, low: 220 }[place.classList[1]] || 390;
        Object.assign(figure.layout, { width, height, autosize: false });
      }
      if (finger.matches) figure.layout.dragmode = false;
      Plotly.react(place, figure.data, figure.layout, { ...config, toImageButtonOptions: file });
    }
    show(view);
  }

  // The front's figure shows everything or the front alone.
  function show(name) {
    for (const button of document.querySelectorAll("[data-view]")) {
      button.ariaPressed = button.dataset.view === name;
      if (button.dataset.view !== name) continue;
      const place = document.querySelector('[data-figure="front"]');
      const [x, y] = place.layout.meta.views[name];
      Plotly.relayout(place, { "xaxis.range": [...x], "yaxis.range": [...y] });
    }
    view = name;
  }

  draw(dark.matches);
  dark.addEventListener("change", () => draw(dark.matches));
  addEventListener("beforeprint", () => draw(false, true));
  addEventListener("afterprint", () => draw(dark.matches));

  for (const place of document.querySelectorAll("[data-figure]")) {
    place.on("plotly_click", (event) => {
      const number = event.points[0].customdata;
      if (number !== undefined) location.hash = "trial-" + number;
    });
  }

  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => show(button.dataset.view));
  }

  // Missing values come last in both directions.
  function compare(a, b, up) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [Number(a), Number(b)];
    const order = isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
    return up ? order : -order;
  }

  function sort(header) {
    const body = header.closest("table").tBodies[0];
    const up = header.ariaSort !== "ascending";
    for (const other of header.parentNode.cells) other.ariaSort = null;
    header.ariaSort = up ? "ascending" : "descending";
    const key = (row) => row.cells[header.cellIndex].dataset.value;
    body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b), up)));
  }

  // A row stays while it holds every word.
  for (const input of document.querySelectorAll("[data-filter]")) {
    const rows = [...document.querySelectorAll("#" + input.dataset.filter + " tbody tr")];
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      }
      const left = rows.filter((row) => !row.hidden).length;
      input.closest("p").querySelector("[role=status]").textContent =
        left < rows.length ? left + " of " + rows.length : "";
    });
  }

  for (const button of document.querySelectorAll("th > button")) {
    button.addEventListener("click", () => sort(button.parentNode));
  }
})();
