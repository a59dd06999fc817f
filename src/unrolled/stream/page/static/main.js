// Page of a server: open a stream, step it, and see what its hidden state does at each step.

import { Requests, StepSocket } from "./client.js";
import { eventsOf, tokenName } from "./events.js";
import { colourOf, columnWidth, drawFan, drawHeat, drawLines, drawNames } from "./picture.js";
import { formatNumber, shuffled } from "./values.js";

const MOST_STEPS = 900; // that the picture shows: a trace takes 1,000, or ten seconds of sound
const WRITTEN = { n: 60, temperature: 0.8 };
const COLUMNS = ["y", "state", "input", "memory", "tokens", "bands"]; // parts of a trace with an item a step
const EMPTY = () => ({ ...Object.fromEntries(COLUMNS.map((name) => [name, []])), detections: [] });

const byId = (id) => document.getElementById(id);
const requests = new Requests();

let model = null;
let events = null; // how the model's events are typed, cut and joined
let socket = null;
let queue = []; // steps of a replay that are still to come
let timer = null;
let lastAction = Promise.resolve();
// start: number and snapshot before the first step shown; xs: the events since; blob: snapshot after them.
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
  events = eventsOf(model);
  byId("values-label").textContent = { values: "Values", text: "Text", sound: "Sound" }[model.reads];
  byId("values-hint").textContent = events.hint;
  byId("values").readOnly = model.reads === "sound";
  byId("file").accept = events.accept;
  byId("start-label").hidden = !model.needs_start;
  byId("write").hidden = model.kind !== "tokens";
  byId("shuffle").hidden = model.reads === "sound";
  byId("output-title").textContent = {
    classes: "Probabilities", number: "Answer", forecast: "Next step", tokens: "Probability of the likeliest next token",
    transcript: "Text",
  }[model.kind];
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
  shown = { start, blob: start.blob, xs: events.none, trace: EMPTY(), cursor: 0 };
  byId("orders").hidden = true;
  say(start.last ? `Stream “${stream}” has had ${start.last} steps.` : `Stream “${stream}” begins with its first step.`);
  draw();
}

async function step(xs) {
  if (!socket) await open(byId("stream").value);
  for (const part of events.parts(xs)) {
    const { last } = await socket.send(shown.start.last + shown.xs.length + 1, part, startOf());
    const more = await traced(shown.blob, part);
    for (const key of [...COLUMNS, "detections"]) shown.trace[key].push(...(more[key] ?? []));
    shown.xs = events.join(shown.xs, more.x ?? part);
    shown.blob = more.snapshot;
    shown.cursor = Math.max(0, shown.trace.y.length - 1);
    await dropOldest();
    say(model.reads === "sound" ? `${(last / model.rate).toFixed(2)} s are stored.` : `Step ${last} is stored.`);
    draw();
    byId("scroll").scrollLeft = byId("scroll").scrollWidth;
  }
}

// Let a language model write on, and step the stream by what it wrote.
async function write() {
  if (!socket) await open(byId("stream").value);
  const { text, x } = await requests.generate(socket.stream, WRITTEN);
  if (x.length) await step(x);
  say(x.length ? `It wrote: ${text}` : "It wrote nothing: here a text ends.");
}

const startOf = () => (model.needs_start && byId("start").value ? byId("start").value : null);

const traced = (blob, xs) => requests.trace(blob || null, xs, Number(byId("network").value || 0), startOf());

// Events of the first `columns` steps that are shown.
const eventsUpTo = (columns) => shown.xs.slice(0, events.upTo(columns, shown.start.last));

async function dropOldest() {
  const excess = shown.trace.y.length - MOST_STEPS;
  if (excess <= 0) return;
  const dropped = eventsUpTo(excess);
  const { snapshot } = await traced(shown.start.blob, dropped);
  shown.start = { last: shown.start.last + dropped.length, blob: snapshot };
  shown.xs = shown.xs.slice(dropped.length);
  for (const key of COLUMNS) shown.trace[key].splice(0, excess);
  shown.cursor -= excess;
}

