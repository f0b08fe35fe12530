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

/** Say above the page that what is shown is not what was asked for, or is of earlier; "" takes it back. */
export function lost(text) {
  const place = document.getElementById("lost");
  place.textContent = text;
  place.hidden = !text;
  document.body.classList.toggle("still", text !== "");
}

/** Parts of a page that come by themselves, each with a link in its place until then. */
export async function fetchFragments(root) {
  for (const place of root.querySelectorAll("[data-fragment]")) {
    const url = place.dataset.fragment;
    delete place.dataset.fragment;
    place.dataset.fetched = url;
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page.querySelector("[data-part]");
      if (part) place.replaceChildren(document.adoptNode(part));
      else leave(place, page.querySelector(".bad")?.textContent ?? `The server said ${answer.status}.`);
    } catch {
      leave(place, "The server does not answer.");
    }
  }
}

/** Why the link stays, and its page did not come. */
function leave(place, said) {
  const line = document.createElement("p");
  line.className = "fine";
  line.textContent = `It cannot be shown here: ${said}`;
  place.append(line);
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
startAsOf({ enliven, tell, lost });
startLive({ enliven, tell, lost });
