const ARROWS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
const TENTH = "0.1", COARSE = 1;
const typing = (target) => target?.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName) && !/^(range|checkbox|radio|button)$/.test(target.type));

/** Where an arrow takes a slider of tenths of a degree; null for any other slider or key. */
export const moved = (slider, key, shift) => {
  if (slider?.type !== "range" || slider.step !== TENTH || !(key in ARROWS)) return null;
  const value = Number(slider.value) + ARROWS[key] * (shift ? Number(TENTH) : COARSE);
  return Math.min(Number(slider.max), Math.max(Number(slider.min), Math.round(10 * value) / 10));
};

/** Take a slider of Streamlit's to a value: nearly there as the browser does it, and by an arrow key the last tenth, which is what
    Streamlit hears. */
const step = (slider, value, key) => {
  const nearly = (value - ARROWS[key] * Number(TENTH)).toFixed(1);
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(slider, nearly);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
};

/** Let the keyboard reach what scrolls sideways: formulas, code and tables. */
export const reach = (page) => {
  for (const each of page.querySelectorAll(".katex-display, [data-testid='stCode'] pre, [data-testid='stTable'] > div")) {
    if (each.scrollWidth > each.clientWidth + 1) each.tabIndex = 0; else each.removeAttribute("tabindex");
  }
};

export default function ({ parentElement, data }) {
  const dialog = parentElement.querySelector("dialog"), opener = parentElement.querySelector(".open");
  const write = (tag, text, ...inside) => { const made = document.createElement(tag); made.textContent = text; made.append(...inside); return made; };
  const lists = ["symbols", "words"].map((name) => [name, parentElement.querySelector("dl." + name)]);
  const open = () => { // what is not open is not in the page: nobody finds a word of it there
    for (const [name, list] of lists) {
      list.replaceChildren(...data[name].flatMap(([symbol, words, meaning]) => symbol
        ? [write("dt", symbol), write("dd", "", write("b", words), write("span", meaning))]
        : [write("dt", words), write("dd", meaning)]));
    }
    dialog.showModal();
  };
  dialog.onclose = () => lists.forEach(([, list]) => list.replaceChildren());
  opener.onclick = open;
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  const pressed = (event) => {
    const target = event.composedPath?.()[0] ?? event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?" && !typing(target)) {
      event.preventDefault();
      dialog.open ? dialog.close() : open();
    }
    const ofStreamlit = event.isTrusted && target?.closest?.('[data-testid="stSlider"]');  // images have keys of their own
    const value = ofStreamlit ? moved(target, event.key, event.shiftKey) : null;
    if (value === null) return;
    event.preventDefault();
    event.stopPropagation();
    if (value !== Number(target.value)) step(target, value, event.key);
  };
  let waiting = 0;
  const look = () => { waiting ||= setTimeout(() => { waiting = 0; reach(document); }, 300); };
  const changes = new MutationObserver(look);
  changes.observe(document.body, { childList: true, subtree: true });
  addEventListener("resize", look);
  document.addEventListener("keydown", pressed, true);
  look();
  return () => {
    changes.disconnect();
    clearTimeout(waiting);
    removeEventListener("resize", look);
    document.removeEventListener("keydown", pressed, true);
  };
}
