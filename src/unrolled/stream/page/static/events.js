// Events of a stream by what its model reads: values, text or sound. Each kind says how events are typed, cut into
// messages, joined, and how many of them a number of columns of the picture takes.

import { formatNumber, parseSteps } from "./values.js";

const MOST_COLUMNS = 200; // of a message
const MOST_CHARACTERS = 200;

class Values {
  constructor(model) {
    this.model = model;
    this.hint = model.inputs.length === 1 ? "one a step, parted by blanks or commas" : `${model.inputs.join(", ")}: a step a line`;
    this.accept = ".csv,.txt,.tsv,.dat,text/plain";
    this.none = [];
  }

  parse(text) {
    const steps = parseSteps(text, this.model.inputs.length);
    if (!steps.length) throw new Error("There are no values: type or paste some, or load a file.");
    return steps;
  }

  // Text of the field after a file was chosen.
  read(file) {
    return file.text();
  }

  parts(events, most = MOST_COLUMNS) {
    const parts = [];
    for (let from = 0; from < events.length; from += most) parts.push(events.slice(from, from + most));
    return parts;
  }

  join(events, more) {
    return [...events, ...more];
  }

  // Events of the first `columns` columns after event `last`.
  upTo(columns, _last) {
    return columns;
  }

  // What one event, or column, is called.
  words(events, _trace, at) {
    return events[at].map((value, k) => `${this.model.inputs[k]} ${formatNumber(value)}`).join(", ");
  }
}

class Text extends Values {
  constructor(model) {
    super(model);
    this.hint = model.kind === "tokens" ? "read token by token" : "read word by word";
    this.accept = ".txt,text/plain";
  }

  parse(text) {
    if (!text.trim()) throw new Error("There is no text: type or paste some, or load a file.");
    return text;
  }

  // Parts of a text, cut before white space, or of events that a trace gave.
  parts(events, most = MOST_CHARACTERS) {
    if (typeof events !== "string") return super.parts(events);
    if (most === 1) return events.match(this.model.kind === "tokens" ? /[\s\S]/gu : /\S+/gu) ?? [];
    return events.match(new RegExp(`[\\s\\S]{1,${most}}(?=\\s|$)|[\\s\\S]{1,${most}}`, "gu")) ?? [];
  }

  words(_events, trace, at) {
    return `“${tokenName(trace.tokens[at])}”`;
  }
}

class Sound extends Values {
  constructor(model) {
    super(model);
    this.hint = `a file of sound, read at ${model.rate.toLocaleString("en")} samples a second`;
    this.accept = "audio/*";
    this.none = new Float32Array(0);
    this.loaded = this.none;
  }

  parse() {
    if (!this.loaded.length) throw new Error("There is no sound: load a file.");
    return this.loaded;
  }

  // Decode a file to samples of one channel at the model's rate.
  async read(file) {
    const context = new OfflineAudioContext(1, 1, this.model.rate);
    const buffer = await context.decodeAudioData(await file.arrayBuffer()).catch(() => {
      throw new Error(`${file.name} is no sound that this browser can decode.`);
    });
    const mono = new Float32Array(buffer.length);
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      buffer.getChannelData(channel).forEach((sample, k) => (mono[k] += sample / buffer.numberOfChannels));
    }
    this.loaded = mono;
    return `${file.name}, ${(mono.length / this.model.rate).toFixed(1)} s`;
  }

  parts(events, most = MOST_COLUMNS) {
    return super.parts(events, (most === 1 ? 5 : most) * this.model.hop);
  }

  join(events, more) {
    const joined = new Float32Array(events.length + more.length);
    joined.set(events);
    joined.set(more, events.length);
    return joined;
  }

  upTo(columns, last) {
    if (!columns) return 0;
    const { window, hop } = this.model;
    const before = last < window ? 0 : 1 + Math.floor((last - window) / hop);
    return window + (before + columns - 1) * hop - last;
  }

  words(_events, _trace, at, last) {
    return `${((last + this.upTo(at + 1, last)) / this.model.rate).toFixed(2)} s`;
  }
}

export const tokenName = (token) => (token === "" ? "end" : token.replaceAll(" ", "␣").replaceAll("\n", "⏎"));

export function eventsOf(model) {
  return new { values: Values, text: Text, sound: Sound }[model.reads](model);
}
