// Draws each chart from the JSON beside it. Nothing is fetched.
"use strict";
const touch = window.matchMedia("(pointer: coarse)").matches;
const narrow = window.matchMedia("(max-width: 600px)").matches;
const config = {displayModeBar: false, displaylogo: false, responsive: true, doubleClick: "reset", plotlyServerURL: ""};
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  // A finger scrolls the page; only a mouse draws a box to zoom into.
  spec.layout.dragmode = touch ? false : "zoom";
  if (narrow) {
    spec.layout.height = Math.round(spec.layout.height * 0.85);
    spec.layout.xaxis = {...spec.layout.xaxis, nticks: 5};
  }
  const place = figure.querySelector(".plot");
  place.drawnHeight = spec.layout.height;
  place.style.height = `${spec.layout.height}px`;
  Plotly.newPlot(place, spec.data, spec.layout, config);
}
// On paper a column is narrower and lower than on the screen, and a chart does not notice by itself.
const resized = (width, share) => {
  for (const place of document.querySelectorAll(".plot")) {
    Plotly.relayout(place, {
      width: width && (place.closest(".pair") ? width / 2 - 14 : width),
      height: place.drawnHeight * share,
      autosize: !width,
    });
    place.style.height = `${place.drawnHeight * share}px`;
  }
};
window.addEventListener("beforeprint", () => resized(680, 0.62));
window.addEventListener("afterprint", () => resized(null, 1));
