// Figures that follow the books: parts marked data-live are fetched anew while the page is looked at,
// every so many milliseconds; those marked 0 only until nothing in them is still being worked out.

const SOON = 500;

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

/** The address of what has the focus, to give it back after the part was replaced. */
function focused(part) {
  const active = document.activeElement;
  return part.contains(active) ? active.getAttribute("href") : null;
}

export function startLive({ enliven, tell }) {
  rates(document, performance.now());
  const look = async () => {
    const parts = [...document.querySelectorAll("[data-live]")].filter(pause);
    if (parts.length === 0) return;
    const wait = Math.min(...parts.map(pause));
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const fresh = page.getElementById(part.id);
        if (!fresh || !part.isConnected || isBusy(part)) continue;
        const focus = focused(part);
        const waited = part.querySelector(".waiting") !== null;
        const scrolls = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
        part.replaceWith(document.adoptNode(fresh));
        fresh.querySelectorAll(".scroll").forEach((one, place) => { one.scrollLeft = scrolls[place] ?? 0; });
        if (focus) fresh.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus();
        rates(fresh, performance.now());
        enliven(fresh);
        if (waited && !fresh.querySelector(".waiting")) tell("The figures have been worked out.");
      }
    } catch {
      // The server is away for a moment: the next look may find it.
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
