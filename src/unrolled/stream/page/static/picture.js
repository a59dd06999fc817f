// Drawings: a column a step, a row a unit; lines of inputs and answers; the fan of a forecast.

export const PALETTE = ["#0067a8", "#b4530a", "#0b6b4f", "#8e3f7c", "#6f5f00", "#4b4f9e", "#5b6570", "#1d2329", "#a3390f"];
const [INK, MUTED, RULE] = ["#1d2329", "#5b6570", "#e6e4de"];
const [LOW, MIDDLE, HIGH] = [[0, 103, 168], [250, 249, 246], [180, 83, 10]]; // of -1, 0, 1

export const colourOf = (k) => PALETTE[k % PALETTE.length];

// Width of a column in CSS pixels: few steps get wide ones, none less than `least`.
export function columnWidth(steps, available, least = 4) {
  return Math.max(least, Math.min(24, Math.floor(available / Math.max(steps, 1))));
}

function prepare(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

function colour(value, limit) {
  const share = Math.max(-1, Math.min(1, value / limit));
  const end = share < 0 ? LOW : HIGH;
  const mixed = MIDDLE.map((from, k) => Math.round(from + Math.abs(share) * (end[k] - from)));
  return `rgb(${mixed.join(",")})`;
}

// Draw rows (T, H): unit h of step t as a cell, blue below 0, orange above.
export function drawHeat(canvas, rows, { column, limit, cursor }) {
  const units = rows[0]?.length ?? 0;
  const height = Math.max(2, Math.min(6, Math.floor(192 / Math.max(units, 1))));
  const context = prepare(canvas, rows.length * column, units * height);
  rows.forEach((row, t) =>
    row.forEach((value, unit) => {
      context.fillStyle = colour(value, limit);
      context.fillRect(t * column, unit * height, column - (column > 6 ? 1 : 0), height);
    }),
  );
  markCursor(context, cursor, column, units * height);
}

// Draw the names of T steps, one a column: letters upright, words from the bottom up.
export function drawNames(canvas, names, { column, cursor }) {
  const isUpright = names.every((name) => name.length <= 1);
  const height = isUpright ? 24 : 90;
  const context = prepare(canvas, names.length * column, height);
  context.fillStyle = INK;
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.textAlign = isUpright ? "center" : "left";
  names.forEach((name, t) => {
    context.save();
    context.translate((t + 0.5) * column, isUpright ? height / 2 : height - 4);
    if (!isUpright) context.rotate(-Math.PI / 2);
    context.fillText(name, 0, 0, isUpright ? Math.max(column, 13) : height - 8);
    context.restore();
  });
  markCursor(context, cursor, column, height);
}

// Draw rows (T, K) as K lines between `low` and `high`, points where there is one step.
export function drawLines(canvas, rows, { column, cursor, low, high, height = 90 }) {
  const context = prepare(canvas, rows.length * column, height);
  const y = (value) => height - 6 - ((value - low) / (high - low || 1)) * (height - 12);
  context.strokeStyle = RULE;
  context.beginPath();
  for (const at of [low, high]) {
    context.moveTo(0, y(at));
    context.lineTo(rows.length * column, y(at));
  }
  context.stroke();
  for (let k = 0; k < (rows[0]?.length ?? 0); k++) {
    context.strokeStyle = context.fillStyle = colourOf(k);
    context.lineWidth = 2;
    let isDown = false;
    context.beginPath();
    rows.forEach((row, t) => {
      const value = row[k];
      if (value === null || value === undefined) {
        isDown = false;
        return;
      }
      const x = (t + 0.5) * column;
      if (isDown) context.lineTo(x, y(value));
      else context.moveTo(x, y(value));
      isDown = true;
      if (column >= 10) context.fillRect(x - 2, y(value) - 2, 4, 4);
    });
    context.stroke();
  }
  markCursor(context, cursor, column, height);
}

function markCursor(context, cursor, column, height) {
  context.strokeStyle = INK;
  context.lineWidth = 1.5;
  context.strokeRect(cursor * column + 0.5, 0.75, Math.max(column - 1, 2), height - 1.5);
}

// Draw past values, and the forecast of the steps after them: the median within its band.
export function drawFan(canvas, past, forecast, isLog) {
  const [width, height, left, bottom] = [canvas.clientWidth || 320, 256, 56, 22];
  const context = prepare(canvas, width, height);
  canvas.style.width = "100%";
  const horizon = forecast.median.length;
  const shown = past.slice(-Math.max(3 * horizon, 20));
  const numbers = [...shown, ...forecast.median, ...forecast.lo, ...forecast.hi].filter((value) => value !== null);
  const canLog = isLog && Math.min(...numbers) > 0;
  const scale = canLog ? Math.log : (value) => value;
  const [low, high] = [scale(Math.min(...numbers)), scale(Math.max(...numbers))];
  const x = (t) => left + ((t + 0.5) / (shown.length + horizon)) * (width - left - 20);
  const y = (value) => height - bottom - ((scale(value) - low) / (high - low || 1)) * (height - bottom - 12);
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "right";
  for (let k = 0; k <= 4; k++) {
    const at = low + (k / 4) * (high - low);
    const value = canLog ? Math.exp(at) : at;
    context.strokeStyle = RULE;
    context.beginPath();
    context.moveTo(left, y(value));
    context.lineTo(width - 12, y(value));
    context.stroke();
    context.fillStyle = MUTED;
    context.fillText(short(value), left - 6, y(value) + 4);
  }
  context.textAlign = "center";
  context.fillText("now", x(shown.length - 1), height - 6);
  context.fillText(`+${horizon}`, x(shown.length + horizon - 1), height - 6);
  if (forecast.median[0] !== null) {
    context.fillStyle = "rgba(180, 83, 10, 0.18)";
    context.beginPath();
    forecast.lo.forEach((value, k) => context.lineTo(x(shown.length + k), y(value)));
    for (let k = horizon - 1; k >= 0; k--) context.lineTo(x(shown.length + k), y(forecast.hi[k]));
    context.fill();
    line(context, forecast.median.map((value, k) => [x(shown.length + k), y(value)]), "#b4530a");
  }
  line(context, shown.map((value, t) => [x(t), value === null ? null : y(value)]), "#0067a8");
  return canLog === isLog;
}

function line(context, points, stroke) {
  context.strokeStyle = context.fillStyle = stroke;
  context.lineWidth = 2;
  context.beginPath();
  let isDown = false;
  for (const [x, y] of points) {
    if (y === null) isDown = false;
    else if (isDown) context.lineTo(x, y);
    else {
      context.moveTo(x, y);
      isDown = true;
    }
  }
  context.stroke();
  if (points.length === 1 && points[0][1] !== null) context.fillRect(points[0][0] - 2, points[0][1] - 2, 4, 4);
}

function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-2 || size >= 1e5)) return value.toExponential(1);
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 4 });
}
