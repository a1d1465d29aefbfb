// The set-up's pages: pieces that are fetched anew until they are over, buttons that copy, and a short name made from a name.
"use strict";
(() => {
  const EVERY_MS = 1500;
  document.querySelectorAll("[data-poll]").forEach((place) => {
    let shown = null;
    const look = async () => {
      if (document.hidden) return void setTimeout(look, EVERY_MS);
      try {
        const answer = await fetch(place.dataset.poll, { headers: { Accept: "text/html" }, cache: "no-store" });
        // Signed out, or the thing is gone: what stands there stays.
        if (answer.redirected || [401, 403, 404].includes(answer.status)) return;
        if (answer.ok) {
          const text = await answer.text();
          if (text !== shown && !place.contains(document.activeElement)) {
            place.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
            shown = text;
          }
          if (place.querySelector("[data-over]")) return;
        }
      } catch { /* the next look may reach it */ }
      setTimeout(look, EVERY_MS);
    };
    setTimeout(look, EVERY_MS / 3);
  });

  if (navigator.clipboard) {
    document.querySelectorAll("[data-copy]").forEach((button) => {
      const before = button.innerHTML;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
        button.textContent = `✓ ${button.dataset.copied}`;
        setTimeout(() => { button.innerHTML = before; }, 2000);
      });
    });
  }

  const name = document.getElementById("f-name"), slug = document.getElementById("f-slug");
  if (name && slug && slug.dataset.follows !== "no") {
    let isOwn = slug.value !== "";
    slug.addEventListener("input", () => { isOwn = slug.value !== ""; });
    name.addEventListener("input", () => {
      if (isOwn) return;
      const plain = name.value.toLowerCase().replaceAll("ı", "i").replaceAll("ß", "ss").normalize("NFKD").replace(/[^\x00-\x7f]/g, "");
      slug.value = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63);
    });
  }
})();
