// Runs in each page before its own scripts: notes when the first picture is there, uses a control, notes when it has answered.
(() => {
  const seen = window.seen = {};
  const everything = function* (root) {
    for (const element of root.querySelectorAll("*")) {
      yield element;
      if (element.shadowRoot) yield* everything(element.shadowRoot);
    }
  };
  const isPicture = (element) => {
    const name = element.localName;
    if (!["img", "canvas", "svg"].includes(name) || element.closest("button, a")) return false;
    if (name === "img" && !(element.complete && element.naturalWidth)) return false;
    return element.getBoundingClientRect().width >= 40;
  };
  const sidebar = (name) => document.querySelector(`[data-testid=stSidebar] ${name}`);
  // What to use, what changes when it has answered ("": the script has run once more), how to use it.
  const control = (all) => {
    const pause = all.find((element) => element.localName === "button" && /Pause|Turn/.test(element.textContent));
    if (pause) return [pause, pause.textContent];
    const plus = sidebar("[data-testid=stNumberInputStepUp]:not([disabled])");
    if (plus) return [plus, all.find((element) => element.localName === "figcaption")?.textContent ?? ""];
    return [sidebar("button[role=radio][aria-checked=false]:not([disabled])"), ""];
  };
  const running = () => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "notRunning";
  const look = () => {
    const main = document.querySelector("[data-testid=stMain]");
    const all = main ? [...everything(main)] : [];
    const now = Math.round(performance.now());
    if (!seen.picture && all.some(isPicture)) seen.picture = now;
    const [found, state] = control(all);
    if (found && seen.used === undefined) {
      seen.used = now;
      seen.before = state;
      found.click();
    } else if (seen.used !== undefined && !seen.answers) {
      seen.ran ||= running() && now - seen.used > 50;
      if (state !== seen.before && state || seen.ran && !running()) seen.answers = now;
    }
    if (!seen.answers || !seen.picture) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
