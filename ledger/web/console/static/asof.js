// Through time: the slider asks the server for the same page as of another event, and shows it.

/** Everything about the moment but the range itself, which may be held by a finger. */
const AROUND = ["asof-before", "asof-after"];

/** How to find again what has the focus, once its part was replaced. */
export function focusIn(part) {
  const active = document.activeElement;
  if (!active || !part.contains(active)) return null;
  if (active.id) return `#${CSS.escape(active.id)}`;
  if (active.dataset.step) return `[data-step="${active.dataset.step}"]`;
  const href = active.getAttribute("href");
  return href && `[href="${CSS.escape(href)}"]`;
}

function replace(part, fresh) {
  const focus = focusIn(part);
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
  if (focus) part.querySelector(focus)?.focus();
}

/** Show the moment that another page stands at; what somebody is using stays as it is. */
export function showMoment(page) {
  const form = document.getElementById("asof");
  const fresh = page.getElementById("asof");
  if (!form || !fresh) return;
  for (const name of ["action", "data-head", "data-at", "data-now"]) form.setAttribute(name, fresh.getAttribute(name));
  for (const id of AROUND) {
    const part = document.getElementById(id);
    if (!document.activeElement.matches("#asof-at") || !part.contains(document.activeElement)) replace(part, page.getElementById(id));
  }
  const range = document.getElementById("asof-range");
  const there = page.getElementById("asof-range");
  range.max = there.max;
  range.setAttribute("aria-valuetext", there.getAttribute("aria-valuetext"));
  if (!range.matches(":active")) range.value = there.value;
}

export function startAsOf({ enliven, tell, lost }) {
  const form = document.getElementById("asof");
  if (!form) return;
  const range = document.getElementById("asof-range");
  let timer = 0;
  let asked = null;

  const address = (at) => {
    const url = new URL(location.href);
    for (const name of ["after", "before", "offset"]) url.searchParams.delete(name);
    url.searchParams.set("at", at);
    return url;
  };

  const stay = (said) => {
    range.value = form.dataset.at;
    document.getElementById("asof-at").value = form.dataset.now === "true" ? "" : form.dataset.at;
    lost(`${said} The page still stands after event ${form.dataset.at}.`);
  };

  const show = async (at) => {
    asked?.abort();
    asked = new AbortController();
    const url = address(at);
    try {
      const answer = await fetch(url, { signal: asked.signal, headers: { Accept: "text/html" } });
      if (answer.redirected) {
        location.href = url; // to sign in again
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!page.getElementById("asof")) {
        stay(`The server said ${answer.status}.`);
        return;
      }
      for (const id of ["top", "page", "sections"]) {
        const old = document.getElementById(id);
        const fresh = page.getElementById(id);
        if (old && fresh) replace(old, fresh);
      }
      document.body.className = page.body.className;
      document.title = page.title;
      history.replaceState(null, "", url);
      showMoment(page);
      enliven(document.getElementById("page"));
      lost("");
      tell(`As of event ${at}, ${document.getElementById("asof-time").textContent}`);
    } catch (fault) {
      if (fault.name !== "AbortError") stay("The server does not answer.");
    }
  };

  const soon = (at) => {
    document.getElementById("asof-at").value = at;
    range.setAttribute("aria-valuetext", `event ${at} of ${range.max}`);
    clearTimeout(timer);
    timer = setTimeout(() => show(at), 90);
  };

  range.addEventListener("input", () => soon(range.value));
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    const to = Number(range.value) + Number(button.dataset.step);
    if (to < 1 || to > Number(range.max)) return;
    range.value = to;
    soon(String(to));
  });
}
