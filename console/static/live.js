// Pages that follow what happens: the server says which conversations changed, this fetches their pieces and puts them in without
// moving what somebody reads or types in. Drafts of answers are kept in this tab until the server has taken them.
"use strict";
(() => {
  const live = document.getElementById("live");
  const part = (id) => document.getElementById(id);

  // --- drafts: they never lie on the server, and go with the tab or with signing out.
  const form = document.querySelector("[data-draft]");
  const field = form && form.querySelector("textarea[name=text]");
  const draftKey = form && `draft:${form.dataset.draft}`;
  const kept = () => { try { return JSON.parse(sessionStorage.getItem(draftKey)); } catch { return null; } };
  const address = new URL(location.href);
  const taken = address.searchParams.get("replied");
  if (taken) {
    address.searchParams.delete("replied");
    history.replaceState(history.state, "", address);
  }
  if (form) {
    const draft = kept();
    if (draft && draft.once === taken) sessionStorage.removeItem(draftKey);
    else if (draft && field && !field.value) field.value = draft.text;
  }
  if (field) {
    const keep = () => sessionStorage.setItem(draftKey, JSON.stringify({ text: field.value, once: form.elements.once.value }));
    if (field.value) keep();
    field.addEventListener("input", keep);
    form.addEventListener("submit", () => {
      keep();
      // Twice pressed is once sent: the server sees to that too.
      setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
    });
  }
  addEventListener("pageshow", () => form && form.querySelectorAll("button").forEach((button) => { button.disabled = false; }));
  document.addEventListener("submit", (event) => {
    if (new URL(event.target.action).pathname !== "/sign-out") return;
    Object.keys(sessionStorage).filter((key) => key.startsWith("draft:")).forEach((key) => sessionStorage.removeItem(key));
  });
  if (!live) return;

  // --- pieces of this page
  const PAUSE_MS = 150, POLL_MS = 10000, STALE_MS = 60000, MOST_IDS = 100, TRIES = 2;
  const holdsFocus = (element) => element.contains(document.activeElement);
  // Each answer shows the form's token under another mask; that alone is no change.
  const differ = (one, other) => bare(one) !== bare(other);
  const bare = (element) => element.innerHTML.replace(/(name="csrf_token" value=")[^"]*/g, "$1");
  const number = (value) => new Intl.NumberFormat(document.documentElement.lang).format(value);
  const inSight = (element) => {
    const box = element.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  };
  const show = (id, visible) => { part(id).hidden = !visible; };

  class SignedOut extends Error {}
  async function piece(url) {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401 || answer.status === 409) throw new SignedOut();
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  const list = {
    fresh: new Set(),
    url(ids) {
      const url = new URL(live.dataset.rows, location.href);
      new URLSearchParams(location.search).forEach((value, name) => { if (name !== "tenant" && name !== "ids") url.searchParams.set(name, value); });
      if (ids) url.searchParams.set("ids", [...ids].join(","));
      return url;
    },
    async look(ids) {
      const some = ids && ids.size <= MOST_IDS ? ids : null;
      const found = await piece(this.url(some));
      this.count(found);
      const rows = new Map([...found.querySelectorAll("[data-id]")].map((row) => [row.dataset.id, row]));
      document.querySelectorAll(".rows [data-id]").forEach((row) => {
        const now = rows.get(row.dataset.id);
        if (now) this.change(row, now);
        else if (!some || some.has(row.dataset.id)) this.leave(row);
        rows.delete(row.dataset.id);
      });
      // What does not stand in the list any more is not new either.
      this.fresh.forEach((id) => { if (!rows.has(id) && (!some || some.has(id))) this.fresh.delete(id); });
      rows.forEach((_, id) => this.fresh.add(id));
      part("live-new").querySelector("[data-count]").textContent = number(this.fresh.size);
      show("live-new", this.fresh.size > 0);
    },
    count(found) {
      const now = [...found.querySelectorAll("[data-part=queues] li")];
      const shown = [...document.querySelectorAll(".queues li")];
      if (now.length !== shown.length) {
        if (!holdsFocus(document.querySelector(".queues"))) document.querySelector(".queues").replaceChildren(...found.querySelector("[data-part=queues]").childNodes);
        return;
      }
      shown.forEach((item, index) => {
        const link = item.querySelector("a"), after = now[index].querySelector("a");
        if (differ(link, after)) link.innerHTML = after.innerHTML;
      });
    },
    change(row, now) {
      row.classList.remove("gone");
      for (const name of [".row-link", ".row-end"]) {
        const before = row.querySelector(name), after = now.querySelector(name);
        if (differ(before, after)) before.innerHTML = after.innerHTML;
      }
    },
    leave(row) {
      if (row.classList.contains("gone")) return;
      row.classList.add("gone");
      const mark = document.createElement("span");
      mark.className = "tag";
      mark.textContent = live.dataset.gone;
      row.querySelector(".row-end").prepend(mark);
    },
    async reveal() {
      const chosen = new Set([...document.querySelectorAll(".rows input:checked")].map((box) => box.value));
      const page = await piece(location.href);
      const body = page.getElementById("list-body");
      if (!body) throw new SignedOut();
      part("list-body").replaceChildren(...body.childNodes);
      document.querySelectorAll(".rows input[type=checkbox]").forEach((box) => { box.checked = chosen.has(box.value); });
      const first = [...document.querySelectorAll(".rows [data-id]")].find((row) => this.fresh.has(row.dataset.id));
      this.fresh.clear();
      show("live-new", false);
      (first ? first.querySelector("a") : part("main")).focus();
    },
  };

  const words = {
    unseen: null,
    concerns: (id) => id === live.dataset.conversation,
    async look() {
      if (new URLSearchParams(location.search).has("before")) return;
      const found = await piece(live.dataset.messages);
      const line = found.getElementById("stands"), shown = part("messages");
      const version = line.dataset.version;
      part("stands").replaceWith(line);
      let last = null, unseen = null;
      const now = [...found.querySelectorAll("#messages > li[id]")];
      now.forEach((item) => {
        const before = part(item.id);
        if (before) {
          item.classList.toggle("chosen", before.classList.contains("chosen"));
          if (differ(before, item) && !holdsFocus(before)) before.innerHTML = item.innerHTML;
          last = before;
        } else {
          if (last) last.after(item);
          else shown.append(item);
          last = item;
          if (item.classList.contains("inbound") && !inSight(item)) unseen = item;
        }
      });
      // An answer that has left stands among the messages now.
      const ids = new Set(now.map((item) => item.id));
      shown.querySelectorAll("[data-reply]").forEach((item) => { if (!ids.has(item.id) && !holdsFocus(item)) item.remove(); });
      if (now.length) shown.querySelectorAll(".empty").forEach((item) => item.remove());
      this.unseen = unseen || (this.unseen && !inSight(this.unseen) ? this.unseen : null);
      show("live-new", Boolean(this.unseen));
      // Who has everything in sight acts on what is true.
      if (!this.unseen) document.querySelectorAll("input[name=version]").forEach((input) => { input.value = version; });
    },
    async reveal() {
      if (this.unseen) this.unseen.scrollIntoView({ block: "center" });
      this.unseen = null;
      show("live-new", false);
    },
  };
  const page = live.dataset.rows ? list : words;

  // --- one look at a time, and a pause between two, longer where the server is slow.
  let wanted = null, everything = false, looking = false, notBefore = 0, isOver = false, timer = null;
  function want(ids) {
    if (ids) ids.forEach((id) => (wanted ||= new Set()).add(id));
    else everything = true;
    if (timer === null && !looking) timer = setTimeout(look, Math.max(0, notBefore - performance.now()));
  }
  async function look() {
    timer = null;
    if (isOver || document.hidden) return;
    const ids = everything ? null : wanted;
    [wanted, everything, looking] = [null, false, true];
    const began = performance.now();
    try {
      await page.look(ids);
      if (!stream || stream.readyState === 1) show("live-lost", false);
    } catch (error) {
      if (error instanceof SignedOut) return end();
      show("live-lost", true);
      setTimeout(() => want(null), POLL_MS);
    } finally {
      looking = false;
      notBefore = performance.now() + Math.max(PAUSE_MS, 5 * (performance.now() - began));
    }
    if (wanted || everything) want([]);
  }
  function end() {
    isOver = true;
    close();
    show("live-lost", false);
    show("live-over", true);
  }

  // --- the stream, and looking every ten seconds where there is none
  let stream = null, failures = 0, poll = null;
  function open() {
    if (stream || isOver || document.hidden) return;
    stream = new EventSource(live.dataset.events);
    stream.addEventListener("hello", () => { failures = 0; stopPolling(); show("live-lost", false); want(null); });
    stream.addEventListener("reload", () => want(null));
    stream.addEventListener("over", end);
    stream.addEventListener("changed", (event) => {
      let ids = JSON.parse(event.data).map(([id]) => id);
      if (page.concerns) ids = ids.filter(page.concerns);
      if (ids.length) want(ids);
    });
    stream.addEventListener("error", () => {
      failures += 1;
      if (failures < TRIES && stream.readyState !== 2) return show("live-lost", true);
      close();
      want(null);
      if (poll === null) poll = setInterval(again, POLL_MS);
    });
  }
  let rounds = 0;
  function again() {
    want(null);
    rounds += 1;
    if (rounds % 3 === 0) open(); // perhaps it works again
  }
  function stopPolling() { clearInterval(poll); poll = null; rounds = 0; }
  function close() { if (stream) stream.close(); stream = null; }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); stopPolling(); } else { failures = 0; open(); }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  addEventListener("offline", () => show("live-lost", true));
  addEventListener("online", () => { close(); failures = 0; open(); });
  part("live-new").querySelector("button").addEventListener("click", () => page.reveal().catch(() => location.reload()));
  setInterval(() => want(null), STALE_MS); // "5 min ago" grows old
  open();
})();
