// The selected cell: its speed, path and numbers; and the table of all cells.

const traceBox = byId("trace"), MARGIN = { left: 46, right: 12, top: 20, bottom: 34 }, TRACE_HEIGHT = 214;
const order = CELLS.map((cell) => cell.index); // as sorted in the table

// [column, label, unit factor, unit]
const LABELS = {
  n_found: "Saltations", n_saltations: "with an observed start", frequency_corrected_per_h: "Frequency, corrected", frequency_per_h: "Frequency, uncorrected",
  mean_length_um: "Mean length", mobile_speed_um_per_h: "Speed when mobile", mean_pause_h: "Mean pause", pause_fraction: "Time in pauses",
  average_speed_um_per_h: "Average speed", path_um: "Path", net_um: "Net distance", straightness: "Straightness", direction_deg: "Direction",
  observed_h: "Observed",
};
const meaning = (column) => { const text = DATA.columns[column].meaning; return text[0].toUpperCase() + text.slice(1) + "."; };
const unitOf = (column) => DATA.columns[column].unit;
const digitsOf = (column) => (["n_found", "n_saltations", "direction_deg"].includes(column) ? 0 : 3);
function valueOf(column, index) {
  const value = NUMBERS[column][index];
  if (value === null || value === undefined) return DASH;
  return digitsOf(column) ? words(value) : String(Math.round(value)).replace("-", "−");
}

function neighbour(by) {
  if (!N_CELLS) return;
  const at = order.indexOf(state.cell);
  choose(order[at < 0 ? 0 : (at + by + N_CELLS) % N_CELLS], { seek: true });
}
byId("previous-cell").addEventListener("click", () => neighbour(-1));
byId("next-cell").addEventListener("click", () => neighbour(1));

// Round numbers that cover low to high.
function ticks(low, high, about = 5) {
  const raw = (high - low) / about || 1, power = 10 ** Math.floor(Math.log10(raw));
  const each = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / each - 1e-9); k * each <= high + 1e-9 * each; k++) found.push(Number((k * each).toPrecision(10)));
  return found;
}

let timeToX = null, xToTime = null;
function drawTrace() {
  const { svg, toX, toTime } = traceOf(CELLS[state.cell], Math.max(260, traceBox.clientWidth));
  [timeToX, xToTime] = [toX, toTime];
  svg.append(element("line", { id: "cursor", y1: MARGIN.top - 2, y2: TRACE_HEIGHT - MARGIN.bottom, class: "cursor" }));
  traceBox.replaceChildren(svg);
  traceBox.setAttribute("aria-valuemax", hours(Math.max(1, MOVIE.n_frames - 1)).toFixed(2));
  moveCursor();
}
// The speed of a cell over time, as a drawing, with the functions from hours to positions and back.
function traceOf(cell, width) {
  const { left, right, top, bottom } = MARGIN, last = hours(Math.max(1, MOVIE.n_frames - 1)), height = TRACE_HEIGHT;
  const toX = (h) => left + (h / last) * (width - left - right);
  const toTime = (x) => ((x - left) / (width - left - right)) * last;
  const speeds = cell ? cell.speeds.filter((v) => v !== null) : [];
  const threshold = MOVIE.threshold_um_per_h;
  const most = Math.max(20, (threshold || 0) * 1.5, ...speeds) * 1.08;
  const toY = (v) => height - bottom - (v / most) * (height - top - bottom);
  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const v of ticks(0, most, 4)) {
    svg.append(element("line", { x1: left, x2: width - right, y1: toY(v), y2: toY(v), class: "grid" }));
    svg.append(element("text", { x: left - 6, y: toY(v) + 4, class: "tick end" }, plain(v)));
  }
  for (const h of ticks(0, last, 6)) svg.append(element("text", { x: toX(h), y: height - bottom + 16, class: "tick middle" }, plain(h)));
  svg.append(element("text", { x: (left + width - right) / 2, y: height - 3, class: "axis middle" }, "time (h)"));
  svg.append(element("text", { x: 4, y: 12, class: "axis" }, "µm/h"));
  for (const s of cell ? cell.saltations : []) {
    const x = toX(hours(s.first)), wide = toX(hours(s.last)) - x;
    const band = element("rect", { x, width: wide, y: top, height: height - top - bottom, class: `band${s.censored ? " cut" : ""}` });
    band.append(element("title", {}, `${words(s.length)} µm in ${words(hours(s.last) - hours(s.first))} h${s.censored ? ", incomplete" : ""}`));
    svg.append(band);
    if (wide > 7 || cell.saltations.length < 12) svg.append(element("text", { x: x + wide / 2, y: top - 5, class: "tick middle jump" }, `${Math.round(s.length)}`));
  }
  if (threshold !== null && cell) svg.append(element("line", { x1: left, x2: width - right, y1: toY(threshold), y2: toY(threshold), class: "threshold" }));
  if (cell) svg.append(element("path", { d: speedPath(cell, toX, toY), class: "speed" }));
  if (threshold !== null && cell) svg.append(element("text", { x: width - right - 3, y: toY(threshold) - 4, class: "tick end threshold-text" }, `threshold ${plain(Math.round(threshold * 10) / 10)}`));
  return { svg, toX, toTime };
}
// A step's speed holds from its first frame to its second.
function speedPath(cell, toX, toY) {
  let path = "", pen = false;
  cell.speeds.forEach((v, i) => {
    if (v === null) { pen = false; return; }
    const from = toX(hours(cell.frames[i])).toFixed(1), to = toX(hours(cell.frames[i + 1])).toFixed(1), y = toY(v).toFixed(1);
    path += `${pen ? "L" : "M"}${from} ${y}L${to} ${y}`;
    pen = true;
  });
  return path;
}
function moveCursor() {
  const cursor = byId("cursor"), h = hours(frameNow());
  if (!cursor) return;
  cursor.setAttribute("x1", timeToX(h));
  cursor.setAttribute("x2", timeToX(h));
  traceBox.setAttribute("aria-valuenow", h.toFixed(2));
  traceBox.setAttribute("aria-valuetext", `${h.toFixed(1)} h`);
}
let seeking = false;
const seek = (e) => { play(false); showTime(xToTime(e.clientX - traceBox.getBoundingClientRect().left)); };
traceBox.addEventListener("pointerdown", (e) => { seeking = true; traceBox.setPointerCapture(e.pointerId); seek(e); });
traceBox.addEventListener("pointermove", (e) => { if (seeking) seek(e); });
for (const end of ["pointerup", "pointercancel"]) traceBox.addEventListener(end, () => { seeking = false; });

