// Keeps the page live: asks the server what has changed and shows it. Figures go through Dash, all else through patch.js,
// in elements that Dash leaves empty; nothing here builds HTML from what it is told.
(() => {
  "use strict";

  const RETRY_MS = 40;          // while the new page is still being put up
  const RETRIES = 100;
  const AWAY_AFTER = 2;         // failed requests before the page says so
  const root = document.documentElement;
  const refreshMs = Number(root.dataset.refresh) || 1000;
  const applied = new Map();    // component id -> hash of what it shows
  const state = { tag: "", view: "", timer: 0, busy: false, again: false, tries: 0, failed: 0, since: null, resets: 0, holding: false };

  const view = () => `${location.pathname}${location.search}|${root.dataset.theme}`;

  function address() {
    const values = new URLSearchParams(location.search);
    values.set("path", location.pathname);
    values.set("theme", root.dataset.theme);
    return `/live?${values}`;
  }

  async function tick() {
    clearTimeout(state.timer);
    if (state.busy) { state.again = true; return; }
    state.busy = true;
    state.again = false;
    const asked = view();
    let wait = refreshMs;
    try {
      const headers = asked === state.view && state.tag ? { "If-None-Match": state.tag } : {};
      const reply = await fetch(address(), { headers, cache: "no-store" });
      if (reply.status === 200) {
        const found = await reply.json();
        if (asked !== view()) state.again = true;
        else if (apply(found.parts)) { state.tag = reply.headers.get("ETag"); state.view = asked; state.tries = 0; }
        else if (state.tries++ < RETRIES) { state.tag = ""; wait = state.holding ? refreshMs : RETRY_MS; }
      } else if (reply.status !== 304) throw new Error(`status ${reply.status}`);
      online();
    } catch (error) { offline(); }
    listen();
    state.busy = false;
    if (state.again) tick();
    else state.timer = setTimeout(tick, document.hidden ? 5 * refreshMs : wait);
  }

  // False if the page that this belongs to is not up yet.
  function apply(parts) {
    const page = document.querySelector("[data-path]");
    if (!window.dash_clientside || !window.dash_clientside.set_props || !page) return false;
    if (page.dataset.path !== location.pathname) return false;
    let complete = true;
    for (const [id, part] of Object.entries(parts)) {
      if (applied.get(id) === part.hash) continue;
      const element = document.getElementById(id);
      if (!element) { complete = false; continue; }
      const { children, ...others } = part.props;
      if (others.figure && state.holding) { complete = false; continue; }
      if ("children" in part.props) window.eddyPatch(element, children);
      if (others.figure) others.figure.layout.uirevision += `|${state.resets}`;
      if (Object.keys(others).length) window.dash_clientside.set_props(id, others);
      applied.set(id, part.hash);
    }
    return complete;
  }

  function online() {
    state.failed = 0;
    state.since = null;
    const line = document.getElementById("offline");
    if (line && !line.hidden) line.hidden = true;
  }

  function offline() {
    state.since = state.since || new Date();
    if (++state.failed < AWAY_AFTER) return;
    const line = document.getElementById("offline");
    if (!line) return;
    const since = state.since.toISOString().slice(0, 19).replace("T", " ");
    line.textContent = `The page's server does not answer since ${since} UTC. What is shown is as of then; it is asked again all the time.`;
    line.hidden = false;
  }

  function moved() {
    applied.clear();
    state.tag = "";
    state.tries = 0;
    tick();
  }

  function set(changes) {
    const values = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null) values.delete(name); else values.set(name, value);
    }
    const text = values.toString();
    history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
    tick();
  }

  // Even one that the server has not heard of yet: the figure that comes next is of another revision, whatever is in it.
  function endZoom(changes) {
    changes.from = "";
    changes.to = "";
    state.resets += 1;
    state.tag = "";
    applied.delete("series-graph");
  }

  function press(button) {
    const changes = { page: "", ...Object.fromEntries(new URLSearchParams(button.dataset.set)) };
    if ("window" in changes || "model" in changes) endZoom(changes);
    set(changes);
  }

  // -- what is done rather than shown -------------------------------------------------------------------------

  function say(text, bad) {
    document.querySelectorAll(".toast").forEach((old) => old.remove());
    const toast = document.createElement("div");
    toast.className = bad ? "toast bad" : "toast";
    toast.setAttribute("role", bad ? "alert" : "status");
    toast.textContent = text;
    document.body.append(toast);
    setTimeout(() => toast.remove(), bad ? 8000 : 4000);
  }

  function ask(question, secret) {
    return new Promise((resolve) => {
      const dialog = document.createElement("dialog");
      const form = document.createElement("form");
      form.method = "dialog";
      const text = document.createElement("p");
      text.textContent = question;
      form.append(text);
      let field = null;
      if (secret) {
        field = document.createElement("input");
        field.type = "password";
        field.autocomplete = "off";
        field.setAttribute("aria-label", "token");
        form.append(field);
      }
      const row = document.createElement("div");
      row.className = "dialog-buttons";
      for (const [value, name] of [["", "Cancel"], ["yes", "Go on"]]) {
        const button = document.createElement("button");
        button.value = value;
        button.className = value ? "button primary" : "button";
        button.textContent = name;
        row.append(button);
      }
      // Enter in the field presses the first button of a form: that is not to be Cancel.
      if (field) field.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); dialog.close("yes"); } });
      form.append(row);
      dialog.append(form);
      dialog.addEventListener("close", () => {
        resolve(dialog.returnValue === "yes" ? (field ? field.value : true) : null);
        dialog.remove();
      });
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  async function act(button) {
    const body = JSON.parse(button.dataset.body);
    if (body.action === "label") {
      body.label = document.getElementById("label").value.trim();
      if (!body.label) { say("Say what it was first, in the field beside the button.", true); return; }
    }
    if (button.dataset.confirm && !(await ask(button.dataset.confirm, false))) return;
    button.disabled = true;
    try { await post(button.dataset.action, body); } finally { button.disabled = false; }
  }

  async function post(name, body) {
    const headers = { "Content-Type": "application/json", "X-Eddy-Action": "1" };
    const token = sessionStorage.getItem("eddy-token");
    if (token) headers["X-Eddy-Token"] = token;
    let reply, told;
    try {
      reply = await fetch(`/actions/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
      told = await reply.json();
    } catch (error) { say("The page's server did not answer; nothing is known to have been done.", true); return; }
    if (reply.status === 401) {
      const given = await ask("This asks for the token (setting dashboard.token):", true);
      if (given === null) return;
      sessionStorage.setItem("eddy-token", given);
      if (given !== token) { await post(name, body); return; }
    }
    say(told.done || told.error || "The server gave no reason.", !reply.ok);
    tick();
  }

  async function copyLink() {
    try { await navigator.clipboard.writeText(location.href); say("The link is copied."); }
    catch (error) { say(location.href); }
  }

  // -- events -----------------------------------------------------------------------------------------------

  function follow(event) {
    const link = event.target.closest && event.target.closest("a[href^='/']");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState({}, "", link.getAttribute("href"));
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  document.addEventListener("click", (event) => {
    follow(event);
    const target = event.target.closest && event.target.closest("button");
    if (!target) return;
    if (target.dataset.set) press(target);
    else if (target.dataset.action) act(target);
    else if (target.dataset.copy) copyLink();
    else if (target.id === "theme") {
      root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("eddy-theme", root.dataset.theme); } catch (error) { /* not kept, then */ }
      tick();
    }
  });

  let typing = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "search") return;
    clearTimeout(typing);
    typing = setTimeout(() => set({ q: event.target.value, page: "" }), 120);
  });

  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("search");
    const free = !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && search && free && !event.ctrlKey && !event.metaKey) { event.preventDefault(); search.focus(); }
  });

  const time = (value) => (typeof value === "number" ? value : Date.parse(`${String(value).replace(" ", "T")}Z`));
  let zooming = 0;
  function zoomed(change) {
    const pair = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    const from = time(pair[0]), to = time(pair[1]);
    clearTimeout(zooming);
    if (from < to) zooming = setTimeout(() => set({ from: Math.round(from), to: Math.round(to) }), 60);
    else if (change["xaxis.autorange"] && new URLSearchParams(location.search).has("from")) set({ from: "", to: "" });
  }

  // Plotly's own event; its emitter is another one whenever the figure was put up anew.
  function listen() {
    const plot = document.querySelector("#series-graph .js-plotly-plot");
    if (!plot || !plot.on || plot._ev === plot.eddyHeard) return;
    plot.on("plotly_relayout", zoomed);
    plot.eddyHeard = plot._ev;
  }

  // While somebody draws a box in a figure, it is left alone.
  document.addEventListener("pointerdown", (event) => {
    listen();
    state.holding = Boolean(event.target.closest && event.target.closest(".graph"));
  }, true);
  for (const name of ["pointerup", "pointercancel", "blur"]) window.addEventListener(name, () => { state.holding = false; }, true);

  window.addEventListener("_dashprivate_pushstate", moved);
  window.addEventListener("popstate", moved);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
  tick();
})();
