// Shared by all parts of the page: the data, the state, and small helpers.

const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);
const MOVIE = DATA.movie;
const FRAMES = byId("frames").textContent.split("\n").filter(Boolean); // parsed one by one, when shown
byId("frames").textContent = "";
const NUMBERS = DATA.cells.numbers;
const N_CELLS = NUMBERS.track_id.length;
const DASH = "–";

// Cells: positions in movie pixels, by frame number. Deltas are undone once.
const CELLS = DATA.cells.paths.map((path, index) => {
  const n = path.y.length;
  const frames = new Int32Array(n), y = new Float32Array(n), x = new Float32Array(n), jumps = new Uint8Array(n);
  let k = 0, sumY = 0, sumX = 0;
  for (const [first, count] of path.runs) for (let t = first; t < first + count; t++) frames[k++] = t;
  for (let i = 0; i < n; i++) {
    y[i] = (sumY += path.y[i]) / 10;
    x[i] = (sumX += path.x[i]) / 10;
  }
  return { index, id: NUMBERS.track_id[index], frames, y, x, jumps, speeds: path.v, saltations: [], long: NUMBERS.long_enough[index] === 1 };
});
for (const [cell, first, last, length, speed, direction, censored] of DATA.cells.saltations) {
  const own = CELLS[cell];
  own.saltations.push({ first, last, length, speed, direction, censored });
  // jumps[i]: the step that ends at position i belongs to a saltation.
  for (let i = rowAt(own, first) + 1; i < own.frames.length && own.frames[i] <= last; i++) own.jumps[i] = 1;
}
const SHIFT = new Map(DATA.cells.shifts.map(([frame, y, x]) => [frame, [y, x]]));
CELLS.forEach((cell) => { cell.speeds = cell.speeds.map((v) => (v === null ? null : v / 10)); });

// The last position at or before a frame: its row, or -1.
function rowAt(cell, frame) {
  let low = 0, high = cell.frames.length - 1, found = -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (cell.frames[middle] <= frame) { found = middle; low = middle + 1; } else high = middle - 1;
  }
  return found;
}
const seenAt = (cell, frame) => { const row = rowAt(cell, frame); return row >= 0 && cell.frames[row] === frame ? row : -1; };
const jumpsAt = (cell, frame) => cell.saltations.some((s) => s.first <= frame && frame <= s.last);
// Micrometres from the first position, without stage drift: (y, x).
function fromOrigin(cell) {
  const at = (i) => {
    const shift = SHIFT.get(cell.frames[i]) || [0, 0];
    return [cell.y[i] * MOVIE.pixel_size_um - shift[0], cell.x[i] * MOVIE.pixel_size_um - shift[1]];
  };
  if (!cell.origin) {
    const [y0, x0] = at(0);
    cell.origin = Array.from(cell.frames, (_, i) => { const [y, x] = at(i); return [y - y0, x - x0]; });
  }
  return cell.origin;
}

// State: `shown` counts embedded frames, `cell` is an index or -1.
const state = { shown: 0, cell: -1 };
const heard = { shown: [], cell: [], theme: [] };
const on = (what, then) => what.split(" ").forEach((name) => heard[name].push(then));
const tell = (what) => heard[what].forEach((then) => then());
const frameNow = () => MOVIE.frames[state.shown];
const hours = (frame) => MOVIE.times_h ? MOVIE.times_h[frame] : frame * MOVIE.frame_interval_h;
function show(shown) {
  const wanted = Math.max(0, Math.min(MOVIE.frames.length - 1, Math.round(shown)));
  if (wanted !== state.shown) { state.shown = wanted; tell("shown"); }
}
function showTime(h) {
  let best = 0;
  MOVIE.frames.forEach((t, i) => { if (Math.abs(hours(t) - h) < Math.abs(hours(MOVIE.frames[best]) - h)) best = i; });
  show(best);
}
function choose(index, { seek = false } = {}) {
  state.cell = index;
  if (index >= 0 && seek && seenAt(CELLS[index], frameNow()) < 0) showTime(hours(CELLS[index].frames[0]));
  tell("cell");
  byId("announce").textContent = index < 0 ? "No cell selected" : `Cell ${CELLS[index].id}: ${counted(CELLS[index].saltations.length, "saltation")}`;
}

// Numbers as text: three significant digits.
function words(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value === 0) return "0";
  const places = Math.min(4, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)) + 1e-12)));
  return value.toFixed(places).replace("-", "−");
}

const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// An axis tick label: no more digits than needed.
const plain = (v) => (Math.abs(v) >= 1e5 ? v.toExponential(0) : String(Number(v.toPrecision(6)))).replace("-", "−");

function element(tag, attributes = {}, children = []) {
  const SHAPES = ["svg", "g", "path", "line", "rect", "circle", "text", "title", "desc", "image", "polyline"];
  const node = SHAPES.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  for (const child of [].concat(children)) node.append(child);
  return node;
}
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tell("theme"));

// Size a canvas to its box in device pixels; returns a context in CSS pixels.
function fitted(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

// One tooltip for everything with data-tip: pointer, focus or tap.
const tip = byId("tip");
function showTip(target) {
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const at = target.getBoundingClientRect();
  const left = Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, at.left));
  const below = at.bottom + 6 + tip.offsetHeight < innerHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? at.bottom + 6 : at.top - tip.offsetHeight - 6}px`;
  target.setAttribute("aria-describedby", "tip");
}
const hideTip = () => { tip.hidden = true; };
for (const [event, act] of [["mouseover", showTip], ["focusin", showTip], ["click", showTip], ["mouseout", hideTip], ["focusout", hideTip]]) {
  document.addEventListener(event, (e) => { const target = e.target.closest?.("[data-tip]"); if (target) act(target); });
}
addEventListener("scroll", hideTip, { passive: true, capture: true });
