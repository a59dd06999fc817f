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
  place.textContent = "";
  Plotly.newPlot(place, spec.data, spec.layout, config);
}
const fit = () => document.querySelectorAll(".plot").forEach((place) => Plotly.Plots.resize(place));
window.addEventListener("beforeprint", fit);
window.addEventListener("afterprint", fit);
