// The movie: playback, zoom, selecting a cell, keys.

const scrub = byId("scrub"), LARGEST_ZOOM = 16, SURROUNDINGS_UM = 150;
let playing = false;
scrub.max = MOVIE.frames.length - 1;

// Number of saltating cells, above the slider.
const busy = MOVIE.frames.map((t) => CELLS.reduce((sum, cell) => sum + jumpsAt(cell, t), 0));
byId("busiest").textContent = N_CELLS ? `· bars: saltating cells, up to ${Math.max(...busy)}` : "";
function drawRaster() {
  const { context, width, height } = fitted(byId("raster"));
  const most = Math.max(1, ...busy), each = width / busy.length;
  busy.forEach((count, i) => {
    context.fillStyle = i === state.shown ? colour("ink") : colour("jump");
    context.globalAlpha = i === state.shown ? 1 : 0.75;
    const tall = Math.max(i === state.shown ? 3 : 0, (count / most) * height);
    context.fillRect(i * each + (each > 3 ? 0.5 : 0), height - tall, Math.max(1, each - (each > 3 ? 1 : 0)), tall);
  });
}

function tellTime() {
  scrub.value = state.shown;
  const text = `${hours(frameNow()).toFixed(1)} h · frame ${frameNow() + 1} of ${MOVIE.n_frames}`;
  // Spoken when a frame is chosen, not while the movie plays, nor where the slider itself is heard.
  byId("clock").setAttribute("aria-live", playing || document.activeElement === scrub ? "off" : "polite");
  byId("clock").textContent = text;
  scrub.setAttribute("aria-valuetext", text);
}
on("shown", () => { tellTime(); drawRaster(); draw(); });
on("cell theme", () => { drawRaster(); draw(); });

// Playback: a frame is shown once it is due and decoded.
let due = 0;
function play(wanted) {
  playing = wanted && FRAMES.length > 1;
  stage.parentElement.classList.toggle("playing", playing);
  byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  if (playing) { due = performance.now(); requestAnimationFrame(tick); }
}
function tick(now) {
  if (!playing) return;
  if (now >= due) {
    const next = (state.shown + 1) % FRAMES.length;
    if (frameAt(next).bitmap) {
      show(next);
      due = Math.max(now, due + 1000 / Number(byId("fps").value));
    }
  }
  requestAnimationFrame(tick);
}
const step = (by) => { play(false); show((state.shown + by + FRAMES.length) % FRAMES.length); };
byId("play").addEventListener("click", () => play(!playing));
byId("back").addEventListener("click", () => step(-1));
byId("forward").addEventListener("click", () => step(1));
scrub.addEventListener("input", () => { play(false); show(Number(scrub.value)); });
for (const id of ["show-outlines", "show-trails", "show-ids", "follow"]) byId(id).addEventListener("change", draw);
byId("follow").addEventListener("change", (e) => {
  if (e.target.checked && state.cell < 0) neighbour(1);
  if (e.target.checked && view.zoom === 1) zoomAt(4);
});
byId("brightness").addEventListener("input", (e) => { imageCanvas.style.filter = `brightness(${e.target.value})`; });

