const VISIT = "visit";

/* Own the address bar: see address.py. What Python says of the page that is open replaces its entry of the history, or is a new one
   if a preset was opened; it is nothing if the person has gone Back or Forward, or to another page, in the meantime. */
export default function own(window) {
  const { history, location } = window;
  const root = new URL(window.__streamlit?.BACKEND_BASE_URL ?? "/", location.href).pathname;
  const page = () => location.pathname.slice(root.length).replaceAll("/", "");
  const visitOf = (said) => (said ?? "").split(".")[0];
  const state = { visit: visitOf(new URL(location.href).searchParams.get(VISIT)), opened: 0 };
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const write = (usual) => (data, title, address) => {
    const to = new URL(address ?? location.href, location.href), said = to.searchParams.get(VISIT);
    if (said === null) return usual(data, title, address);
    to.searchParams.delete(VISIT);
    if (to.pathname !== location.pathname) return usual(data, title, to.href);
    const [visit, opened, of] = said.split(".");
    if (visit !== state.visit || of !== page()) return;
    const isNew = Number(opened) > state.opened;
    state.opened = Number(opened);
    (isNew ? push : replace)(data, title, to.href);
  };
  history.pushState = write(push);
  history.replaceState = write(replace);
  window.addEventListener("popstate", () => {  // before Streamlit listens, as this script comes first
    state.visit = String(Date.now());
    const to = new URL(location.href);
    to.searchParams.set(VISIT, state.visit);
    replace(history.state, "", to.href);
  });
  return state;
}

if (globalThis.window) own(globalThis.window);
