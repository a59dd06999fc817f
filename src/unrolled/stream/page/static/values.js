// Values from text that was typed, pasted or read from a file.

// Parse text into steps of `width` numbers; null is a missing value. Of a width of 1, all that is parted by blanks,
// commas or line ends is a step; else a line, or what stands between semicolons, is one.
// A first line without a number is a header. Throws a sentence.
export function parseSteps(text, width) {
  const lines = text.split(/[\n\r;]+/).map((line) => line.trim()).filter(Boolean);
  if (lines.length > 1 && cells(lines[0]).every((cell) => Number.isNaN(toNumber(cell)))) lines.shift();
  const rows = lines.map(cells);
  const steps = width === 1 ? rows.flat().map((cell) => [cell]) : rows;
  return steps.map((row, k) => {
    if (row.length !== width) {
      throw new Error(`Step ${k + 1}: expected ${width} values, got ${row.length}. Write a step a line, values parted by commas.`);
    }
    return row.map((cell) => {
      const number = toNumber(cell);
      if (Number.isNaN(number)) throw new Error(`Step ${k + 1}: expected numbers, got “${cell}”.`);
      return number;
    });
  });
}

function cells(line) {
  return line.split(/[\s,]+/).filter(Boolean);
}

function toNumber(cell) {
  if (/^(nan|na|null|none|-)$/i.test(cell)) return null;
  return cell === "" || !Number.isFinite(Number(cell)) ? NaN : Number(cell);
}

export function formatNumber(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
}

export function shuffled(items) {
  const copy = [...items];
  for (let k = copy.length - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1));
    [copy[k], copy[other]] = [copy[other], copy[k]];
  }
  return copy;
}
