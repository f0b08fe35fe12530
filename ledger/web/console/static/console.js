// What the pages do without being asked anew: copy, look again, go through time, draw.

import { drawAll, redrawAll } from "./charts.js";
import { startAsOf } from "./asof.js";
import { startLive } from "./live.js";

document.documentElement.classList.add("scripted");

// A form that was refused leaves the browser at an address that can only be sent to.
const { here } = document.body.dataset;
if (here) history.replaceState(null, "", here + location.hash);

const told = document.getElementById("told");

/** Say something to people who listen to the page. */
export function tell(text) {
  told.textContent = text;
}

/** Parts of a page that come by themselves, each with a link in its place until then. */
export async function fetchFragments(root) {
  for (const place of root.querySelectorAll("[data-fragment]")) {
    const url = place.dataset.fragment;
    delete place.dataset.fragment;
    place.dataset.fetched = url;
    const answer = await fetch(url);
    if (!answer.ok) continue;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = page.querySelector("[data-part]");
    if (part) place.replaceChildren(document.adoptNode(part));
  }
}

/** Bring new content to life. */
export function enliven(root) {
  drawAll(root);
  fetchFragments(root);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const area = document.createElement("textarea");
    area.value = button.dataset.copy;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.classList.add("copied");
  tell(`${button.dataset.copy} copied`);
  setTimeout(() => button.classList.remove("copied"), 1200);
});

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

enliven(document);
startAsOf({ enliven, tell });
startLive({ enliven, tell });