// A path in µm with equal scales: segments by state, a dot at its start, one at the current position.
function drawPath() {
  const box = byId("path"), cell = CELLS[state.cell], size = 190, rim = 16;
  box.replaceChildren();
  const svg = element("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": cell ? `Path of cell ${cell.id}` : "No path" });
  box.append(svg);
  if (!cell) return;
  const places = fromOrigin(cell);
  let [top, left, bottom, right] = [0, 0, 0, 0];
  for (const [y, x] of places) { top = Math.min(top, y); bottom = Math.max(bottom, y); left = Math.min(left, x); right = Math.max(right, x); }
  const span = Math.max(bottom - top, right - left, 10), scale = (size - 2 * rim - 14) / span;
  const toX = (x) => size / 2 + (x - (left + right) / 2) * scale, toY = (y) => size / 2 - 7 + (y - (top + bottom) / 2) * scale;
  for (const jumps of [0, 1]) {
    let d = "";
    for (let i = 1; i < places.length; i++) if (cell.jumps[i] === jumps) d += `M${toX(places[i - 1][1]).toFixed(1)} ${toY(places[i - 1][0]).toFixed(1)}L${toX(places[i][1]).toFixed(1)} ${toY(places[i][0]).toFixed(1)}`;
    svg.append(element("path", { d, class: jumps ? "walk jump" : "walk" }));
  }
  svg.append(element("circle", { cx: toX(0), cy: toY(0), r: 4, class: "start" }, element("title", {}, "start")));
  svg.append(element("circle", { id: "here", r: 5, class: "here" }));
  const most = span / 2.2, power = 10 ** Math.floor(Math.log10(most)), um = [5, 2, 1].map((k) => k * power).find((k) => k <= most);
  svg.append(element("line", { x1: rim, x2: rim + um * scale, y1: size - 6, y2: size - 6, class: "scale" }));
  svg.append(element("text", { x: rim + um * scale + 6, y: size - 2, class: "tick" }, `${um} µm`));
  box.place = ([y, x]) => [toX(x), toY(y)];
  moveHere();
}
function moveHere() {
  const here = byId("here"), cell = CELLS[state.cell];
  if (!here || !cell) return;
  const row = rowAt(cell, frameNow());
  here.style.display = row < 0 ? "none" : "";
  if (row >= 0) { const [x, y] = byId("path").place(fromOrigin(cell)[row]); here.setAttribute("cx", x); here.setAttribute("cy", y); }
}

