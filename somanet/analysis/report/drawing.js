// The movie: its images, and the drawing on them.

const stage = byId("stage"), imageCanvas = byId("image"), overlayCanvas = byId("overlay");
const [ROWS, COLUMNS] = MOVIE.shape_YX;
const view = { zoom: 1, y: ROWS / 2, x: COLUMNS / 2 }; // centre, in pixels from the movie's corner
const REST = "#56b4e9", JUMP = "#ffb000", CHOSEN = "#ffffff";
const TRAIL_FRAMES = 20, TRAIL_BANDS = 4, CACHED_PIXELS = 48e6;

stage.style.aspectRatio = `${COLUMNS} / ${ROWS}`;
stage.style.setProperty("--shape", COLUMNS / ROWS);

// Frames are decoded on demand; the last few are cached.
const frames = new Map();
function frameAt(shown) {
  let frame = frames.get(shown);
  if (!frame) {
    const { image, outlines } = JSON.parse(FRAMES[shown]);
    frame = { outlines, bitmap: null };
    const text = atob(image), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    frame.ready = createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).then((bitmap) => { frame.bitmap = bitmap; });
  }
  frames.delete(shown);
  frames.set(shown, frame);
  const room = Math.max(4, Math.floor(CACHED_PIXELS / (frame.bitmap ? frame.bitmap.width * frame.bitmap.height : 5e5)));
  for (const [old, dropped] of frames) {
    if (frames.size <= room) break;
    frames.delete(old);
    dropped.ready.then(() => dropped.bitmap.close());
  }
  return frame;
}

// Outlines are differences in half pixels: back to pixels from the movie's corner.
function polygonOf(outline) {
  const points = new Float32Array(outline.length - 1);
  let y = 0, x = 0;
  for (let i = 1; i < outline.length; i += 2) {
    points[i - 1] = ((y += outline[i]) + 0.5) / MOVIE.units_per_px;
    points[i] = ((x += outline[i + 1]) + 0.5) / MOVIE.units_per_px;
  }
  return points;
}

function placing() {
  const width = stage.clientWidth, height = stage.clientHeight;
  const scale = Math.min(width / COLUMNS, height / ROWS) * view.zoom;
  for (const [axis, size, box] of [["x", COLUMNS, width], ["y", ROWS, height]]) {
    const half = box / scale / 2;
    view[axis] = half * 2 >= size ? size / 2 : Math.max(half, Math.min(size - half, view[axis]));
  }
  return { scale, left: width / 2 - view.x * scale, top: height / 2 - view.y * scale, width, height };
}

// Lines get thinner where cells are small on the screen: they should not hide what they mark.
const weight = (scale) => Math.max(0.4, Math.min(1, (14 * scale) / MOVIE.pixel_size_um / 12));

let pending = 0;
function draw() {
  if (!pending) pending = requestAnimationFrame(() => { pending = 0; drawNow(); });
}
function drawNow() {
  const chosen = CELLS[state.cell];
  if (byId("follow").checked && chosen) {
    const row = rowAt(chosen, frameNow());
    if (row >= 0) { view.y = chosen.y[row] + 0.5; view.x = chosen.x[row] + 0.5; }
  }
  const frame = frameAt(state.shown);
  const place = placing();
  if (frame.bitmap) {
    const { context } = fitted(imageCanvas);
    context.imageSmoothingEnabled = place.scale * COLUMNS < frame.bitmap.width * 4;
    context.drawImage(frame.bitmap, place.left, place.top, COLUMNS * place.scale, ROWS * place.scale);
  } else frame.ready.then(draw);
  const { context } = fitted(overlayCanvas);
  context.lineJoin = context.lineCap = "round";
  if (byId("show-trails").checked) drawTrails(context, place);
  if (byId("show-outlines").checked) drawOutlines(context, place, frame);
  drawChosen(context, place);
  if (byId("show-ids").checked) drawIds(context, place);
  drawScale(context, place);
  for (let ahead = 1; ahead <= 3; ahead++) frameAt((state.shown + ahead) % FRAMES.length);
}

function drawTrails(context, { scale, left, top }) {
  const now = frameNow(), bands = Array.from({ length: TRAIL_BANDS * 2 }, () => new Path2D());
  for (const cell of CELLS) {
    for (let i = rowAt(cell, now); i > 0 && cell.frames[i - 1] >= now - TRAIL_FRAMES; i--) {
      const age = Math.min(TRAIL_BANDS - 1, Math.floor(((now - cell.frames[i]) / TRAIL_FRAMES) * TRAIL_BANDS));
      const path = bands[age * 2 + cell.jumps[i]];
      path.moveTo(left + (cell.x[i - 1] + 0.5) * scale, top + (cell.y[i - 1] + 0.5) * scale);
      path.lineTo(left + (cell.x[i] + 0.5) * scale, top + (cell.y[i] + 0.5) * scale);
    }
  }
  context.lineWidth = 1.75 * weight(scale);
  bands.forEach((path, i) => {
    context.globalAlpha = 0.95 - (0.75 * Math.floor(i / 2)) / TRAIL_BANDS;
    context.strokeStyle = i % 2 ? JUMP : REST;
    context.stroke(path);
  });
  context.globalAlpha = 1;
}

