// Ctrl-K or Cmd-K: everything one can go to or do from here, found by typing. Without scripts /go is a page of the same.
"use strict";
(() => {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const MOST = 60;
  const wanted = document.getElementById("palette-wanted");
  const list = document.getElementById("palette-list");
  const told = document.getElementById("palette-none");
  const fold = (text) => text.toLowerCase().replace(/ı/g, "i").replace(/ß/g, "ss").normalize("NFKD").replace(/\p{M}/gu, "");
  let choices = [], shown = [], current = 0;

  async function open() {
    if (dialog.open) return;
    document.querySelectorAll("dialog[open]").forEach((other) => other.close());
    wanted.value = "";
    show([]);
    dialog.showModal();
    try {
      const answer = await fetch(dialog.dataset.choices, { cache: "no-store" });
      if (answer.redirected) return location.reload(); // nobody is signed in any more
      if (!answer.ok) throw new Error(String(answer.status));
      choices = (await answer.json()).map((one, place) => ({ ...one, place, text: fold(`${one.group} ${one.name}`), title: fold(one.name) }));
      find();
    } catch {
      told.textContent = told.dataset.lost;
    }
  }

  // What begins with the words comes first, then what has a word that begins so.
  function find() {
    const words = fold(wanted.value).split(/\s+/).filter(Boolean);
    const rank = (one) => (one.title.startsWith(words[0]) ? 0 : words.every((word) => ` ${one.text}`.includes(` ${word}`)) ? 1 : 2);
    const found = choices.filter((one) => words.every((word) => one.text.includes(word)));
    if (words.length) found.sort((a, b) => rank(a) - rank(b) || a.place - b.place);
    show(found.slice(0, MOST));
    told.textContent = found.length || !choices.length ? "" : told.dataset.none;
  }

  function show(found) {
    shown = found;
    list.replaceChildren(...found.map((one, index) => {
      const item = document.createElement("li");
      item.id = `palette-${index}`;
      item.setAttribute("role", "option");
      const name = document.createElement("bdi"), group = document.createElement("span");
      name.textContent = one.name;
      group.className = "quiet";
      group.textContent = one.group;
      item.append(name, " ", group);
      if (one.key) {
        const key = document.createElement("kbd");
        key.textContent = one.key;
        item.append(" ", key);
      }
      return item;
    }));
    list.hidden = !found.length;
    wanted.setAttribute("aria-expanded", String(Boolean(found.length)));
    mark(0);
  }

  function mark(index) {
    current = Math.min(Math.max(index, 0), shown.length - 1);
    [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === current)));
    const item = list.children[current];
    if (item) {
      wanted.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else wanted.removeAttribute("aria-activedescendant");
  }

  function choose(one) {
    if (!one) return;
    dialog.close();
    if (one.fields) return send(one);
    const address = new URL(one.address, location.href);
    if (address.pathname !== location.pathname || !address.hash) return location.assign(address);
    // A place on this page.
    const place = document.getElementById(address.hash.slice(1));
    if (!place) return location.assign(address);
    if (place.tagName === "DETAILS") place.open = true;
    const target = place.tagName === "DETAILS" ? place.querySelector("summary") : place;
    target.scrollIntoView({ block: "center" });
    target.focus();
  }

  function send(one) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = one.address;
    const fields = { ...one.fields, csrf_token: document.querySelector("input[name=csrf_token]").value };
    // What counts is what the person has seen, not what is true by now.
    const seen = document.querySelector("main input[name=version]");
    if (fields.version && seen) fields.version = seen.value;
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value;
      form.append(input);
    }
    form.hidden = true;
    document.body.append(form);
    form.requestSubmit();
  }

  wanted.addEventListener("input", find);
  wanted.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) mark(current + steps[event.key]);
    else if (event.key === "Enter") choose(shown[current]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) choose(shown[[...list.children].indexOf(item)]);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });
  document.querySelectorAll("[data-palette]").forEach((link) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  }));
})();
