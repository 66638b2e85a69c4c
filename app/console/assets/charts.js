// Draws the charts that a JSON route describes, in the colours of the page.
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function series(line) {
  const stroke = colour(line.colour);
  const shown = {
    label: `${line.name} (${line.unit})`,
    scale: line.unit,
    stroke,
    width: 2,
    spanGaps: false,
    value: (_, value) => (value == null ? "–" : numbers.format(value)),
  };
  if (line.kind === "line") return { ...shown, points: { show: line.points.length < 40, size: 5 } };
  const steps = { ...shown, width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } };
  return line.kind === "pale_step" ? { ...steps, fill: colour(`${line.colour}-ground`) } : { ...steps, dash: [6, 4] };
}

// A time of the day; the date below the first one and below midnight.
function times(_, seconds, axis, space, step) {
  let shown = "";
  return seconds.map((at) => {
    const text = new Date(at * 1000).toISOString();
    const day = text.slice(0, 10);
    const time = text.slice(11, step < 60 ? 19 : 16);
    if (day === shown) return time;
    shown = day;
    return `${time}\n${day}`;
  });
}

function axes(lines) {
  const shared = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
  const units = [...new Set(lines.map((line) => line.unit))];
  return [
    { ...shared, space: 80, size: 56, values: times },
    ...units.map((unit, place) => ({
      ...shared,
      scale: unit,
      side: place === 0 ? 3 : 1,
      grid: { ...shared.grid, show: place === 0 },
      size: 72,
      values: (_, values) => values.map((value) => `${numbers.format(value)} ${unit}`),
    })),
  ];
}

function draw(place, charts) {
  place.replaceChildren();
  const key = uPlot.sync(place.id).key;
  for (const chart of charts) {
    const figure = document.createElement("figure");
    const title = document.createElement("figcaption");
    title.textContent = chart.title;
    const picture = document.createElement("div");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${chart.title}. ${chart.summary}`);
    const words = document.createElement("p");
    words.className = "muted";
    words.textContent = chart.summary;
    figure.append(title, picture, words);
    place.append(figure);
    const data = uPlot.join(
      chart.lines.map((line) => [line.points.map(([at]) => at), line.points.map(([, value]) => value)]),
    );
    const units = new Set(chart.lines.map((line) => line.unit));
    const scales = {};
    for (const unit of units) {
      scales[unit] = { range: unit === "%" ? [0, 100] : (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, 0.1) * 1.08] };
    }
    new uPlot(
      {
        width: place.clientWidth,
        height: 240,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        scales,
        series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, ...chart.lines.map(series)],
        axes: axes(chart.lines),
        cursor: { sync: { key } },
        legend: { live: true },
      },
      data,
      picture,
    );
  }
  if (charts.length === 0) {
    const words = document.createElement("p");
    words.className = "muted";
    words.textContent = place.dataset.empty;
    place.append(words);
  }
}

async function show(place) {
  const answer = await fetch(place.dataset.charts, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const charts = await answer.json();
  draw(place, charts);
  return charts;
}

for (const place of document.querySelectorAll("[data-charts]")) {
  let charts = [];
  const load = async () => {
    try {
      charts = await show(place);
      delete place.dataset.old;
    } catch {
      place.dataset.old = "The values cannot be read now. Load the page again.";
    }
  };
  const again = () => draw(place, charts);
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth === width || charts.length === 0) return;
    width = place.clientWidth;
    again();
  }).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  if (place.dataset.everySeconds) setInterval(() => document.hidden || load(), Number(place.dataset.everySeconds) * 1000);
  load();
}
