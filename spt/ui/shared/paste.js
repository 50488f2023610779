export const MOST = 8_000_000; // bytes: what a message to the server may have, in base64

export const NONE = "There is no picture in the clipboard.";
export const CLOSED = "This browser lets no page read the clipboard by a button: press Ctrl+V (⌘V) instead.";
export const large = (bytes) => `The picture in the clipboard has ${(bytes / 1e6).toFixed(1)} MB, but at most ${MOST / 1e6} MB can be pasted: save it as a file and upload that.`;

/** Bytes as base64, by pieces: a call has not as many arguments as a picture has bytes. */
export const packed = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
};

const typing = (target) => target?.isContentEditable || (/^(INPUT|TEXTAREA)$/.test(target?.tagName) && !/^(range|checkbox|radio|button)$/.test(target.type));

export default function ({ parentElement, data, setTriggerValue }) {
  const button = parentElement.querySelector("button"), said = parentElement.querySelector(".said");
  button.hidden = !data.button;
  const take = async (file) => {
    if (!file) said.textContent = NONE;
    else if (file.size > MOST) said.textContent = large(file.size);
    else {
      said.textContent = "";
      setTriggerValue("pasted", packed(new Uint8Array(await file.arrayBuffer())));
    }
  };
  button.onclick = async () => {
    try {
      const items = await navigator.clipboard.read();
      const kinds = items.flatMap((item) => item.types.filter((type) => type.startsWith("image/")).map((type) => [item, type]));
      await take(kinds.length ? await kinds[0][0].getType(kinds[0][1]) : null);
    } catch {
      said.textContent = CLOSED;
    }
  };
  const pasted = (event) => {
    if (typing(event.composedPath?.()[0] ?? event.target)) return;
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file && !data.button) return; // text that is pasted beside all fields is nobody's
    event.preventDefault();
    take(file);
  };
  document.addEventListener("paste", pasted);
  return () => document.removeEventListener("paste", pasted);
}
