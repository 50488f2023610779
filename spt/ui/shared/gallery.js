export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  if (root.dataset.name !== data.name) {
    root.dataset.name = data.name;
    root.replaceChildren(...data.pictures.map((picture, index) => {
      const button = document.createElement("button"), image = document.createElement("img");
      button.type = "button"; image.src = picture.url; image.alt = picture.caption; button.title = picture.caption;
      button.append(image);
      button.onclick = () => setTriggerValue("chosen", index);
      return button;
    }));
  }
  [...root.children].forEach((button, index) => {
    button.onclick = () => setTriggerValue("chosen", index);
    button.setAttribute("aria-pressed", String(index === data.chosen));
  });
}