function drawNumbers() {
  const box = byId("cell-numbers"), cell = CELLS[state.cell];
  box.replaceChildren();
  byId("cell").classList.toggle("empty", !cell);
  for (const button of document.querySelectorAll(".saving button, #to-row")) button.disabled = !cell;
  byId("cell-title").textContent = cell ? `Cell ${cell.id}` : "No cell selected";
  if (!cell) {
    byId("cell-summary").textContent = N_CELLS ? "Click a cell in the movie or in the table." : "There are no cells in this movie.";
    return;
  }
  const short = cell.long ? "" : " Its track is too short: not included in the numbers above.";
  byId("cell-summary").textContent = `Seen from ${words(NUMBERS.start_h[cell.index])} to ${words(NUMBERS.end_h[cell.index])} h, in ${NUMBERS.n_frames[cell.index]} frames.${short}`;
  const add = (label, tipText, value, unit) => box.append(element("div", {}, [
    element("dt", {}, element("button", { type: "button", class: "tip", "data-tip": tipText }, label)),
    element("dd", {}, [element("b", {}, value), value === DASH ? "" : ` ${unit}`]),
  ]));
  for (const [column, label] of Object.entries(LABELS)) add(label, meaning(column), valueOf(column, cell.index), unitOf(column));
  if (DATA.cells.area_um2) add("Soma area", "Median area within its outline.", words(DATA.cells.area_um2[cell.index]), "µm²");
}

// The table
const TABLE = [
  ["track_id", "Cell"], ["observed_h", "Observed"], ["n_found", "Saltations"], ["frequency_corrected_per_h", "Frequency"],
  ["mean_length_um", "Length"], ["mobile_speed_um_per_h", "Mobile speed"], ["mean_pause_h", "Pause"], ["pause_fraction", "In pauses"],
  ["average_speed_um_per_h", "Average speed"], ["straightness", "Straightness"], ["net_um", "Net distance"], ["direction_deg", "Direction"],
];
const sorting = { column: "track_id", down: false };
const rows = [];
function buildTable() {
  const head = element("tr");
  for (const [column, label] of TABLE) {
    const unit = unitOf(column);
    const button = element("button", { type: "button", class: "sort", "data-tip": meaning(column) }, [label, unit ? element("span", { class: "unit" }, unit) : ""]);
    button.addEventListener("click", () => {
      sorting.down = sorting.column === column ? !sorting.down : column !== "track_id";
      sorting.column = column;
      sortTable();
    });
    head.append(element("th", { scope: "col", "data-column": column }, button));
  }
  byId("cells").tHead.append(head);
  const body = byId("cells").tBodies[0];
  for (const cell of CELLS) {
    const row = element("tr", cell.long ? {} : { class: "short" });
    TABLE.forEach(([column], i) => {
      if (i) row.append(element("td", {}, valueOf(column, cell.index)));
      else row.append(element("th", { scope: "row" }, element("button", { type: "button" }, [String(cell.id), cell.long ? "" : element("span", { class: "tag" }, "short")])));
    });
    row.addEventListener("click", () => { choose(cell.index, { seek: true }); toMovie(); });
    rows[cell.index] = row;
  }
  const short = CELLS.filter((cell) => !cell.long).length;
  byId("cells-note").textContent = !N_CELLS ? "No cells." : `Click a heading to sort, a row to see its cell in the movie.${short ? ` Grey: ${short} observed too briefly, not in the summary.` : ""}`;
  sortTable();
}
function sortTable() {
  const values = NUMBERS[sorting.column], sign = sorting.down ? -1 : 1;
  const missing = (i) => values[i] === null;
  order.sort((a, b) => missing(a) - missing(b) || sign * (values[a] - values[b]) || a - b);
  byId("cells").tBodies[0].replaceChildren(...order.map((i) => rows[i]));
  for (const th of byId("cells").tHead.querySelectorAll("th")) {
    if (th.dataset.column === sorting.column) th.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
}
let marked = null;
function markRow() {
  marked?.removeAttribute("aria-current");
  marked = rows[state.cell];
  if (!marked) return;
  marked.setAttribute("aria-current", "true");
  const box = byId("cells-box"), head = byId("cells").tHead.offsetHeight;
  if (marked.offsetTop < box.scrollTop + head) box.scrollTop = marked.offsetTop - head;
  if (marked.offsetTop + marked.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = marked.offsetTop + marked.offsetHeight - box.clientHeight;
}

byId("to-row").addEventListener("click", () => {
  const row = rows[state.cell];
  if (!row) return;
  byId("cells-title").scrollIntoView({ block: "start" });
  row.querySelector("button").focus({ preventScroll: true });
});

buildTable();
on("cell", () => { drawTrace(); drawPath(); drawNumbers(); markRow(); });
on("shown", () => { moveCursor(); moveHere(); });
let traceWidth = 0;
new ResizeObserver(() => { if (traceBox.clientWidth !== traceWidth) { traceWidth = traceBox.clientWidth; drawTrace(); } }).observe(traceBox);
