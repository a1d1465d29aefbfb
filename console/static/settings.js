// Forms of the settings: a slider and its number go together, bytes are counted, long lists are searched, and a rule is read back
// while it is written. Everything works without this, with the buttons.
"use strict";
(() => {
  document.querySelectorAll("[data-slider]").forEach((field) => {
    const [range, number] = field.querySelectorAll("input[type=range], input.short");
    range.addEventListener("input", () => { number.value = range.value; number.dispatchEvent(new Event("change", { bubbles: true })); });
    number.addEventListener("input", () => {
      const value = Number(number.value.replace(",", "."));
      if (Number.isFinite(value)) range.value = value;
    });
  });

  document.querySelectorAll("[data-bytes]").forEach((area) => {
    const shown = document.getElementById(area.dataset.bytes);
    const format = new Intl.NumberFormat(document.documentElement.lang);
    area.addEventListener("input", () => { shown.textContent = format.format(new TextEncoder().encode(area.value).length); });
  });

  document.querySelectorAll("[data-find]").forEach((find) => {
    const choices = [...document.getElementById(find.dataset.find).querySelectorAll("label")];
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLocaleLowerCase();
      choices.forEach((one) => { one.hidden = wanted !== "" && !one.textContent.toLocaleLowerCase().includes(wanted) && !one.querySelector("input").checked; });
    });
    find.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  });

  const form = document.querySelector("form[data-read-back]");
  if (!form) return;
  const button = form.querySelector("[data-read]");
  const PAUSE_MS = 300;
  let timer = 0, asked = 0;
  async function readBack() {
    const turn = ++asked;
    try {
      const answer = await fetch(form.dataset.readBack, { method: "POST", body: new URLSearchParams(new FormData(form)), cache: "no-store" });
      if (!answer.ok || turn !== asked) throw new Error(String(answer.status));
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("sentence");
      if (found) document.getElementById("sentence").textContent = found.textContent;
    } catch {
      if (turn === asked) button?.classList.add("needed");
    }
  }
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(readBack, PAUSE_MS); });
})();
