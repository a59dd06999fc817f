// Page of a server: open a stream, step it, and see what its hidden state does at each step.

import { Requests, StepSocket } from "./client.js";
import { colourOf, columnWidth, drawFan, drawHeat, drawLines } from "./picture.js";
import { formatNumber, parseSteps, shuffled } from "./values.js";

const MOST_STEPS = 1000; // that the picture shows
const MOST_A_MESSAGE = 200;
const EMPTY = () => ({ y: [], state: [], input: [], memory: [] });

const byId = (id) => document.getElementById(id);
const requests = new Requests();

let model = null;
let socket = null;
let queue = []; // steps of a replay that are still to come
let timer = null;
let lastAction = Promise.resolve();
// start: number and snapshot before the first step shown; xs: the steps since; blob: snapshot after them.
let shown = { start: { last: 0, blob: "" }, blob: "", xs: [], trace: EMPTY(), cursor: 0 };

function say(text, isFault = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("fault", isFault);
}

// Run one action after another, and say what went wrong with it.
function act(action) {
  lastAction = lastAction.then(() => attempt(action));
  return lastAction;
}

async function attempt(action) {
  try {
    await action();
  } catch (fault) {
    stopReplay();
    if (fault.code === "unauthorized") askForToken();
    else if (fault.code === "gap" || fault.code === "old") {
      await open(socket.stream).catch(() => {});
      say("Another client moved this stream. It was opened anew: send the values again.", true);
      return;
    }
    if (fault.code !== "closed") say(fault.message, true);
  }
}

function askForToken() {
  byId("token-form").hidden = false;
  byId("token").focus();
}

async function loadModel() {
  model = await requests.json("/model");
  byId("token-form").hidden = true;
  byId("model").textContent = model.words;
  byId("values-hint").textContent =
    model.inputs.length === 1 ? "one a step, parted by blanks or commas" : `${model.inputs.join(", ")}: a step a line`;
  byId("output-title").textContent = { classes: "Probabilities", number: "Answer", forecast: "Next step" }[model.kind];
  byId("network").replaceChildren(
    ...Array.from({ length: model.networks }, (_, k) => new Option(`${k + 1} of ${model.networks}`, k)),
  );
  byId("network").hidden = byId("network-label").hidden = model.networks < 2;
  await listStreams();
}

async function listStreams() {
  const { streams } = await requests.json("/streams?limit=1000");
  byId("streams").replaceChildren(...streams.map((name) => new Option(name)));
  if (!byId("stream").value) byId("stream").value = streams[0] ?? "first";
}

async function open(stream) {
  socket?.close();
  socket = new StepSocket(stream, requests.token, (isOpen) => isOpen || say("The connection broke; trying again.", true));
  const start = (await socket.last()) > 0 ? await requests.snapshot(stream) : { last: 0, blob: "" };
  shown = { start, blob: start.blob, xs: [], trace: EMPTY(), cursor: 0 };
  byId("orders").hidden = true;
  say(start.last ? `Stream “${stream}” has had ${start.last} steps.` : `Stream “${stream}” begins with its first step.`);
  draw();
}

async function step(xs) {
  if (!socket) await open(byId("stream").value);
  for (let from = 0; from < xs.length; from += MOST_A_MESSAGE) {
    const part = xs.slice(from, from + MOST_A_MESSAGE);
    const { last } = await socket.send(shown.start.last + shown.xs.length + 1, part);
    const more = await traced(shown.blob, part);
    for (const key of Object.keys(shown.trace)) shown.trace[key].push(...more[key]);
    shown.xs.push(...part);
    shown.blob = more.snapshot;
    shown.cursor = shown.xs.length - 1;
    await dropOldest();
    say(`Step ${last} is stored.`);
    draw();
    byId("scroll").scrollLeft = byId("scroll").scrollWidth;
  }
}

const traced = (blob, xs) => requests.trace(blob || null, xs, Number(byId("network").value || 0));

async function dropOldest() {
  const excess = shown.xs.length - MOST_STEPS;
  if (excess <= 0) return;
  const { snapshot } = await traced(shown.start.blob, shown.xs.slice(0, excess));
  shown.start = { last: shown.start.last + excess, blob: snapshot };
  shown.xs.splice(0, excess);
  for (const column of Object.values(shown.trace)) column.splice(0, excess);
  shown.cursor -= excess;
}

