// Parts of a page that follow work which goes on: [data-follow] is fetched again from this page's own address until the server sends it
// without that mark. What somebody has focused or opened stays as it is until they leave it.
"use strict";
(() => {
  const EVERY_MS = 2000, SLOWEST_MS = 30000;
  let wait = EVERY_MS;
  const parts = () => [...document.querySelectorAll("[data-follow][id]")];

  async function look() {
    if (!parts().length) return;
    if (document.hidden) return plan();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // Signed out, or led elsewhere: the page says so when it is loaded.
      if (!answer.ok || answer.redirected) return location.reload();
      wait = EVERY_MS;
      for (const part of parts()) {
        const now = page.getElementById(part.id);
        if (!now) return location.reload();
        if (part.contains(document.activeElement)) continue;
        if (part.innerHTML !== now.innerHTML || !now.hasAttribute("data-follow")) part.replaceWith(now);
      }
    } catch {
      wait = Math.min(wait * 2, SLOWEST_MS);
    }
    plan();
  }
  function plan() { setTimeout(look, wait); }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) wait = EVERY_MS; });
  if (parts().length) plan();
})();
