const VISIT = "visit";

/* Own the address bar: see address.py. What Streamlit writes there for a page that is open already replaces the entry of the
   history; it is a new one if a preset was opened, and nothing if the person has gone Back or Forward since. */
export function own(window) {
  if (window.sptAddress) return window.sptAddress;
  const { history, location } = window;
  const state = { visit: new URL(location.href).searchParams.get(VISIT) || "", opened: 0 };
  state.visit = state.visit.split(".")[0];
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const write = (usual) => (data, title, address) => {
    const to = new URL(address ?? location.href, location.href), said = to.searchParams.get(VISIT);
    if (said === null) return usual(data, title, address);
    const [visit, opened] = said.split(".");
    if (visit !== state.visit) return;
    to.searchParams.delete(VISIT);
    const isNew = Number(opened) > state.opened;
    state.opened = Number(opened);
    (isNew ? push : replace)(data, title, to.href);
  };
  history.pushState = write(push);
  history.replaceState = write(replace);
  let again = null;
  window.addEventListener("popstate", (event) => {
    if (event === again) return;
    state.visit = String(Date.now());
    const to = new URL(location.href);
    to.searchParams.set(VISIT, state.visit);
    replace(history.state, "", to.href);
    again = new Event("popstate");  // Streamlit has listened first, to the address without the number
    window.dispatchEvent(again);
  });
  window.sptAddress = state;
  return state;
}

export default function () { own(window); }