async function rewind() {
  const kept = shown.cursor + 1;
  const { snapshot } = await traced(shown.start.blob, shown.xs.slice(0, kept));
  const last = shown.start.last + kept;
  await requests.restore(socket.stream, last, snapshot);
  shown.xs.length = kept;
  for (const column of Object.values(shown.trace)) column.length = kept;
  shown.blob = snapshot;
  say(`Stream “${socket.stream}” is back at step ${last}.`);
  draw();
}

async function changeNetwork() {
  if (!shown.xs.length) return;
  const { snapshot, ...trace } = await traced(shown.start.blob, shown.xs);
  shown.trace = trace;
  draw();
}

// Show the answers at the end to the same steps in this order and another, each from an empty memory.
async function compareOrders(name, xs) {
  const [inOrder, other] = [await traced("", shown.xs), await traced("", xs)];
  const row = (label, { y }) => {
    const cells = [document.createElement("th"), document.createElement("td")];
    cells[0].scope = "row";
    cells[0].textContent = label;
    cells[1].textContent = answerWords(y.at(-1));
    const tr = document.createElement("tr");
    tr.append(...cells);
    return tr;
  };
  byId("orders").querySelector("tbody").replaceChildren(row("As shown", inOrder), row(name, other));
  byId("orders").hidden = false;
}

function answerWords(y) {
  if (model.kind === "classes") {
    const best = y.indexOf(Math.max(...y));
    return `${model.classes[best]}, ${(100 * y[best]).toFixed(1)} %`;
  }
  if (model.kind === "number") return formatNumber(y);
  if (y.median[0] === null) return "no forecast yet";
  const steps = y.median.length === 1 ? "" : `, in ${y.median.length} steps ${formatNumber(y.median.at(-1))}`;
  return `next ${formatNumber(y.median[0])} (80 %: ${formatNumber(y.lo[0])} to ${formatNumber(y.hi[0])})${steps}`;
}

function outputRows() {
  if (model.kind === "classes") return shown.trace.y;
  if (model.kind === "number") return shown.trace.y.map((y) => [y]);
  return shown.trace.y.map((y) => [y.median[0]]);
}

function draw() {
  const { xs, trace, cursor } = shown;
  byId("picture").hidden = xs.length === 0;
  if (!xs.length) return;
  const column = columnWidth(xs.length, byId("scroll").clientWidth - 2);
  const marks = { column, cursor };
  const limit = largest([trace.state, trace.input, trace.memory].flat(2));
  drawLines(byId("input"), xs, { ...marks, ...bounds(xs), height: 70 });
  drawHeat(byId("from-input"), trace.input, { ...marks, limit });
  drawHeat(byId("from-memory"), trace.memory, { ...marks, limit });
  drawHeat(byId("state"), trace.state, { ...marks, limit });
  const rows = outputRows();
  drawLines(byId("output"), rows, { ...marks, ...(model.kind === "classes" ? { low: 0, high: 1 } : bounds(rows)) });
  const hasStates = trace.state[0].length > 0;
  for (const panel of document.querySelectorAll(".of-states")) panel.hidden = !hasStates;
  if (!hasStates) byId("scale").textContent = "This stream reads its latest window anew at each step and carries no state.";
  else byId("scale").textContent = `Blue is −${formatNumber(limit)}, white 0, orange ${formatNumber(limit)}; a row a unit, a column a step.`;
  describe();
}

function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
}

function bounds(rows) {
  const numbers = rows.flat().filter((value) => value !== null);
  const low = numbers.reduce((least, value) => Math.min(least, value), numbers[0] ?? 0);
  const high = numbers.reduce((most, value) => Math.max(most, value), numbers[0] ?? 1);
  return low === high ? { low: low - 1, high: high + 1 } : { low, high };
}

