// Charts by uPlot: lines from coordinates, words from exact figures, a table for who does not see them.

const drawn = new Map();
const HEIGHT = 240;

function tone(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function paths(shape) {
  if (shape === "step") return uPlot.paths.stepped({ align: 1 });
  if (shape === "bars") return uPlot.paths.bars({ size: [0.8, 60] });
  return uPlot.paths.linear();
}

const DAY = 86_400;

/** Moments in UTC by the 24-hour clock; the day where it begins. */
function moments(_chart, splits, _axis, _space, step) {
  let before = "";
  return splits.map((seconds) => {
    const [day, clock] = new Date(seconds * 1000).toISOString().split("T");
    const text = step >= DAY ? day : `${clock.slice(0, step < 60 ? 8 : 5)}${day === before ? "" : `\n${day}`}`;
    before = day;
    return text;
  });
}

function options(told, width) {
  const isTime = told.over === "time";
  const axis = { stroke: tone("soft"), grid: { stroke: tone("line"), width: 1 }, ticks: { stroke: tone("rule"), width: 1 }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    padding: [10, 12, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { points: { size: 6 } },
    scales: {
      x: { time: isTime },
      y: { range: (_chart, low, high) => told.series.some((one) => one.shape === "bars") ? [0, high * 1.05] : uPlot.rangeNum(low, high, 0.1, true) },
    },
    axes: [
      isTime ? { ...axis, values: moments } : axis,
      {
        ...axis,
        size: (_, values) => Math.max(44, 16 + 7 * Math.max(0, ...(values ?? []).map((text) => String(text).length))),
      },
    ],
    series: [
      { label: isTime ? "when" : "event", value: (_u, _raw, _series, at) => (at === null ? "" : told.at[at]) },
      ...told.series.map((one) => ({
        label: one.label,
        stroke: tone(one.tone),
        fill: one.shape === "bars" ? tone(one.tone) : undefined,
        width: one.shape === "bars" ? 0 : 1.6,
        dash: one.shape === "level" ? [5, 4] : undefined,
        paths: paths(one.shape),
        points: { show: told.x.length === 1 },
        value: (_u, _raw, _series, at) => (at === null ? "" : one.exact[at] ?? "–"),
      })),
    ],
  };
}

function table(told, words) {
  const box = document.createElement("div");
  box.className = "scroll";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `Figures of: ${words}`);
  const made = document.createElement("table");
  const caption = made.createCaption();
  caption.className = "sr";
  caption.textContent = words;
  const head = made.createTHead().insertRow();
  for (const text of [told.over === "time" ? "When" : "Event", ...told.series.map((one) => one.label)]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = text;
    head.append(cell);
  }
  const body = made.createTBody();
  told.at.forEach((when, at) => {
    const row = body.insertRow();
    const first = row.insertCell();
    if (told.links[at]) {
      const link = document.createElement("a");
      link.href = told.links[at];
      link.textContent = when;
      first.append(link);
    } else first.textContent = when;
    for (const one of told.series) {
      const cell = row.insertCell();
      cell.className = "num";
      cell.textContent = one.exact[at] ?? "–";
    }
  });
  box.append(made);
  return box;
}

function plot(figure, told) {
  const place = figure.querySelector(".plot");
  drawn.get(figure)?.chart.destroy();
  const lines = [told.x, ...told.series.map((one) => one.y)];
  const chart = new uPlot(options(told, place.clientWidth), lines, place);
  chart.over.addEventListener("click", () => {
    const link = told.links[chart.cursor.idx];
    if (link) location.href = link;
  });
  drawn.set(figure, { chart, told });
}

async function draw(figure) {
  const url = figure.dataset.chart;
  delete figure.dataset.chart;
  const said = figure.querySelector(".plot-said");
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`the server said ${answer.status}`);
    const told = await answer.json();
    if (told.x.length === 0) {
      said.textContent = "Nothing to draw yet.";
      return;
    }
    if (!figure.isConnected) return;
    said.textContent = told.said;
    plot(figure, told);
    const details = figure.querySelector(".plot-table");
    details.addEventListener("toggle", () => { if (details.open && !details.querySelector("table")) details.append(table(told, figure.querySelector("figcaption").textContent)); });
    const place = figure.querySelector(".plot");
    new ResizeObserver(() => {
      const one = drawn.get(figure);
      if (one && place.clientWidth > 0 && one.chart.width !== place.clientWidth) one.chart.setSize({ width: place.clientWidth, height: HEIGHT });
    }).observe(place);
    figure.classList.add("drawn");
  } catch (fault) {
    said.textContent = `The chart could not be drawn: ${fault.message}`;
  }
}

/** Draw the charts of a part that were not drawn yet. */
export function drawAll(root) {
  for (const figure of drawn.keys()) if (!figure.isConnected) { drawn.get(figure).chart.destroy(); drawn.delete(figure); }
  for (const figure of root.querySelectorAll("[data-chart]")) draw(figure);
}

/** Draw all of them again: the colours have changed. */
export function redrawAll() {
  for (const [figure, { told }] of drawn) plot(figure, told);
}
