// Through time: the slider asks the server for the same page as of another event, and shows it.

export function startAsOf({ enliven, tell }) {
  const form = document.getElementById("asof");
  if (!form) return;
  const range = document.getElementById("asof-range");
  const field = document.getElementById("asof-at");
  let timer = 0;
  let asked = null;

  const address = (at) => {
    const url = new URL(location.href);
    for (const name of ["after", "before", "offset"]) url.searchParams.delete(name);
    if (at === null) url.searchParams.delete("at");
    else url.searchParams.set("at", at);
    return url;
  };

  const show = async (at) => {
    asked?.abort();
    asked = new AbortController();
    const url = address(at);
    try {
      const answer = await fetch(url, { signal: asked.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["page", "sections"]) {
        const old = document.getElementById(id);
        const fresh = page.getElementById(id);
        if (old && fresh) old.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
      }
      document.body.className = page.body.className;
      for (const id of ["asof-state", "asof-time"]) {
        const fresh = page.getElementById(id);
        if (fresh) document.getElementById(id).replaceChildren(...fresh.childNodes);
      }
      history.replaceState(null, "", url);
      enliven(document.getElementById("page"));
      tell(`As of event ${at ?? form.dataset.head}, ${document.getElementById("asof-time").textContent}`);
    } catch (fault) {
      if (fault.name !== "AbortError") location.href = url;
    }
  };

  const soon = (at) => {
    field.value = at;
    clearTimeout(timer);
    timer = setTimeout(() => show(at), 90);
  };

  range.addEventListener("input", () => soon(range.value));
  for (const button of form.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const to = Number(range.value) + Number(button.dataset.step);
      if (to < 1 || to > Number(form.dataset.head)) return;
      range.value = to;
      soon(String(to));
    });
  }
}
