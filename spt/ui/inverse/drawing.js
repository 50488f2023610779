export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".drawing");
  root.style.maxWidth = data.width + "px";
  if (root.dataset.svg !== data.svg) { root.innerHTML = data.svg; root.dataset.svg = data.svg; }
}
