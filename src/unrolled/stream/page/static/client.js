// Client of the server's streams: numbers the events of one stream, and sends again what has no answer.

const RETRY_MS = [200, 500, 1000, 2000, 5000];

export class Fault extends Error {
  constructor(code, message, record = {}) {
    super(message);
    this.code = code;
    this.record = record;
  }
}

// Requests beside steps: the model, names, snapshots, traces.
export class Requests {
  constructor() {
    this.token = null;
  }

  async json(path, options = {}) {
    return (await this.fetch(path, options)).json();
  }

  async fetch(path, options = {}) {
    const headers = { ...options.headers };
    if (this.token !== null) headers.authorization = `Bearer ${this.token}`;
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch {
      throw new Fault("unreachable", "The server does not answer.");
    }
    if (response.ok) return response;
    const record = await response.json().catch(() => ({}));
    throw new Fault(record.error ?? "internal", record.message ?? `The server answered ${response.status}.`, record);
  }

  trace(snapshot, x, network, start) {
    return this.json("/trace", { method: "POST", body: encode({ snapshot, network, start }, x) });
  }

  // Text that a language model writes on from where a stream is, and the events that it is.
  generate(stream, settings) {
    const path = `/streams/${encodeURIComponent(stream)}/generate`;
    return this.json(path, { method: "POST", body: JSON.stringify(settings) });
  }

  async snapshot(stream) {
    const response = await this.fetch(`/streams/${encodeURIComponent(stream)}/snapshot`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { last: Number(response.headers.get("unrolled-last")), blob: toBase64(bytes) };
  }

  restore(stream, last, blob) {
    const body = Uint8Array.from(atob(blob), (character) => character.charCodeAt(0));
    return this.json(`/streams/${encodeURIComponent(stream)}/snapshot?last=${last}`, { method: "PUT", body });
  }
}

// Steps of one stream over a WebSocket. One message at a time is without an answer.
export class StepSocket {
  constructor(stream, token, onConnection) {
    this.stream = stream;
    this.token = token;
    this.onConnection = onConnection;
    this.waiting = null; // the message without an answer: { message, resolve, reject }
    this.failures = 0;
    this.isClosed = false;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/streams`);
    this.socket.onopen = () => {
      if (this.token !== null) this.socket.send(JSON.stringify({ token: this.token }));
      this.failures = 0;
      this.onConnection(true);
      if (this.waiting) this.socket.send(this.waiting.message);
    };
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = () => {
      if (this.isClosed) return;
      this.onConnection(false);
      setTimeout(() => this.isClosed || this.open(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
    };
  }

  receive(record) {
    if (record.ready || !this.waiting) return;
    if (record.error === "draining" || record.error === "busy") {
      setTimeout(() => this.waiting && this.socket.readyState === 1 && this.socket.send(this.waiting.message), 500);
      return;
    }
    const { resolve, reject } = this.waiting;
    this.waiting = null;
    if (record.error) reject(new Fault(record.error, record.message, record));
    else resolve(record);
  }

  // Apply events, of which the first has the number n, and the stream's first the time `start`; resolves when they
  // are stored.
  send(n, x, start) {
    return this.ask(encode(n === 1 && start ? { stream: this.stream, n, start } : { stream: this.stream, n }, x));
  }

  // Return the number of the stream's last event; 0 where there is no such stream.
  async last() {
    return (await this.ask(JSON.stringify({ stream: this.stream }))).last;
  }

  ask(message) {
    return new Promise((resolve, reject) => {
      this.waiting = { message, resolve, reject };
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
    });
  }

  close() {
    this.isClosed = true;
    this.socket.close();
    this.waiting?.reject(new Fault("closed", "The stream was closed."));
    this.waiting = null;
  }
}

// Write a message: events as JSON, or samples as bytes behind a line of it.
function encode(head, x) {
  if (!(x instanceof Float32Array)) return JSON.stringify({ ...head, x });
  return new Blob([`${JSON.stringify({ ...head, dtype: "float32" })}\n`, x]);
}

function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
