// Single letters move through the list and do what a button with data-key does. They can be switched off (WCAG 2.1.4).
"use strict";
const letters = () => document.documentElement.dataset.letters !== "off";
const rows = () => [...document.querySelectorAll("[data-row]")];
let current = -1;

function move(step) {
  const all = rows();
  if (!all.length) return;
  current = Math.min(Math.max(current + step, 0), all.length - 1);
  all.forEach((row, index) => row.classList.toggle("current", index === current));
  all[current].querySelector("a").focus();
}

function press(key) {
  const target = document.querySelector(`[data-key="${key}"]`);
  if (target) target.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
  if (event.key === "?") {
    event.preventDefault();
    document.getElementById("letters").checked = letters();
    document.getElementById("shortcuts").showModal();
    return;
  }
  if (!letters()) return;
  if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    move(event.key === "j" ? 1 : -1);
  } else if (/^[a-z0-9]$/.test(event.key)) {
    press(event.key);
  }
});

// Kept with the account, so that it holds on every device; here only until the server has it.
function keepLetters(chosen) {
  localStorage.setItem("letters", chosen);
  document.documentElement.dataset.letters = chosen;
  const token = document.querySelector('input[name="csrf_token"]');
  if (!token) return;
  const form = new URLSearchParams({ csrf_token: token.value, letters: chosen });
  fetch("/me/letters", { method: "POST", body: form, keepalive: true, redirect: "error" })
    .catch(() => {});
}

document.addEventListener("change", (event) => {
  if (event.target.id === "letters") keepLetters(event.target.checked ? "on" : "off");
});
// A page may have been made before the choice was kept: what stands here goes only when a page of the server's says the same.
const chosenHere = localStorage.getItem("letters");
if (chosenHere && chosenHere === document.documentElement.dataset.letters) {
  localStorage.removeItem("letters");
} else if (chosenHere && document.documentElement.dataset.letters) {
  keepLetters(chosenHere);
  for (const box of document.querySelectorAll('input[name="letters"]')) box.checked = letters();
}
document.addEventListener("submit", (event) => {
  if (event.target.elements.letters) localStorage.removeItem("letters");
});
