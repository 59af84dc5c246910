// What the selected cell leaves the page as: its numbers, its track, a figure; and the command that opens the result.

const csv = (lines) => lines.map((cells) => cells.map(quoted).join(",")).join("\n") + "\n";
function quoted(cell) {
  const text = cell === null || cell === undefined ? "" : String(cell);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
// A file name on every system, from the movie's name.
const nameOf = (cell, what) => `${MOVIE.title.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80)}_cell${cell.id}_${what}`;
function save(name, text, type) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
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

// The drawings of speed and path in one SVG: styles are written into it, in the colours for paper whatever the theme.
const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "font-size", "font-weight", "text-anchor", "paint-order"];
function figureOf(cell) {
  const width = 900, height = 268, root = document.documentElement;
  const path = byId("path").firstChild.cloneNode(true);
  path.querySelector("#here")?.remove();
  for (const [name, value] of Object.entries({ x: 690, y: 48, width: 200, height: 200 })) path.setAttribute(name, value);
  const { svg: trace } = traceOf(cell, 670);
  trace.setAttribute("y", 44);
  const title = element("text", { x: 8, y: 24, class: "figure-title" }, `${MOVIE.title}, cell ${cell.id}`);
  const svg = element("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height }, [
    element("rect", { width, height, class: "figure-paper" }), title, trace, path,
  ]);
  const holder = element("div", { class: "unseen" }, svg);
  document.body.append(holder);
  root.classList.add("on-paper");
  svg.setAttribute("font-family", "Helvetica, Arial, sans-serif");
  for (const node of svg.querySelectorAll("*")) {
    const style = getComputedStyle(node);
    for (const name of STYLES) if (!["svg", "title"].includes(node.tagName)) node.setAttribute(name, style.getPropertyValue(name));
  }
  root.classList.remove("on-paper");
  holder.remove();
  for (const node of svg.querySelectorAll("[class], [id], [aria-hidden], [aria-label], [role]")) for (const name of ["class", "id", "aria-hidden", "aria-label", "role"]) node.removeAttribute(name);
  return new XMLSerializer().serializeToString(svg);
}

const savers = {
  "save-numbers": (cell) => save(`${nameOf(cell, "numbers")}.csv`, numbersOf(cell), "text/csv"),
  "save-track": (cell) => save(`${nameOf(cell, "track")}.csv`, trackOf(cell), "text/csv"),
  "save-figure": (cell) => save(`${nameOf(cell, "figure")}.svg`, figureOf(cell), "image/svg+xml"),
};
for (const [id, act] of Object.entries(savers)) byId(id).addEventListener("click", () => { if (CELLS[state.cell]) act(CELLS[state.cell]); });

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
