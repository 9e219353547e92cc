"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const names = Object.keys(data.detectors);
  const colours = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d1f", "#7f7f7f"];
  const dashes = ["", "6 3", "2 3"];
  const svg = (tag, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes || {})) node.setAttribute(k, v);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const fill = (select, items, label) => items.forEach((item, i) => {
    const option = document.createElement("option");
    option.value = String(i); option.textContent = label ? label(item) : item; select.append(option);
  });
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const nice = (v) => Math.abs(v) >= 1000 ? compact.format(v) : String(+v.toPrecision(3));
  const date = (t, span) => { const s = new Date(t).toISOString(); return span < 3 * 864e5 ? s.slice(5, 16).replace("T", " ") : s.slice(0, 10); };
  const extent = (lists) => {
    let low = Infinity, high = -Infinity;
    for (const list of lists) for (const v of list) if (v !== null) { if (v < low) low = v; if (v > high) high = v; }
    if (low > high) [low, high] = [0, 1];
    const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [low - pad, high + pad];
  };
  const scale = ([a, b], [x, y]) => (v) => x + (v - a) / (b - a || 1) * (y - x);
  const path = (xs, ys, x, y) => {
    let d = "", pen = false;
    for (let i = 0; i < xs.length; i++) {
      if (ys[i] === null) { pen = false; continue; }
      d += `${pen ? "L" : "M"}${x(xs[i]).toFixed(1)} ${y(ys[i]).toFixed(1)}`; pen = true;
    }
    return d;
  };
  const area = (xs, lows, highs, x, y, range) => {
    const keep = xs.map((_, i) => i).filter((i) => lows[i] !== null && highs[i] !== null);
    if (!keep.length) return "";
    const cut = (v) => y(Math.min(Math.max(v, range[0]), range[1])).toFixed(1);
    return "M" + keep.map((i) => `${x(xs[i]).toFixed(1)} ${cut(highs[i])}`).join("L") + "L" + keep.reverse().map((i) => `${x(xs[i]).toFixed(1)} ${cut(lows[i])}`).join("L") + "Z";
  };
  const ticks = ([low, high]) => {
    const rough = (high - low) / 4, ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((m) => m >= rough), found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
    return found;
  };
  const axes = (root, x, y, xr, yr, box, xlabel) => {
    for (const v of ticks(yr)) root.append(svg("line", { x1: box[0], x2: box[1], y1: y(v), y2: y(v), class: "axis" }), svg("text", { x: box[0] - 6, y: y(v) + 4, "text-anchor": "end" }, nice(+v.toPrecision(6))));
    for (let i = 0; i <= 5; i++) {
      const v = xr[0] + (xr[1] - xr[0]) * i / 5;
      root.append(svg("text", { x: x(v), y: box[3] + 15, "text-anchor": i === 0 ? "start" : i === 5 ? "end" : "middle" }, xlabel(v)));
    }
  };
  const css = (name) => `var(--${name})`;

  function timePlot(where, label, p) {
    const W = 1100, H = 420, L = 62, R = 1092, mid = 280;
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label });
    const xr = [p.t[0], p.end], x = scale(xr, [L, R]);
    const yr = extent([p.low, p.high]), y = scale(yr, [mid - 14, 10]);
    const top = Math.max(1.5, ...p.score.filter((v) => v !== null).map((v) => Math.min(v, 6))), s = scale([0, top], [H - 26, mid + 24]);
    if (p.start) root.append(svg("rect", { x: L, width: Math.max(x(p.start) - L, 0), y: 10, height: H - 36, fill: css("start") }));
    for (const [a, b, kind] of p.events) {
      const mark = svg("rect", { x: x(Math.max(a, xr[0])), width: Math.max(x(Math.min(b, xr[1])) - x(Math.max(a, xr[0])), 2), y: 10, height: H - 36, fill: css("event") });
      mark.append(svg("title", {}, kind || "labelled")); root.append(mark);
    }
    axes(root, x, y, xr, yr, [L, R, 10, H - 26], (v) => date(v, xr[1] - xr[0]));
    if (p.band) {
      root.append(svg("path", { d: area(p.band.t, p.band.lower, p.band.upper, x, y, yr), fill: css("band") }));
      root.append(svg("path", { d: path(p.band.t, p.band.expected.map((v) => v === null || v < yr[0] || v > yr[1] ? null : v), x, y), fill: "none", stroke: css("soft"), "stroke-width": 1, "stroke-dasharray": "3 2" }));
    }
    const xs = [], ys = [];
    p.t.forEach((t, i) => { xs.push(t); ys.push(p.low[i]); if (p.high[i] !== p.low[i]) { xs.push(t); ys.push(p.high[i]); } });
    root.append(svg("path", { d: path(xs, ys, x, y), fill: "none", stroke: css("value"), "stroke-width": 1.1, "stroke-linejoin": "round" }));
    root.append(svg("line", { x1: L, x2: R, y1: s(1), y2: s(1), stroke: css("false"), "stroke-dasharray": "5 4" }), svg("text", { x: L - 6, y: s(1) + 4, "text-anchor": "end" }, "limit"));
    root.append(svg("text", { x: L, y: mid + 14 }, "score over threshold"));
    root.append(svg("path", { d: path(p.t, p.score.map((v) => v === null ? null : Math.min(v, top)), x, s), fill: "none", stroke: css("ink"), "stroke-width": 1 }));
    for (const [a, b, wrong] of p.alerts) {
      const at = x(a);
      const mark = svg("path", { d: `M${at} ${mid - 8}l-5 9h10z`, fill: css(wrong ? "false" : "hit") });
      mark.append(svg("title", {}, `${wrong ? "false alarm" : "alert in an event"}, ${new Date(a).toISOString().slice(0, 16)}`)); root.append(mark);
      if (x(b) - at > 3) root.append(svg("line", { x1: at, x2: x(b), y1: mid, y2: mid, stroke: css(wrong ? "false" : "hit"), "stroke-width": 2 }));
    }
    where.replaceChildren(root);
  }

  function lines(where, label, curves, xr, xlabel, height, marks) {
    const W = 1100, H = height, L = 62, R = 880;
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label });
    const x = scale(xr, [L, R]), yr = [0, extent([[0], ...curves.map((c) => c.y)])[1]], y = scale(yr, [H - 28, 10]);
    axes(root, x, y, xr, yr, [L, R, 10, H - 26], xlabel);
    for (const m of marks) root.append(svg("line", { x1: x(m), x2: x(m), y1: 10, y2: H - 28, stroke: css("soft"), "stroke-dasharray": "5 4" }));
    curves.forEach((c, i) => {
      const dash = dashes[Math.floor(i / colours.length) % 3], stroke = colours[i % colours.length];
      root.append(svg("path", { d: path(c.x, c.y, x, y), fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dash }));
      root.append(svg("line", { x1: R + 16, x2: R + 40, y1: 20 + i * 18, y2: 20 + i * 18, stroke, "stroke-width": 2, "stroke-dasharray": dash }), svg("text", { x: R + 46, y: 24 + i * 18 }, c.name));
    });
    where.replaceChildren(root);
  }

  function drawSeries() {
    const i = +$("pick-series").value, one = data.series[i], name = names[+$("pick-detector").value], f = Math.min(+$("pick-feature").value || 0, one.features.length - 1);
    const run = data.detectors[name].series[i];
    timePlot($("plot-series"), `${one.name}, ${name}`, { t: one.from, end: one.end, start: one.start, low: one.features[f].low, high: one.features[f].high, score: run.score, alerts: run.alerts, events: one.events, band: run.band && { t: run.band.t, ...run.band.features[f] } });
  }
  let place = 0;
  function drawCase(step) {
    const all = data.detectors[names[+$("case-detector").value]].cases.filter((c) => c.what === $("case-what").value);
    place = all.length ? (place + step + all.length) % all.length : 0;
    $("case-count").textContent = all.length ? `${place + 1} of ${all.length}` : "none";
    if (!all.length) { $("case-text").textContent = "Nothing of this kind."; $("plot-case").replaceChildren(); return; }
    const c = all[place];
    $("case-text").textContent = `${c.series}${c.feature === "value" ? "" : ", " + c.feature}${c.kind ? ", " + c.kind : ""}: highest score ${c.top} of the threshold`;
    timePlot($("plot-case"), $("case-text").textContent, { t: c.t, end: c.t[c.t.length - 1], low: c.value, high: c.value, score: c.score, events: c.events, alerts: c.what === "missed" ? [] : [[c.span[0], c.span[1], 1]], band: c.band });
  }
  function drawSweep() {
    const what = $("sweep-what").value;
    const curves = names.map((name) => ({ name, x: data.detectors[name].sweep.level.map(Math.log2), y: data.detectors[name].sweep[what] }));
    lines($("plot-sweep"), "threshold sweep", curves, [-2, 3], (v) => nice(+(2 ** v).toPrecision(2)), Math.max(340, 30 + names.length * 18), [0]);
  }
  function small(title, draw) {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.textContent = title; const root = svg("svg", { viewBox: "0 0 320 170", role: "img", "aria-label": title });
    draw(root); figure.append(caption, root); return figure;
  }
  function drawErrors() {
    $("plot-errors").replaceChildren(...names.map((name) => small(name, (root) => {
      const d = data.detectors[name].distribution, x = scale([-6, 4], [8, 312]), top = Math.max(...d.normal, ...d.labelled, 1e-9);
      const y = scale([Math.log10(1e-5), Math.log10(top)], [145, 8]), height = (v) => y(Math.log10(Math.max(v, 1e-5)));
      [["normal", "value"], ["labelled", "false"]].forEach(([part, colour]) => {
        const xs = [], ys = [];
        d[part].forEach((v, i) => { xs.push(d.edges[i], d.edges[i + 1]); ys.push(v, v); });
        root.append(svg("path", { d: xs.map((v, i) => `${i ? "L" : "M"}${x(v).toFixed(1)} ${height(ys[i]).toFixed(1)}`).join(""), fill: "none", stroke: css(colour), "stroke-width": 1.8, "stroke-dasharray": part === "labelled" ? "5 2" : "" }));
      });
      root.append(svg("line", { x1: x(0), x2: x(0), y1: 8, y2: 145, stroke: css("soft"), "stroke-dasharray": "4 3" }));
      [-6, -4, -2, 0, 2, 4].forEach((v) => root.append(svg("text", { x: x(v), y: 160, "text-anchor": "middle" }, String(v))));
      root.append(svg("text", { x: 312, y: 18, "text-anchor": "end", style: `fill:${css("value")}` }, "normal"), svg("text", { x: 312, y: 32, "text-anchor": "end", style: `fill:${css("false")}` }, "labelled"));
    })));
  }
  const tiny = (v) => v < 1e-3 ? v.toExponential(0) : nice(+v.toPrecision(3));
  function drawLosses() {
    const where = $("plot-losses"); if (!where) return;
    const panels = [];
    for (const name of names) {
      const all = data.detectors[name].losses; if (!all.length) continue;
      for (const key of Object.keys(all[0].epochs[0]).filter((k) => k !== "epoch").slice(0, 2)) panels.push(small(`${name}: ${key}`, (root) => {
        const longest = Math.max(...all.map((o) => o.epochs.length)), x = scale([1, Math.max(longest, 2)], [40, 312]), log = (v) => v > 0 ? Math.log10(v) : null, losses = all.map((o) => o.epochs.map((e) => log(e[key]))), yr = extent(losses), y = scale(yr, [145, 8]);
        losses.forEach((own) => root.append(svg("path", { d: path(own.map((_, i) => i + 1), own, x, y), fill: "none", stroke: css("value"), opacity: 0.6 })));
        root.append(svg("text", { x: 40, y: 160 }, "1"), svg("text", { x: 312, y: 160, "text-anchor": "end" }, String(longest)), svg("text", { x: 34, y: 14, "text-anchor": "end" }, tiny(10 ** yr[1])), svg("text", { x: 34, y: 145, "text-anchor": "end" }, tiny(10 ** yr[0])));
      }));
    }
    where.replaceChildren(...panels);
  }
  function features() {
    const own = data.series[+$("pick-series").value].features;
    $("pick-feature").replaceChildren(); fill($("pick-feature"), own, (f) => f.name); $("feature-label").hidden = own.length < 2;
  }
  fill($("pick-series"), data.series, (s) => s.events.length ? `${s.name} (${s.events.length} labelled)` : s.name);
  $("pick-series").value = String(Math.max(data.series.findIndex((s) => s.events.length), 0)); // one with something to see
  for (const id of ["pick-detector", "case-detector"]) fill($(id), names);
  features();
  $("pick-series").addEventListener("change", () => { features(); drawSeries(); });
  for (const id of ["pick-detector", "pick-feature"]) $(id).addEventListener("change", drawSeries);
  for (const id of ["case-detector", "case-what"]) $(id).addEventListener("change", () => { place = 0; drawCase(0); });
  $("case-back").addEventListener("click", () => drawCase(-1));
  $("case-next").addEventListener("click", () => drawCase(1));
  $("sweep-what").addEventListener("change", drawSweep);
  $("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  document.querySelectorAll("table.sortable thead th").forEach((head) => head.addEventListener("click", () => {
    const column = head.cellIndex, body = head.closest("table").tBodies[0], up = head.getAttribute("aria-sort") === "descending";
    const key = (row) => { const cell = row.cells[column], v = parseFloat(cell.dataset.sort ?? cell.textContent); return Number.isNaN(v) ? (column ? -Infinity : cell.textContent) : v; };
    head.parentNode.querySelectorAll("th").forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    [...body.rows].sort((a, b) => { const p = key(a), q = key(b); return (p < q ? -1 : p > q ? 1 : 0) * (up ? 1 : -1); }).forEach((row) => body.append(row));
  }));
  for (const draw of [drawSeries, () => drawCase(0), drawSweep, drawErrors, drawLosses]) draw();
})();