async function rewind() {
  const kept = eventsUpTo(shown.cursor + 1);
  const { snapshot, detections } = await traced(shown.start.blob, kept);
  const last = shown.start.last + kept.length;
  await requests.restore(socket.stream, last, snapshot);
  shown.xs = kept;
  for (const key of COLUMNS) shown.trace[key].length = Math.min(shown.trace[key].length, shown.cursor + 1);
  shown.trace.detections = detections ?? [];
  shown.blob = snapshot;
  say(`Stream “${socket.stream}” is back at ${model.reads === "sound" ? "sample" : "step"} ${last}.`);
  draw();
}

async function changeNetwork() {
  if (!shown.xs.length) return;
  shown.trace = { ...EMPTY(), ...(await traced(shown.start.blob, shown.xs)) };
  draw();
}

// Show the answers at the end to the same steps in this order and another, each from an empty memory.
async function compareOrders(name, xs) {
  const [inOrder, other] = [await traced("", shown.xs), await traced("", xs)];
  const row = (label, { y }) => {
    const cells = [document.createElement("th"), document.createElement("td")];
    cells[0].scope = "row";
    cells[0].textContent = label;
    cells[1].textContent = answerWords(y, y.length - 1);
    const tr = document.createElement("tr");
    tr.append(...cells);
    return tr;
  };
  byId("orders").querySelector("tbody").replaceChildren(row("As shown", inOrder), row(name, other));
  byId("orders").hidden = false;
}

// What the answers `ys` are at a step.
function answerWords(ys, at) {
  if (model.kind === "transcript") return ys.slice(0, at + 1).join("") || "nothing yet";
  const y = ys[at];
  if (model.kind === "classes") {
    const best = y.indexOf(Math.max(...y));
    return `${model.classes[best]}, ${(100 * y[best]).toFixed(1)} %`;
  }
  if (model.kind === "number") return formatNumber(y);
  if (model.kind === "tokens") {
    return `next ${y.slice(0, 4).map(([token, p]) => `“${tokenName(token)}” ${(100 * p).toFixed(1)} %`).join(", ")}`;
  }
  if (y.median[0] === null) return "no forecast yet";
  const steps = y.median.length === 1 ? "" : `, in ${y.median.length} steps ${formatNumber(y.median.at(-1))}`;
  return `next ${formatNumber(y.median[0])} (80 %: ${formatNumber(y.lo[0])} to ${formatNumber(y.hi[0])})${steps}`;
}

function outputRows() {
  if (model.kind === "classes") return shown.trace.y;
  if (model.kind === "number") return shown.trace.y.map((y) => [y]);
  if (model.kind === "tokens") return shown.trace.y.map((y) => [y[0][1]]);
  return shown.trace.y.map((y) => [y.median[0]]);
}

function draw() {
  const { trace, cursor } = shown;
  byId("picture").hidden = trace.y.length === 0;
  if (!trace.y.length) return;
  const column = widthOfColumns();
  const marks = { column, cursor };
  const limit = largest([trace.state, trace.input, trace.memory].flat(2));
  drawInput(marks);
  drawHeat(byId("from-input"), trace.input, { ...marks, limit });
  drawHeat(byId("from-memory"), trace.memory, { ...marks, limit });
  drawHeat(byId("state"), trace.state, { ...marks, limit });
  if (model.kind === "transcript") drawNames(byId("output"), trace.y, marks);
  else drawOutput(marks);
  const hasStates = trace.state[0].length > 0;
  for (const panel of document.querySelectorAll(".of-states")) panel.hidden = !hasStates;
  if (!hasStates) byId("scale").textContent = "This stream reads its latest window anew at each step and carries no state.";
  else byId("scale").textContent = `Blue is −${formatNumber(limit)}, white 0, orange ${formatNumber(limit)}; a row a unit, a column a step.`;
  describe();
}

const widthOfColumns = () =>
  columnWidth(shown.trace.y.length, byId("scroll").clientWidth - 2, model.reads === "text" ? 12 : 4);

