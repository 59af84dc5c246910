// The movie as a whole: paths, directions, distributions, displacement and persistence.

const PLOTS = DATA.plots, plotBox = byId("plots"), WIDE = 380, TALL = 270;

// A drawing with its title, what it shows in words, and a button that saves it; `svg` makes it where it is a canvas.
function figure(title, drawing, note, svg = () => drawing) {
  const what = title.toLowerCase().replaceAll(" ", "_"), about = note || "";
  const make = () => {
    const [, , width, height] = svg().getAttribute("viewBox").split(" ").map(Number);
    return standalone(`${MOVIE.title}: ${title}`, { width: width + 16, height: height + 44, parts: [placed(svg(), 8, 36, width, height)], about });
  };
  const empty = drawing.classList.contains("nothing-to-show");
  const head = element("div", { class: "figure-head" }, [element("figcaption", {}, title), ...(empty ? [] : [saver(what, `the figure ${title}`, make)])]);
  plotBox.append(element("figure", { class: "box plot" }, [head, drawing, ...(note ? [element("p", { class: "small muted" }, note)] : [])]));
}
const nothing = (why) => element("p", { class: "nothing-to-show" }, why);

// A frame with axes; returns the drawing and the functions from values to positions.
function axes({ x: [x0, x1], y: [y0, y1], xLabel, yLabel, log = false, label }) {
  const left = 52, right = 14, top = 14, bottom = 42;
  const svg = element("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", "aria-label": label });
  const f = log ? Math.log10 : (v) => v;
  const toX = (v) => left + ((f(v) - f(x0)) / (f(x1) - f(x0))) * (WIDE - left - right);
  const toY = (v) => TALL - bottom - ((f(v) - f(y0)) / (f(y1) - f(y0))) * (TALL - top - bottom);
  const marks = (low, high, about) => (log ? logTicks(low, high) : ticks(low, high, about));
  for (const v of marks(y0, y1, 4)) {
    svg.append(element("line", { x1: left, x2: WIDE - right, y1: toY(v), y2: toY(v), class: "grid" }));
    svg.append(element("text", { x: left - 6, y: toY(v) + 4, class: "tick end" }, plain(v)));
  }
  for (const v of marks(x0, x1, 6)) {
    svg.append(element("line", { x1: toX(v), x2: toX(v), y1: TALL - bottom, y2: TALL - bottom + 4, class: "base" }));
    svg.append(element("text", { x: toX(v), y: TALL - bottom + 17, class: "tick middle" }, plain(v)));
  }
  svg.append(element("line", { x1: left, x2: WIDE - right, y1: TALL - bottom, y2: TALL - bottom, class: "base" }));
  svg.append(element("text", { x: (left + WIDE - right) / 2, y: TALL - 6, class: "axis middle" }, xLabel));
  svg.append(element("text", { x: 12, y: (top + TALL - bottom) / 2, class: "axis middle", transform: `rotate(-90 12 ${(top + TALL - bottom) / 2})` }, yLabel));
  return { svg, toX, toY };
}
function logTicks(low, high) {
  const found = [], decades = Math.log10(high / low);
  const steps = decades > 4 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) {
    for (const k of steps) { const v = k * 10 ** p; if (v >= low * 0.999 && v <= high * 1.001) found.push(v); }
  }
  return found;
}
const line = (points, toX, toY) => points.map(([x, y], i) => `${i ? "L" : "M"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join("");

// Tracks from a common origin
function originPlot() {
  if (!N_CELLS) return void figure("Paths from a common start", nothing("No cells."));
  const canvas = element("canvas", { class: "square", role: "img", "aria-label": "Paths of all cells, each from the same point; click one to select its cell" });
  figure("Paths from a common start", canvas, `Oriented as in the movie; ${[...SHIFT.values()].some(([y, x]) => y || x) ? "drift is removed" : "no drift is removed"}. Orange: saltations. Click a path to select its cell.`, svg);
  let reach = 10;
  for (const cell of CELLS) for (const [y, x] of fromOrigin(cell)) reach = Math.max(reach, Math.abs(y), Math.abs(x));
  reach *= 1.08;
  let scale = 1, middle = 0;
  const draw = () => {
    const { context, width } = fitted(canvas);
    middle = width / 2;
    scale = middle / reach;
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = colour("line");
    context.fillStyle = colour("muted");
    for (const um of ticks(0, reach, 3).filter(Boolean)) {
      context.beginPath();
      context.arc(middle, middle, um * scale, 0, 2 * Math.PI);
      context.stroke();
      context.fillText(`${um} µm`, middle + 4, middle - um * scale + 13);
    }
    const crowd = Math.max(0.25, Math.min(0.9, 12 / Math.sqrt(N_CELLS * 4)));
    const one = (cell, alpha, wide) => {
      const places = fromOrigin(cell), stride = Math.max(1, Math.floor(places.length / 400));
      const paths = [new Path2D(), new Path2D()];
      for (let i = stride; i < places.length; i += stride) {
        const path = paths[cell.jumps[i]];
        path.moveTo(middle + places[i - stride][1] * scale, middle + places[i - stride][0] * scale);
        path.lineTo(middle + places[i][1] * scale, middle + places[i][0] * scale);
      }
      context.globalAlpha = alpha;
      context.lineWidth = wide;
      paths.forEach((path, jumps) => { context.strokeStyle = colour(jumps ? "jump" : "rest"); context.stroke(path); });
      context.globalAlpha = 1;
    };
    const chosen = CELLS[state.cell];
    for (const cell of CELLS) if (cell !== chosen) one(cell, chosen ? crowd * 0.5 : crowd, 1.25);
    if (chosen) {
      one(chosen, 1, 3);
      const end = fromOrigin(chosen).at(-1);
      context.fillStyle = colour("ink");
      context.font = "600 13px system-ui, sans-serif";
      context.fillText(chosen.id, middle + end[1] * scale + 6, middle + end[0] * scale + 4);
    }
  };
  // The same as a drawing, 400 px wide.
  function svg() {
    const size = 400, half = size / 2, each = half / reach;
    const drawn = element("svg", { viewBox: `0 0 ${size} ${size}` });
    for (const um of ticks(0, reach, 3).filter(Boolean)) {
      drawn.append(element("circle", { cx: half, cy: half, r: um * each, class: "ring" }));
      drawn.append(element("text", { x: half + 4, y: half - um * each + 13, class: "tick" }, `${um} µm`));
    }
    for (const cell of CELLS) {
      const places = fromOrigin(cell);
      for (const jumps of [0, 1]) {
        let d = "";
        for (let i = 1; i < places.length; i++) if (cell.jumps[i] === jumps) d += `M${(half + places[i - 1][1] * each).toFixed(1)} ${(half + places[i - 1][0] * each).toFixed(1)}L${(half + places[i][1] * each).toFixed(1)} ${(half + places[i][0] * each).toFixed(1)}`;
        if (d) drawn.append(element("path", { d, class: jumps ? "thin walk jump" : "thin walk" }, element("title", {}, `cell ${cell.id}`)));
      }
    }
    return drawn;
  }
  canvas.addEventListener("click", (e) => {
    let nearest = -1, least = 15;
    for (const cell of CELLS) for (const [y, x] of fromOrigin(cell)) {
      const away = Math.hypot(middle + x * scale - e.offsetX, middle + y * scale - e.offsetY);
      if (away < least && Math.hypot(y, x) * scale > 8) { least = away; nearest = cell.index; }
    }
    if (nearest >= 0) choose(nearest, { seek: true });
  });
  on("cell theme", draw);
  new ResizeObserver(draw).observe(canvas);
}

// Directions: a petal's area is its share, so its radius scales with the square root.
function rose(title, directions, kind, note) {
  const n = directions.n || 0;
  if (!n) return void figure(title, nothing("No directions: nothing moved further than the noise."));
  const SECTORS = 16, size = 320, middle = size / 2, most = 112, turn = (2 * Math.PI) / SECTORS;
  const counts = new Array(SECTORS).fill(0);
  for (const angle of directions.angles_deg) counts[((Math.round((angle / 360) * SECTORS) % SECTORS) + SECTORS) % SECTORS]++;
  const peak = Math.max(...counts), svg = element("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", class: "rose" });
  const at = (angle, r) => `${(middle + r * Math.cos(angle)).toFixed(1)} ${(middle + r * Math.sin(angle)).toFixed(1)}`;
  const rings = ticks(0, peak, 3).filter((k) => k > 0 && Number.isInteger(k));
  for (const k of rings) {
    const r = most * Math.sqrt(k / peak);
    svg.append(element("circle", { cx: middle, cy: middle, r, class: "ring" }));
  }
  svg.append(element("circle", { cx: middle, cy: middle, r: most, class: "ring" }));
  counts.forEach((count, i) => {
    if (!count) return;
    const r = most * Math.sqrt(count / peak), a = (i - 0.5) * turn, b = (i + 0.5) * turn;
    const petal = element("path", { d: `M${middle} ${middle}L${at(a, r)}A${r} ${r} 0 0 1 ${at(b, r)}Z`, class: `petal ${kind}` });
    petal.append(element("title", {}, `${count} of ${n}`));
    svg.append(petal);
  });
  rings.forEach((k) => svg.append(element("text", { x: middle + 3, y: middle - most * Math.sqrt(k / peak) + 12, class: "tick halo" }, String(k))));
  const axis = (MOVIE.axis_deg * Math.PI) / 180;
  svg.append(element("path", { d: `M${at(axis + Math.PI, most + 6)}L${at(axis, most + 6)}`, class: "axis-line" }));
  svg.append(element("path", { d: `M${at(axis, most + 15)}L${at(axis + 0.04, most + 5)}L${at(axis - 0.04, most + 5)}Z`, class: "axis-head" }));
  const far = most + 20;
  for (const [word, y, x, side] of [["right", 4, far - 2, ""], ["left", 4, 2 - far, "end"], ["up", -far + 8, 0, "middle"], ["down", far, 0, "middle"]]) {
    svg.append(element("text", { x: middle + x, y: middle + y, class: `tick halo ${side}` }, word));
  }
  const jumping = kind === "jumping", R = directions.resultant;
  // A mean direction that is not estimated is not drawn.
  if (R && (jumping || PLOTS.directions.mean_known)) {
    const mean = ((directions.mean_deg + MOVIE.axis_deg) * Math.PI) / 180, tip = most * R;
    svg.append(element("path", { d: `M${middle} ${middle}L${at(mean, tip)}`, class: "mean" }));
    const back = Math.max(0, tip - 9);
    svg.append(element("path", { d: `M${at(mean, tip + 3)}L${at(mean + Math.min(0.9, 5 / Math.max(back, 4)), back)}L${at(mean - Math.min(0.9, 5 / Math.max(back, 4)), back)}Z`, class: "mean-head" }));
  }
  const p = PLOTS.directions.random_p, pWords = p === null ? DASH : p < 0.001 ? "< 0.001" : `= ${words(p, 2)}`;
  const number = (name, unit = "") => { const [value, interval] = PLOTS.directions.numbers[name]; return value === DASH ? `${DASH} (${interval})` : `${value}${unit} (${interval})`; };
  // The saltations of one cell are alike: only cells have intervals and a p.
  const text = jumping ? `n = ${n} of the ${counted(DATA.counts.found, "saltation")} found.` : `n = ${n}, mean ${number("mean_direction_deg", "° from the axis")}, R = ${number("resultant")}, mean cosine to the axis ${number("mean_cosine")}, p of random directions ${pWords}.`;
  svg.setAttribute("aria-label", `${title}: ${text}`);
  figure(title, svg, `${text} ${note}`);
}

function histogram(title, values, unit, kind, note) {
  const all = values.filter((v) => v !== null);
  if (!all.length) return void figure(title, nothing("None observed from start to end."));
  const top = Math.max(...all), marks = ticks(0, top || 1, 12), width = marks.length > 1 ? marks[1] - marks[0] : top || 1;
  const bins = Math.max(1, Math.ceil(top / width + 1e-9)), counts = new Array(bins).fill(0);
  for (const v of all) counts[Math.min(bins - 1, Math.floor(v / width + 1e-9))]++;
  const sorted = [...all].sort((a, b) => a - b), half = sorted.length / 2;
  const median = (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
  const { svg, toX, toY } = axes({ x: [0, bins * width], y: [0, Math.max(...counts) * 1.12], xLabel: unit, yLabel: "count", label: `${title}: ${all.length} values, median ${words(median)} ${unit}` });
  counts.forEach((count, i) => {
    if (!count) return;
    const x = toX(i * width) + 1, bar = element("rect", { x, width: Math.max(1, toX((i + 1) * width) - x - 1), y: toY(count), height: toY(0) - toY(count), class: `bar-fill ${kind}` });
    bar.append(element("title", {}, `${plain(i * width)} to ${plain((i + 1) * width)}: ${count}`));
    svg.append(bar);
  });
  svg.append(element("line", { x1: toX(median), x2: toX(median), y1: toY(Math.max(...counts) * 1.12), y2: toY(0), class: "median" }));
  figure(title, svg, `n = ${all.length}, median ${words(median)} ${unit} (line). ${note}`);
}

// Intervals of a curve's dots, as bars; none where there is none.
function bars(svg, { lag_h, low, high }, toX, toY) {
  lag_h.forEach((h, i) => { if (low[i] !== null && high[i] !== null) svg.append(element("line", { x1: toX(h), x2: toX(h), y1: toY(low[i]), y2: toY(high[i]), class: "base" })); });
}

function msdPlot() {
  const msd = PLOTS.msd;
  if (!msd) return void figure("Mean squared displacement", nothing("No cell was detected in two consecutive frames."));
  const all = [...msd.msd_um2, ...msd.low, ...msd.high, ...(msd.curve ? msd.curve.msd_um2 : []), ...(msd.floor_um2 ? [msd.floor_um2] : [])].filter((v) => v > 0);
  const last = msd.lag_h.at(-1), first = msd.lag_h[0];
  const { svg, toX, toY } = axes({ x: [first / 1.25, last * 1.25], y: [Math.min(...all) / 1.6, Math.max(...all) * 1.6], xLabel: "lag τ (h)", yLabel: "MSD (µm²)", log: true, label: "Mean squared displacement by lag, on logarithmic axes" });
  if (msd.floor_um2) {
    svg.append(element("line", { x1: toX(first / 1.25), x2: toX(last * 1.25), y1: toY(msd.floor_um2), y2: toY(msd.floor_um2), class: "threshold" }));
    svg.append(element("text", { x: toX(last * 1.25) - 4, y: toY(msd.floor_um2) - 5, class: "tick end threshold-text" }, "noise floor 4σ²"));
  }
  if (msd.curve) svg.append(element("path", { d: line(msd.curve.lag_h.map((h, i) => [h, msd.curve.msd_um2[i]]), toX, toY), class: "curve" }));
  bars(svg, msd, toX, toY);
  msd.lag_h.forEach((h, i) => svg.append(element("circle", { cx: toX(h), cy: toY(msd.msd_um2[i]), r: 3.5, class: "dot" }, element("title", {}, `${words(h)} h: ${words(msd.msd_um2[i])} µm², ${msd.n_pairs[i]} pairs`))));
  const walk = msd.walk;
  figure("Mean squared displacement", svg, walk
    ? `Line: persistent random walk. Noise σ = ${words(walk.sigma_um)} µm, ${walk.words}. Saltating cells are not persistent walkers: S mixes pauses and jumps. Bars: 95 % intervals over cells.`
    : "Too few lags for the persistent random walk.");
}

function autocorrelationPlot() {
  const found = PLOTS.autocorrelation;
  if (!found || !found.lag_h.length) return void figure("Persistence of direction", nothing("No step is faster than the threshold."));
  const low = Math.min(0, ...found.correlation, ...found.low), last = found.lag_h.at(-1) || MOVIE.frame_interval_h;
  const { svg, toX, toY } = axes({ x: [0, last], y: [Math.floor(low * 5) / 5, 1.05], xLabel: "time between steps (h)", yLabel: "mean cosine", label: "Mean cosine between the directions of two mobile steps, by the time between them" });
  svg.append(element("line", { x1: toX(0), x2: toX(last), y1: toY(0), y2: toY(0), class: "base" }));
  svg.append(element("path", { d: line(found.lag_h.map((h, i) => [h, found.correlation[i]]), toX, toY), class: "curve" }));
  bars(svg, found, toX, toY);
  found.lag_h.forEach((h, i) => svg.append(element("circle", { cx: toX(h), cy: toY(found.correlation[i]), r: 3.5, class: "dot" }, element("title", {}, `${words(h)} h: ${words(found.correlation[i])}, ${found.n_pairs[i]} pairs`))));
  figure("Persistence of direction", svg, "Mobile steps only. 1: same direction; 0: direction is lost. Unlike straightness, it does not depend on track length. Bars: 95 % intervals over cells.");
}

const COMPLETE = `Of the ${counted(DATA.counts.found, "saltation")} found, those that start and end in view, of cells observed long enough.`;
originPlot();
rose("Direction of cells", PLOTS.directions.cells, "resting", "One per cell, first to last position; area shows the count. Arrow: mean vector of length R. Dashed: the axis.");
rose("Direction of saltations", PLOTS.directions.saltations, "jumping", "Saltations of one cell are not independent: for numbers, see the directions of cells.");
histogram("Length of saltations", PLOTS.distributions.length_um, "µm", "jumping", COMPLETE);
histogram("Speed of saltations", PLOTS.distributions.speed_um_per_h, "µm/h", "jumping", `Length over duration. ${COMPLETE}`);
histogram("Pauses", PLOTS.distributions.pause_h, "h", "resting", "Observed from start to end; long pauses are under-represented, as tracks end.");
histogram("Saltation frequency of cells", PLOTS.distributions.frequency_corrected_per_h, "1/h", "jumping", "Corrected, one per cell.");
msdPlot();
autocorrelationPlot();

// Start with the most active cell.
let liveliest = -1;
for (const cell of CELLS) if (liveliest < 0 || cell.long - CELLS[liveliest].long > 0 || (cell.long === CELLS[liveliest].long && cell.saltations.length > CELLS[liveliest].saltations.length)) liveliest = cell.index;
choose(liveliest);
byId("announce").textContent = "";
drawNow();
document.documentElement.dataset.ready = "true";
