const MARK = "data-tour-point";
const KEYS = { PageDown: ".st-key-tour_next button", PageUp: ".st-key-tour_back button" };
const TOP = 70, PAUSE = 250, REST = 1500, TELEPHONE = 768;
const MOVES = ["wheel", "touchmove", "pointerdown"];
let last = null, stop = () => {};

/** How far to scroll so that what lies from top to bottom is seen between the upper edge and the strip (at low): not at all if it is;
    of what is too high for that, its beginning. */
export const distance = (top, bottom, low) => {
  if (top >= TOP && bottom <= low) return 0;
  return bottom - top <= low - TOP ? (top < TOP ? top - TOP : bottom - low) : top - TOP;
};

/* Mark what a step points at, wherever the page draws it anew, and bring it into view until the person scrolls or the page is at
   rest (on a telephone never: there the strip is above the page); in the presenter layout listen to the keys of remote controls.
   Called anew for every step. */
export default function ({ data }) {
  stop();
  const main = document.querySelector("[data-testid='stMain']"), app = document.querySelector("[data-testid='stApp']");
  let follows = data.step !== last && window.innerWidth > TELEPHONE, waiting = 0, resting = 0;
  last = data.step;
  const release = () => { follows = false; };
  const look = () => {
    waiting = 0;
    const found = data.selector ? [...document.querySelectorAll(data.selector)].find((each) => each.getClientRects().length) : null;
    for (const each of document.querySelectorAll(`[${MARK}]`)) if (each !== found) each.removeAttribute(MARK);
    found?.setAttribute(MARK, "");
    if (!follows || !main) return;
    if (!data.selector) main.scrollTo({ top: 0 });
    else if (found) {
      const { top, bottom } = found.getBoundingClientRect();
      const strip = document.querySelector(".st-key-tour")?.parentElement?.offsetHeight ?? 0;
      const by = distance(top, bottom, window.innerHeight - strip - 12);
      if (by) main.scrollBy({ top: by });
    }
    if (app?.dataset.testScriptState === "notRunning" && (found || !data.selector)) resting = setTimeout(release, REST);
  };
  const changed = () => { clearTimeout(resting); waiting ||= setTimeout(look, PAUSE); };
  const pressed = (event) => {
    const button = data.present && !event.ctrlKey && !event.altKey && !event.metaKey && KEYS[event.key];
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    document.querySelector(button)?.click();
  };
  const changes = new MutationObserver(changed);
  changes.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-test-script-state", "class"] });
  for (const kind of MOVES) document.addEventListener(kind, release, { capture: true, passive: true });
  document.addEventListener("keydown", pressed, true);
  changed();
  const own = () => {
    if (stop !== own) return;  // the next step's has begun before this one is taken away
    stop = () => {};
    changes.disconnect();
    clearTimeout(waiting);
    clearTimeout(resting);
    for (const kind of MOVES) document.removeEventListener(kind, release, true);
    document.removeEventListener("keydown", pressed, true);
    for (const each of document.querySelectorAll(`[${MARK}]`)) each.removeAttribute(MARK);
  };
  return (stop = own);
}