function drawOutlines(context, place, frame) {
  const { scale, left, top } = place, now = frameNow();
  const paths = { rest: new Path2D(), jump: new Path2D() };
  const shapes = MOVIE.circles ? circlesAt(now) : frame.outlines;
  for (const outline of shapes) {
    const cell = CELLS[outline[0]];
    if (outline[0] === state.cell) continue;
    const path = jumpsAt(cell, now) ? paths.jump : paths.rest;
    addPolygon(path, MOVIE.circles ? outline.circle : polygonOf(outline), scale, left, top);
  }
  context.lineWidth = 1.5 * weight(scale);
  context.strokeStyle = REST;
  context.stroke(paths.rest);
  glow(context, paths.jump, JUMP, 2.5 * weight(scale));
}
function glow(context, path, paint, width) {
  context.strokeStyle = paint;
  context.globalAlpha = 0.3;
  context.lineWidth = width * 3;
  context.stroke(path);
  context.globalAlpha = 1;
  context.lineWidth = width;
  context.stroke(path);
}
function addPolygon(path, points, scale, left, top) {
  for (let i = 0; i < points.length; i += 2) path[i ? "lineTo" : "moveTo"](left + points[i + 1] * scale, top + points[i] * scale);
  path.closePath();
}
// Without label images a cell is drawn as a circle with its soma's area, or with 7 µm radius.
function circlesAt(frame) {
  const circles = [];
  for (const cell of CELLS) {
    const row = seenAt(cell, frame);
    if (row < 0) continue;
    const area = DATA.cells.area_um2?.[cell.index];
    const radius = (area ? Math.sqrt(area / Math.PI) : 7) / MOVIE.pixel_size_um;
    const circle = new Float32Array(48);
    for (let k = 0; k < 24; k++) {
      circle[2 * k] = cell.y[row] + 0.5 + radius * Math.sin((k * Math.PI) / 12);
      circle[2 * k + 1] = cell.x[row] + 0.5 + radius * Math.cos((k * Math.PI) / 12);
    }
    circles.push({ 0: cell.index, circle });
  }
  return circles;
}
const shapesNow = () => (MOVIE.circles ? circlesAt(frameNow()).map((c) => [c[0], c.circle]) : frameAt(state.shown).outlines.map((o) => [o[0], polygonOf(o)]));

function drawChosen(context, place) {
  const cell = CELLS[state.cell];
  if (!cell) return;
  const { scale, left, top } = place, now = frameNow();
  const whole = [new Path2D(), new Path2D()];
  for (let i = 1; i < cell.frames.length; i++) {
    const path = whole[cell.jumps[i]];
    path.moveTo(left + (cell.x[i - 1] + 0.5) * scale, top + (cell.y[i - 1] + 0.5) * scale);
    path.lineTo(left + (cell.x[i] + 0.5) * scale, top + (cell.y[i] + 0.5) * scale);
  }
  context.lineWidth = 1.5;
  context.globalAlpha = 0.55;
  whole.forEach((path, jumps) => { context.strokeStyle = jumps ? JUMP : CHOSEN; context.stroke(path); });
  context.globalAlpha = 1;
  const outline = new Path2D(), own = shapesNow().filter(([index]) => index === cell.index);
  for (const [, points] of own) addPolygon(outline, points, scale, left, top);
  glow(context, outline, jumpsAt(cell, now) ? JUMP : CHOSEN, 2.5 * weight(scale));
  const row = seenAt(cell, now);
  if (row < 0) return;
  const y = cell.y[row] + 0.5, x = cell.x[row] + 0.5;
  let reach = 10 / scale;
  for (const [, points] of own) points.forEach((v, i) => { reach = Math.max(reach, Math.abs(v - (i % 2 ? x : y))); });
  drawCorners(context, left + x * scale, top + y * scale, reach * scale + 6);
  label(context, place, cell, row, true);
}
// The corners of a square: visible on any background without hiding anything.
function drawCorners(context, x, y, reach) {
  const arm = reach * 0.4, corners = new Path2D();
  for (const [a, b] of [[-1, -1], [-1, 1], [1, 1], [1, -1]]) {
    corners.moveTo(x + a * reach, y + b * (reach - arm));
    corners.lineTo(x + a * reach, y + b * reach);
    corners.lineTo(x + a * (reach - arm), y + b * reach);
  }
  for (const [paint, width] of [["rgba(0,0,0,0.7)", 4.5], [CHOSEN, 2]]) {
    context.strokeStyle = paint;
    context.lineWidth = width;
    context.stroke(corners);
  }
}
function drawIds(context, place) {
  const now = frameNow();
  for (const cell of CELLS) {
    const row = seenAt(cell, now);
    if (row >= 0 && cell.index !== state.cell) label(context, place, cell, row, false);
  }
}
function label(context, { scale, left, top }, cell, row, strong) {
  context.font = `${strong ? 600 : 400} ${strong ? 14 : 12}px system-ui, sans-serif`;
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0,0,0,0.75)";
  context.fillStyle = jumpsAt(cell, frameNow()) ? JUMP : strong ? CHOSEN : "#cfe8f8";
  const lift = Math.max(9, ((strong ? 18 : 9) * scale) / MOVIE.pixel_size_um);
  const at = [left + (cell.x[row] + 0.5) * scale + lift, top + (cell.y[row] + 0.5) * scale - lift * 0.8];
  context.strokeText(cell.id, ...at);
  context.fillText(cell.id, ...at);
}
function drawScale(context, { scale, width, height }) {
  const perUm = scale / MOVIE.pixel_size_um;
  const most = Math.min(180, width / 4) / perUm, power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((k) => k * power).find((um) => um <= most);
  const right = width - 14, bottom = height - 14;
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.strokeStyle = "rgba(0,0,0,0.6)";
  context.lineWidth = 3;
  context.fillStyle = CHOSEN;
  context.fillRect(right - length * perUm, bottom - 4, length * perUm, 4);
  const name = [`${length} µm`, right - (length * perUm) / 2, bottom - 10];
  context.strokeText(...name);
  context.fillText(...name);
  context.textAlign = "left";
  const clock = [`${hours(frameNow()).toFixed(1)} h`, 14, 26];
  context.font = "600 16px system-ui, sans-serif";
  context.strokeText(...clock);
  context.fillText(...clock);
}
