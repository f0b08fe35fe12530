// Figures that follow the books: parts marked data-live are fetched anew while the page is looked at,
// every so many milliseconds; those marked 0 only until nothing in them is still being worked out.

import { focusIn, showMoment } from "./asof.js";

const SOON = 500;
const FAILURES = 3; // in a row, until it is said that the figures stand still

const seen = new Map(); // of each pool: how many events it had, and when that was seen

/** Events a second, from what was seen before and is seen now. */
function rates(root, now) {
  for (const cell of root.querySelectorAll("[data-rate]")) {
    const name = cell.dataset.rate;
    const count = Number(cell.dataset.count);
    const before = seen.get(name) ?? [];
    before.push({ count, now });
    while (before.length > 2 && now - before[0].now > 10_000) before.shift();
    seen.set(name, before);
    const first = before[0];
    if (now - first.now < 900) continue;
    const rate = ((count - first.count) * 1000) / (now - first.now);
    cell.textContent = rate >= 100 ? Math.round(rate).toLocaleString("en") : rate.toFixed(1);
  }
}

function isBusy(part) {
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  const types = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  return selects || types;
}

/** After how many milliseconds a part is looked at again; 0: it stays. */
function pause(part) {
  return part.querySelector(".waiting") ? SOON : Number(part.dataset.live);
}

/** What a part says aloud when it changes: its verdict, and not its progress. */
function aloud(part) {
  return part.querySelector("[data-aloud]")?.dataset.aloud ?? "";
}

export function startLive({ enliven, tell, lost }) {
  rates(document, performance.now());
  let failures = 0;
  let seenAt = new Date();
  const failed = (said) => {
    failures += 1;
    if (failures === FAILURES) lost(`${said} The figures stand still since ${seenAt.toISOString().slice(11, 19)}Z.`);
  };
  const look = async () => {
    const parts = [...document.querySelectorAll("[data-live]")].filter(pause);
    if (parts.length === 0) return;
    const wait = Math.min(...parts.map(pause));
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) {
        failed(answer.redirected ? "You are signed out: load the page again." : `The server said ${answer.status}.`);
        return;
      }
      if (failures >= FAILURES) {
        lost("");
        tell("The figures follow the books again.");
      }
      failures = 0;
      seenAt = new Date();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const fresh = page.getElementById(part.id);
        if (!fresh || !part.isConnected || isBusy(part)) continue;
        const focus = focusIn(part);
        const said = aloud(part);
        const waited = part.querySelector(".waiting") !== null;
        const scrolls = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
        part.replaceWith(document.adoptNode(fresh));
        fresh.querySelectorAll(".scroll").forEach((one, place) => { one.scrollLeft = scrolls[place] ?? 0; });
        if (focus) fresh.querySelector(focus)?.focus();
        if (aloud(fresh) !== said) tell(aloud(fresh));
        rates(fresh, performance.now());
        enliven(fresh);
        if (waited && !fresh.querySelector(".waiting")) tell("The figures have been worked out.");
      }
      if (document.getElementById("asof")?.dataset.now === "true") showMoment(page);
    } catch {
      failed("The server does not answer.");
    }
  };
  const turn = async () => {
    for (;;) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  };
  turn();
}
