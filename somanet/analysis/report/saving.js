// What leaves the page as files: tables, figures, the movie as shown; and the command that opens the result.

const csv = (lines) => lines.map((cells) => cells.map(quoted).join(",")).join("\n") + "\n";
function quoted(cell) {
  const text = cell === null || cell === undefined ? "" : String(cell);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
// A file name on every system, from the movie's name.
const fileName = (what, kind) => `${MOVIE.title.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80)}_${what}.${kind}`;
const TYPES = { csv: "text/csv", svg: "image/svg+xml", png: "image/png" };
function save(what, kind, content) {
  const name = fileName(what, kind);
  const link = element("a", { href: URL.createObjectURL(new Blob([content], { type: TYPES[kind] })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  byId("announce").textContent = `Saved ${name}`;
}

// A row per number, under the names of migration.csv.
function numbersOf(cell) {
  const rows = Object.entries(DATA.columns).map(([column, { unit, meaning: text }]) => [column, NUMBERS[column][cell.index], unit, text]);
  if (DATA.cells.area_um2) rows.push(["area_um2", DATA.cells.area_um2[cell.index], "µm²", "median area of the soma within its outline"]);
  return csv([["number", "value", "unit", "meaning"], ...rows]);
}
// A row per frame in which the cell was seen; the speed is that of the step that ends there, empty after a gap.
function trackOf(cell) {
  const origin = fromOrigin(cell), um = (px) => Number((px * MOVIE.pixel_size_um).toPrecision(6));
  const rows = Array.from(cell.frames, (frame, i) => [
    frame, Number(hours(frame).toPrecision(8)), Number(cell.y[i].toFixed(1)), Number(cell.x[i].toFixed(1)), um(cell.y[i]), um(cell.x[i]),
    ...origin[i].map((v) => Number(v.toFixed(3))), i ? cell.speeds[i - 1] : null, cell.jumps[i],
  ]);
  return csv([["frame", "t_h", "y_px", "x_px", "y_um", "x_um", "y_from_start_um", "x_from_start_um", "speed_um_per_h", "saltating"], ...rows]);
}

// A row per cell, under the names of migration.csv.
function numbersOfAll() {
  const columns = Object.keys(DATA.columns), area = DATA.cells.area_um2;
  const rows = order.map((i) => [...columns.map((column) => NUMBERS[column][i]), ...(area ? [area[i]] : [])]);
  return csv([[...columns, ...(area ? ["area_um2"] : [])], ...rows]);
}
// A row per saltation, under the names of saltations.csv.
function allSaltations() {
  const rounded = (h) => Number(h.toPrecision(8));
  const rows = DATA.cells.saltations.map(([cell, first, last, ...rest]) => [CELLS[cell].id, rounded(hours(first)), rounded(hours(last)), ...rest]);
  return csv([["track_id", "start_h", "end_h", "length_um", "speed_um_per_h", "direction_deg", "censored"], ...rows]);
}

// Drawings in one SVG: styles are written into it, in the colours for paper whatever the theme.
const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "font-size", "font-weight", "text-anchor", "paint-order"];
function standalone(title, { width, height, parts, about = "" }) {
  const root = document.documentElement;
  const svg = element("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height }, [
    element("title", {}, title), element("desc", {}, about), element("rect", { width, height, class: "figure-paper" }),
    element("text", { x: 8, y: 24, class: "figure-title" }, title), ...parts,
  ]);
  const holder = element("div", { class: "unseen" }, svg);
  document.body.append(holder);
  root.classList.add("on-paper");
  svg.setAttribute("font-family", "Helvetica, Arial, sans-serif");
  for (const node of svg.querySelectorAll("*")) {
    const style = getComputedStyle(node);
    for (const name of STYLES) if (!["svg", "title", "desc", "image"].includes(node.tagName)) node.setAttribute(name, style.getPropertyValue(name));
  }
  root.classList.remove("on-paper");
  holder.remove();
  for (const node of svg.querySelectorAll("[class], [id], [aria-hidden], [aria-label], [role]")) for (const name of ["class", "id", "aria-hidden", "aria-label", "role"]) node.removeAttribute(name);
  return new XMLSerializer().serializeToString(svg);
}
// A copy of a drawing, placed below the title.
function placed(svg, x, y, width, height) {
  const copy = svg.cloneNode(true);
  for (const [name, value] of Object.entries({ x, y, width, height })) copy.setAttribute(name, value);
  return copy;
}
function figureOf(cell) {
  const path = placed(byId("path").firstChild, 690, 48, 200, 200);
  path.querySelector("#here")?.remove();
  const { svg: trace } = traceOf(cell, 670);
  trace.setAttribute("y", 44);
  return standalone(`${MOVIE.title}, cell ${cell.id}`, { width: 900, height: 268, parts: [trace, path], about: "Speed of each step in µm/h over time in hours, with saltations, and the path." });
}
// A strip of pictures with its kymograph, as it is on the page.
function figureOfStrip(strip) {
  const parts = [];
  let x = 8, height = 0;
  for (const image of strip.querySelectorAll("img")) {
    parts.push(element("image", { href: image.src, x, y: 36, width: image.naturalWidth, height: image.naturalHeight }));
    x += image.naturalWidth + 8;
    height = Math.max(height, image.naturalHeight);
  }
  const about = [...strip.querySelectorAll("img")].map((image) => image.alt).join(". ");
  return standalone(strip.querySelector("figcaption span").textContent, { width: Math.max(x, 420), height: height + 44, parts, about });
}
// A button that saves a drawing.
function saver(what, name, make) {
  const button = element("button", { type: "button", class: "save", "aria-label": `Save ${name} as SVG` }, "SVG");
  button.addEventListener("click", () => save(what, "svg", make()));
  return button;
}

const savers = {
  "save-numbers": (cell) => save(`cell${cell.id}_numbers`, "csv", numbersOf(cell)),
  "save-track": (cell) => save(`cell${cell.id}_track`, "csv", trackOf(cell)),
  "save-figure": (cell) => save(`cell${cell.id}_figure`, "svg", figureOf(cell)),
};
for (const [id, act] of Object.entries(savers)) byId(id).addEventListener("click", () => { if (CELLS[state.cell]) act(CELLS[state.cell]); });
byId("save-cells").addEventListener("click", () => save("cells", "csv", numbersOfAll()));
byId("save-saltations").addEventListener("click", () => save("saltations", "csv", allSaltations()));
byId("save-picture").addEventListener("click", () => {
  const whole = element("canvas", { width: overlayCanvas.width, height: overlayCanvas.height }), context = whole.getContext("2d");
  context.filter = imageCanvas.style.filter || "none";
  context.drawImage(imageCanvas, 0, 0);
  context.filter = "none";
  context.drawImage(overlayCanvas, 0, 0);
  whole.toBlob((blob) => save(`frame${frameNow() + 1}`, "png", blob), "image/png");
});
byId("strips").addEventListener("toggle", () => {
  document.querySelectorAll(".strip:not(:has(.save))").forEach((strip, i) => {
    const caption = strip.querySelector("figcaption");
    const words = element("span", {}, caption.textContent);
    caption.replaceChildren(words, saver(`saltation${i + 1}`, `the pictures of ${words.textContent}`, () => figureOfStrip(strip)));
  });
});

// The folder of this page, as the reader's computer names it: known only where the page was opened as a file.
function folderOfPage() {
  if (location.protocol !== "file:") return null;
  const path = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") || "/";
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1).replaceAll("/", "\\") : path;
}
function shellWord(text) {
  if (/^[\p{L}\p{N}@%+=:,./_-]+$/u.test(text)) return text;
  return text.includes("\\") ? `"${text}"` : `'${text.replaceAll("'", "'\\''")}'`;
}
const folder = folderOfPage(), command = byId("napari-command");
command.textContent = `somanet napari ${folder === null ? "RESULT" : shellWord(folder)}`;
if (folder === null) byId("napari-note").textContent += " RESULT is the folder of this report.";
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(command);
    return document.execCommand("copy");
  }
}
byId("copy-command").addEventListener("click", async () => {
  const done = await copied(command.textContent);
  byId("copy-command").textContent = done ? "Copied" : "Press Ctrl+C";
  byId("announce").textContent = done ? "Command copied" : "The command is selected";
  setTimeout(() => { byId("copy-command").textContent = "Copy"; }, 2000);
});
