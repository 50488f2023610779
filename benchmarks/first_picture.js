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
  // What to use, and what changes when it has answered: [control, state, how to use it].
  const control = (all) => {
    const pause = all.find((element) => element.localName === "button" && /Pause|Turn/.test(element.textContent));
    if (pause) return [pause, pause.textContent, () => pause.click()];
    const plus = sidebar("[data-testid=stNumberInputStepUp]:not([disabled])");
    if (plus) return [plus, all.find((element) => element.localName === "img" || element.localName === "canvas")?.src, () => plus.click()];
    const quick = [...document.querySelectorAll("[data-testid=stSidebar] button[data-testid^=stBaseButton-segmented]:not([disabled])")].at(-1);
    if (quick && /experiments/.test(location.pathname)) return [quick, document.querySelector("[data-testid=stMain]").innerText, () => quick.click()];
    return [null];
  };
  const look = () => {
    const main = document.querySelector("[data-testid=stMain]");
    const all = main ? [...everything(main)] : [];
    const now = Math.round(performance.now());
    if (!seen.picture && all.some(isPicture)) seen.picture = now;
    const [found, state, use] = control(all);
    if (found && seen.used === undefined) {
      seen.used = now;
      seen.before = state;
      use();
    } else if (found && !seen.answers && state !== undefined && state !== seen.before) {
      seen.answers = now;
    }
    if (!seen.answers || !seen.picture) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
