export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".cells-dial");
  if (root.dataset.svg !== data.svg) { root.innerHTML = data.svg; root.dataset.svg = data.svg; }
  root.onclick = (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell) setTriggerValue("chosen", Number(cell.dataset.cell));
  };
}
