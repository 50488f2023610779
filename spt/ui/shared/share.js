const SVG = "http://www.w3.org/2000/svg", FONT = "Helvetica, Arial, sans-serif", SIZE = 11, LINE = 15, MARGIN = 16;
const SCALE = 2; // pixels of a PNG to one of a figure
export const NOTHING = "This figure is not on the page now.";

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const shape = (tag, attributes, ...children) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

/** Words in lines that are at most so many characters wide. */
export const lines = (words, most) => words.split(" ").reduce((found, word) => {
  const last = found[found.length - 1];
  if (last && `${last} ${word}`.length <= most) found[found.length - 1] += ` ${word}`; else found.push(word);
  return found;
}, []);

/** A chart of the page (what Vega or plotly has drawn there) as one figure, on the colour of the page, with words below. */
export const figureOf = (chart, words, colours) => {
  const box = chart.getBoundingClientRect(), said = lines(words, Math.floor(box.width / 5.6));
  const width = Math.ceil(box.width) + 2 * MARGIN, height = Math.ceil(box.height) + LINE * said.length + 2 * MARGIN;
  const figure = shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words, "font-family": FONT },
    shape("rect", { width, height, fill: colours.ground }));
  for (const layer of chart.querySelectorAll("svg.main-svg, svg.marks, canvas")) {
    const at = layer.getBoundingClientRect();
    if (!at.width || !at.height) continue;
    const place = { x: MARGIN + at.left - box.left, y: MARGIN + at.top - box.top, width: at.width, height: at.height };
    if (layer.tagName.toLowerCase() === "canvas") { figure.append(shape("image", { ...place, href: layer.toDataURL() })); continue; }
    const copy = layer.cloneNode(true); // in a font that may be wider than the page's: nothing is to be cut off
    for (const [name, value] of Object.entries(place)) copy.setAttribute(name, value);
    copy.style.overflow = "visible";
    for (const cut of copy.querySelectorAll(".legend [clip-path]")) cut.removeAttribute("clip-path");
    figure.append(copy);
  }
  said.forEach((line, k) => figure.append(
    shape("text", { x: MARGIN, y: height - MARGIN - LINE * (said.length - 1 - k), "font-size": SIZE, fill: colours.text }, line)));
  return figure;
};

/** A figure that Python has drawn; one that fills what it stands in gets the size of its own units, and white ground. */
const parsed = (text) => {
  const figure = new DOMParser().parseFromString(text, "image/svg+xml").documentElement, [x, y, width, height] = figure.getAttribute("viewBox").split(" ");
  figure.setAttribute("width", width);
  figure.setAttribute("height", height);
  figure.prepend(shape("rect", { x, y, width, height, fill: "#ffffff" }));
  return figure;
};

const sourceOf = (picture) => {
  if (picture.svg) return parsed(picture.svg);
  const chart = document.querySelector(picture.selector);
  if (!chart) return null;
  const page = getComputedStyle(document.querySelector('[data-testid="stApp"]'));
  return figureOf(chart, picture.words, { ground: page.backgroundColor, text: page.color });
};

const asPng = async (file, width, height) => {
  const image = new Image(), url = URL.createObjectURL(file), canvas = element("canvas");
  await new Promise((done, failed) => { image.onload = done; image.onerror = failed; image.src = url; });
  URL.revokeObjectURL(url);
  [canvas.width, canvas.height] = [SCALE * width, SCALE * height];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};

const save = (file, name) => {
  const url = URL.createObjectURL(file);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
};

/** Into the clipboard; where a browser gives none to a page (over plain HTTP), by what is selected. */
export const copied = async (text, root) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { "aria-hidden": "true" });
    area.value = text;
    root.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};

const opened = new WeakSet(); // menus whose link has been given the keyboard: they stand at the end of the page, where Tab does not lead

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".share"), said = parentElement.querySelector(".said"), parts = parentElement.querySelector(".parts");
  const button = (text, label, press) => {
    const made = element("button", { type: "button", "aria-label": label }, text);
    made.onclick = press;
    return made;
  };
  const copies = (label, text) => {
    const made = button("Copy", label, async () => {
      await copied(text(), root);
      made.textContent = said.textContent = "Copied";
      setTimeout(() => { made.textContent = "Copy"; said.textContent = ""; }, 2500);
    });
    return made;
  };
  const part = (...children) => element("div", { class: "part" }, ...children);
  const link = () => {
    const field = element("input", { readonly: "", "aria-label": "Link to what is seen" }), address = () => (field.value = location.href);
    address();
    field.onfocus = () => { address(); field.select(); };
    const named = new URL(location.href).searchParams, notes = Object.entries(data.own).filter(([name]) => named.get(name));
    return [part(field, copies("Copy the link", address)), ...notes.map(([, words]) => element("p", { class: "note" }, words))];
  };
  const picture = (one) => part(element("span", {}, one.title), ...["PNG", "SVG"].map((kind) =>
    button(kind, `${one.title} as ${kind}`, async () => {
      const figure = sourceOf(one);
      said.textContent = figure ? "" : NOTHING;
      if (!figure) return;
      const file = new Blob([new XMLSerializer().serializeToString(figure)], { type: "image/svg+xml" });
      save(kind === "SVG" ? file : await asPng(file, Number(figure.getAttribute("width")), Number(figure.getAttribute("height"))),
        `${one.file}.${kind.toLowerCase()}`);
    })));
  said.textContent = "";
  parts.replaceChildren(...(data.kind === "link" ? link()
    : data.kind === "copy" ? [part(copies(data.label, () => data.text))] : data.pictures.map(picture)));
  if (data.kind === "link" && !opened.has(parentElement)) {
    opened.add(parentElement);
    parts.querySelector("input").focus({ preventScroll: true });
  }
}
