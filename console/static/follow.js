// Parts of a page that follow work which goes on: each [data-follow] is fetched again, from the address it names or else this page's own,
// until the server sends it without that mark. What somebody has focused stays as it is until they leave it.
"use strict";
(() => {
  const EVERY_MS = 2000, SLOWEST_MS = 30000;
  let wait = EVERY_MS;
  const parts = () => [...document.querySelectorAll("[data-follow][id]")];

  async function follow(part) {
    const answer = await fetch(part.dataset.follow || location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById(part.id);
    // Signed out, or gone: the page itself says so when it is loaded.
    if (answer.redirected || !now) return location.reload();
    if (part.contains(document.activeElement)) return;
    if (!now.hasAttribute("data-follow") && part.hasAttribute("data-then-reload")) return location.reload();
    if (part.hasAttribute("data-then-reload")) now.setAttribute("data-then-reload", "");
    if (part.outerHTML !== now.outerHTML) part.replaceWith(now);
  }
  async function look() {
    if (!document.hidden) {
      try {
        for (const part of parts()) await follow(part);
        wait = EVERY_MS;
      } catch {
        wait = Math.min(wait * 2, SLOWEST_MS);
      }
    }
    if (parts().length) setTimeout(look, wait);
  }
  if (parts().length) setTimeout(look, wait);
})();