function describe() {
  const { xs, trace, cursor, start } = shown;
  const values = xs[cursor].map((value, k) => `${model.inputs[k]} ${formatNumber(value)}`).join(", ");
  byId("answer").textContent = `Step ${start.last + cursor + 1} (${values}): ${answerWords(trace.y[cursor])}`;
  legend("input-legend", model.inputs.length > 1 ? model.inputs : []);
  legend("output-legend", model.classes.map((name, k) => `${name} ${(100 * trace.y[cursor][k]).toFixed(1)} %`));
  byId("state").setAttribute("aria-label", stateWords(trace.state[cursor], xs.length));
  byId("from-input").setAttribute("aria-label", "Part of the state that the input brought");
  byId("from-memory").setAttribute("aria-label", "Part of the state that the memory brought");
  byId("input").setAttribute("aria-label", `Values of ${xs.length} steps`);
  byId("output").setAttribute("aria-label", `Answers of ${xs.length} steps`);
  byId("rewind").disabled = cursor === xs.length - 1;
  byId("fan").hidden = model.kind !== "forecast";
  if (model.kind === "forecast") {
    const past = xs.slice(0, cursor + 1).map((row) => row[0]);
    byId("forecast").setAttribute("aria-label", answerWords(trace.y[cursor]));
    if (!drawFan(byId("forecast"), past, trace.y[cursor], byId("log").checked)) {
      say("A log axis needs values above 0; the axis stays linear.", true);
    }
  }
}

function legend(id, names) {
  byId(id).replaceChildren(
    ...names.map((name, k) => {
      const item = document.createElement("span");
      item.style.setProperty("--colour", colourOf(k));
      item.textContent = name;
      return item;
    }),
  );
}

function stateWords(state, steps) {
  const unit = state.reduce((best, value, k) => (Math.abs(value) > Math.abs(state[best]) ? k : best), 0);
  const most = state.length ? ` At this step unit ${unit + 1} is largest, ${formatNumber(state[unit])}.` : "";
  return `State of ${state.length} units over ${steps} steps.${most}`;
}

function moveCursor(to) {
  const at = Math.max(0, Math.min(shown.xs.length - 1, to));
  if (at === shown.cursor) return;
  shown.cursor = at;
  draw();
  const column = columnWidth(shown.xs.length, byId("scroll").clientWidth - 2);
  const scroll = byId("scroll");
  if (at * column < scroll.scrollLeft) scroll.scrollLeft = at * column;
  if ((at + 1) * column > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = (at + 1) * column - scroll.clientWidth;
}

function readValues() {
  const steps = parseSteps(byId("values").value, model.inputs.length);
  if (!steps.length) throw new Error("There are no values: type or paste some, or load a file.");
  return steps;
}

function startReplay() {
  queue = readValues();
  byId("replay").setAttribute("aria-pressed", "true");
  byId("replay").textContent = "Stop";
  const next = async () => {
    if (queue.length) await act(() => step([queue.shift()]));
    if (queue.length) timer = setTimeout(next, Number(byId("pace").value));
    else stopReplay();
  };
  next();
}

function stopReplay() {
  clearTimeout(timer);
  queue = [];
  byId("replay").setAttribute("aria-pressed", "false");
  byId("replay").textContent = "Replay";
}

function listen() {
  const submits = (id, action) =>
    byId(id).addEventListener("submit", (event) => {
      event.preventDefault();
      act(action);
    });
  const clicks = (id, action) => byId(id).addEventListener("click", () => act(action));
  submits("token-form", async () => {
    requests.token = byId("token").value;
    await loadModel();
    say("");
  });
  submits("open-form", () => open(byId("stream").value));
  submits("values-form", () => step(readValues()));
  byId("values").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !byId("values").value.includes("\n")) {
      event.preventDefault();
      byId("values-form").requestSubmit();
    }
  });
  byId("replay").addEventListener("click", () => {
    if (queue.length) stopReplay();
    else act(async () => startReplay());
  });
  byId("choose-file").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", () =>
    act(async () => {
      byId("values").value = await byId("file").files[0].text();
      say(`${readValues().length} steps are ready: choose Step or Replay.`);
    }),
  );
  clicks("rewind", rewind);
  clicks("reverse", () => compareOrders("Reversed", [...shown.xs].reverse()));
  clicks("shuffle", () => compareOrders("Shuffled", shuffled(shown.xs)));
  byId("network").addEventListener("change", () => act(changeNetwork));
  byId("log").addEventListener("change", describe);
  byId("scroll").addEventListener("click", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const column = columnWidth(shown.xs.length, byId("scroll").clientWidth - 2);
    moveCursor(Math.floor((event.clientX - event.target.getBoundingClientRect().left) / column));
  });
  byId("scroll").addEventListener("keydown", (event) => {
    const to = { ArrowLeft: shown.cursor - 1, ArrowRight: shown.cursor + 1, Home: 0, End: shown.xs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    moveCursor(to);
  });
  window.addEventListener("resize", () => model && draw());
}

listen();
act(loadModel);