function drawOutput(marks) {
  const rows = outputRows();
  const limits = ["classes", "tokens"].includes(model.kind) ? { low: 0, high: 1 } : bounds(rows);
  drawLines(byId("output"), rows, { ...marks, ...limits });
}

function drawInput(marks) {
  const { xs, trace } = shown;
  if (model.reads === "text") return drawNames(byId("input"), trace.tokens.map(tokenName), marks);
  if (model.reads === "values") return drawLines(byId("input"), xs, { ...marks, ...bounds(xs), height: 70 });
  const { low, high } = bounds(trace.bands);
  const scaled = trace.bands.map((frame) => frame.map((band) => (2 * (band - low)) / (high - low) - 1).reverse());
  return drawHeat(byId("input"), scaled, { ...marks, limit: 1 });
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
  const words = events.words(xs, trace, cursor, start.last);
  const name = model.reads === "sound" ? words : `Step ${start.last + cursor + 1} (${words})`;
  byId("answer").textContent = `${name}: ${answerWords(trace.y, cursor)}`;
  legend("input-legend", model.inputs.length > 1 ? model.inputs : []);
  legend("output-legend", model.classes.map((each, k) => `${each} ${(100 * trace.y[cursor][k]).toFixed(1)} %`));
  byId("detections").textContent = trace.detections
    .map(({ label, seconds, probability }) => `${label} at ${seconds.toFixed(2)} s, ${(100 * probability).toFixed(0)} %`)
    .join("; ");
  byId("state").setAttribute("aria-label", stateWords(trace.state[cursor], trace.y.length));
  byId("from-input").setAttribute("aria-label", "Part of the state that the input brought");
  byId("from-memory").setAttribute("aria-label", "Part of the state that the memory brought");
  byId("input").setAttribute("aria-label", `Input of ${trace.y.length} steps`);
  byId("output").setAttribute("aria-label", `Answers of ${trace.y.length} steps`);
  byId("rewind").disabled = cursor === trace.y.length - 1;
  byId("fan").hidden = model.kind !== "forecast";
  if (model.kind === "forecast") {
    const past = xs.slice(0, cursor + 1).map((row) => row[0]);
    byId("forecast").setAttribute("aria-label", answerWords(trace.y, cursor));
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
  const at = Math.max(0, Math.min(shown.trace.y.length - 1, to));
  if (at === shown.cursor) return;
  shown.cursor = at;
  draw();
  const column = widthOfColumns();
  const scroll = byId("scroll");
  if (at * column < scroll.scrollLeft) scroll.scrollLeft = at * column;
  if ((at + 1) * column > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = (at + 1) * column - scroll.clientWidth;
}

const readValues = () => events.parse(byId("values").value);

function startReplay() {
  queue = events.parts(readValues(), 1);
  byId("replay").setAttribute("aria-pressed", "true");
  byId("replay").textContent = "Stop";
  const next = async () => {
    if (queue.length) await act(() => step(queue.shift()));
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
      byId("values").value = await events.read(byId("file").files[0]);
      const n = readValues().length;
      say(`${model.reads === "values" ? `${n} steps are` : "The file is"} ready: choose Step or Replay.`);
    }),
  );
  clicks("rewind", rewind);
  clicks("write", write);
  clicks("reverse", () => compareOrders("Reversed", shown.xs.slice().reverse()));
  clicks("shuffle", () => compareOrders("Shuffled", shuffled(shown.xs)));
  byId("network").addEventListener("change", () => act(changeNetwork));
  byId("log").addEventListener("change", describe);
  byId("scroll").addEventListener("click", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    const column = widthOfColumns();
    moveCursor(Math.floor((event.clientX - event.target.getBoundingClientRect().left) / column));
  });
  byId("scroll").addEventListener("keydown", (event) => {
    const to = { ArrowLeft: shown.cursor - 1, ArrowRight: shown.cursor + 1, Home: 0, End: shown.trace.y.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    moveCursor(to);
  });
  window.addEventListener("resize", () => model && draw());
}

listen();
act(loadModel);