// Zoom about a point of the stage; drag to pan; two fingers do both.
function zoomAt(factor, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
  const before = placing(); // it also keeps the view within the field
  const x = (px - before.left) / before.scale, y = (py - before.top) / before.scale;
  view.zoom = Math.max(1, Math.min(LARGEST_ZOOM, view.zoom * factor));
  const scale = Math.min(before.width / COLUMNS, before.height / ROWS) * view.zoom;
  view.x = x + (before.width / 2 - px) / scale;
  view.y = y + (before.height / 2 - py) / scale;
  stage.classList.toggle("zoomed", view.zoom > 1);
  draw();
}
// In, to the selected cell: first to its surroundings, then closer; without a cell, to the centre.
function zoomIn() {
  const cell = CELLS[state.cell];
  if (!cell) return zoomAt(1.5);
  const row = Math.max(0, rowAt(cell, frameNow()));
  const factor = view.zoom > 1 ? 1.5 : Math.max(1.5, (Math.min(ROWS, COLUMNS) * MOVIE.pixel_size_um) / SURROUNDINGS_UM);
  view.y = cell.y[row] + 0.5;
  view.x = cell.x[row] + 0.5;
  view.zoom = Math.min(LARGEST_ZOOM, view.zoom * factor);
  zoomAt(1);
}
const fit = () => { view.zoom = 1; zoomAt(1); };
byId("zoom-in").addEventListener("click", zoomIn);
byId("zoom-out").addEventListener("click", () => zoomAt(1 / 1.5));
byId("zoom-fit").addEventListener("click", fit);
let noteTimer = 0;
overlayCanvas.addEventListener("wheel", (e) => {
  if (!e.ctrlKey && !e.metaKey && document.activeElement !== overlayCanvas) {
    byId("wheel-note").hidden = false; // the page scrolls on
    clearTimeout(noteTimer);
    noteTimer = setTimeout(() => { byId("wheel-note").hidden = true; }, 1500);
    return;
  }
  e.preventDefault();
  zoomAt(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.002)), e.offsetX, e.offsetY);
}, { passive: false });
overlayCanvas.addEventListener("focus", () => { byId("wheel-note").hidden = true; });
const fingers = new Map();
let dragged = 0;
overlayCanvas.addEventListener("pointerdown", (e) => {
  if (!fingers.size) dragged = 0;
  fingers.set(e.pointerId, [e.offsetX, e.offsetY]);
  overlayCanvas.setPointerCapture(e.pointerId);
});
overlayCanvas.addEventListener("pointermove", (e) => {
  const before = fingers.get(e.pointerId);
  if (!before) { overlayCanvas.style.cursor = cellAt(e.offsetX, e.offsetY) >= 0 ? "pointer" : ""; return; }
  const after = [e.offsetX, e.offsetY];
  const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  const wide = fingers.size === 2 ? spread() : 0;
  fingers.set(e.pointerId, after);
  const { scale } = placing();
  dragged += Math.hypot(after[0] - before[0], after[1] - before[1]);
  view.x -= (after[0] - before[0]) / scale / fingers.size;
  view.y -= (after[1] - before[1]) / scale / fingers.size;
  if (dragged > 4) byId("follow").checked = false;
  if (fingers.size === 2 && wide > 0) zoomAt(spread() / wide, ...after);
  draw();
});
for (const end of ["pointerup", "pointercancel"]) overlayCanvas.addEventListener(end, (e) => {
  fingers.delete(e.pointerId);
  if (end === "pointerup" && dragged <= 4) choose(cellAt(e.offsetX, e.offsetY));
});
overlayCanvas.addEventListener("dblclick", (e) => zoomAt(2, e.offsetX, e.offsetY));

// The cell under a point of the stage: within its outline, else the nearest centre within 14 px; or -1.
function cellAt(px, py) {
  const { scale, left, top } = placing(), now = frameNow();
  const x = (px - left) / scale, y = (py - top) / scale;
  const within = shapesNow().find(([, points]) => inside(points, y, x));
  if (within) return within[0];
  let nearest = -1, least = 14 / scale;
  for (const cell of CELLS) {
    const row = seenAt(cell, now);
    const away = row < 0 ? Infinity : Math.hypot(cell.y[row] + 0.5 - y, cell.x[row] + 0.5 - x);
    if (away < least) { least = away; nearest = cell.index; }
  }
  return nearest;
}
function inside(points, y, x) {
  let odd = false;
  for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
    if (points[i] > y !== points[j] > y && x < ((points[j + 1] - points[i + 1]) * (y - points[i])) / (points[j] - points[i]) + points[i + 1]) odd = !odd;
  }
  return odd;
}

const KEYS = {
  " ": () => play(!playing), ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => show(0), End: () => show(FRAMES.length - 1),
  "+": zoomIn, "=": zoomIn, "-": () => zoomAt(1 / 1.5), 0: fit, "[": () => neighbour(-1), "]": () => neighbour(1),
  Escape: () => choose(-1), o: () => byId("show-outlines").click(), t: () => byId("show-trails").click(), i: () => byId("show-ids").click(), f: () => byId("follow").click(),
  "?": () => keysList.showModal(),
};
const keysList = byId("keys");
byId("show-keys").addEventListener("click", () => keysList.showModal());
byId("hide-keys").addEventListener("click", () => keysList.close());
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || keysList.open) return;
  if (e.key === "Escape" && !tip.hidden) return hideTip();
  // Sliders, lists and tables have their own keys, and buttons use the space bar.
  const own = e.target.closest("input[type=range], select, .table-box") && !["[", "]", "?", "Escape"].includes(e.key);
  if (own || (e.key === " " && e.target.closest("button, input, summary"))) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  if (KEYS[key]) { e.preventDefault(); KEYS[key](); }
});
new ResizeObserver(() => { drawRaster(); draw(); }).observe(stage);
tellTime();

// To the movie, where the keys work.
function toMovie() {
  byId("player").scrollIntoView({ block: "start" });
  overlayCanvas.focus({ preventScroll: true });
}

// On paper definitions and provenance are open, the strips only if they were, and drawings have the colours for paper.
const opened = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("#definitions, #provenance")) {
    if (!details.open) { details.open = true; opened.push(details); }
  }
  document.documentElement.classList.add("on-paper");
  tell("theme");
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
  document.documentElement.classList.remove("on-paper");
  tell("theme");
});
