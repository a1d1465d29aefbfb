// Makes the line of the trend page one to point at: values under the cursor, by mouse or arrow keys. The table below stays.
"use strict";
(() => {
  const box = document.getElementById("trend-plot");
  const told = document.getElementById("trend-told");
  if (!box || typeof uPlot !== "function") return;
  const rows = [...document.querySelectorAll("#trend-days [data-day]")].reverse(); // oldest first
  // Days of the tenant's own calendar: as days of UTC they stay the days they are, wherever the browser is.
  const data = [
    rows.map((row) => Date.parse(`${row.dataset.day}T00:00:00Z`) / 1000),
    rows.map((row) => Number(row.dataset.messages)),
    rows.map((row) => Number(row.dataset.negatives)),
  ];
  const language = document.documentElement.lang, isRtl = document.documentElement.dir === "rtl";
  const options = { timeZone: "UTC", calendar: "gregory", numberingSystem: "latn" };
  const day = new Intl.DateTimeFormat(language, { ...options, day: "numeric", month: "short" });
  const number = new Intl.NumberFormat(language, { numberingSystem: "latn" });
  const colour = (selector) => getComputedStyle(box.querySelector(selector)).color;
  const HEIGHT = box.clientHeight;

  function tell(index) {
    if (index === null || index === undefined) { told.textContent = ""; return; }
    const [name, messages, negatives, share] = [...rows[index].children].map((cell) => cell.textContent.trim());
    told.textContent = `${name}: ${messages}, ${negatives} (${share})`;
  }

  function draw() {
    const ink = getComputedStyle(told).color, line = getComputedStyle(box).borderBlockEndColor;
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    return new uPlot({
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { dir: isRtl ? -1 : 1 }, y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
      cursor: { y: false, drag: { x: false, y: false } },
      axes: [
        { ...axis, space: 72, incrs: [1, 2, 7, 14, 28].map((days) => days * 86400), values: (_, ticks) => ticks.map((one) => day.format(one * 1000)) },
        { ...axis, side: isRtl ? 1 : 3, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000], values: (_, ticks) => ticks.map((one) => number.format(one)) },
      ],
      series: [
        {},
        { stroke: colour(".messages"), width: 1.5, dash: [5, 4], points: { show: false } },
        { stroke: colour(".negatives"), width: 2, points: { show: false } },
      ],
      hooks: { setCursor: [(plot) => tell(plot.cursor.idx)] },
    }, data, box);
  }

  let plot = draw();
  box.classList.add("drawn");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", box.dataset.label);

  function point(index) {
    const within = Math.min(Math.max(index, 0), rows.length - 1);
    plot.setCursor({ left: plot.valToPos(data[0][within], "x"), top: 0 });
  }
  box.addEventListener("keydown", (event) => {
    const at = plot.cursor.idx, forward = isRtl ? -1 : 1;
    const last = rows.length - 1;
    const places = { ArrowRight: at === null || at === undefined ? last : at + forward, ArrowLeft: at === null || at === undefined ? last : at - forward, Home: 0, End: last };
    if (!(event.key in places)) return;
    event.preventDefault();
    point(places[event.key]);
  });
  new ResizeObserver(() => {
    if (Math.abs(box.clientWidth - plot.width) > 1) plot.setSize({ width: box.clientWidth, height: HEIGHT });
  }).observe(box);
  const redraw = () => { plot.destroy(); plot = draw(); };
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"]) matchMedia(query).addEventListener("change", redraw);
})();
