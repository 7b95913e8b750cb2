// Elements without markup: every string becomes a text node, so nothing that comes from outside is ever parsed.

const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

export const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);
export const byId = (id) => document.getElementById(id);

// Writes only what changed, so that selections, focus and screen readers are left alone.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const shown = new WeakMap();

// Calls `make` and shows what it returns within `node`, but only if `facts` differ from those of the last time.
export function fill(node, facts, make) {
  const key = JSON.stringify(facts);
  if (shown.get(node) === key) return;
  settle(node, [make()].flat(Infinity).filter(Boolean));
  shown.set(node, key);
}

// Makes the children of `node` those wanted, and leaves alone what is as it was: who reads, selects or has focus there stays.
function settle(node, wanted) {
  wanted.forEach((next, index) => {
    const now = node.childNodes[index];
    const wish = next instanceof Node ? next : document.createTextNode(String(next));
    if (now === undefined) node.append(wish);
    else if (now.nodeName !== wish.nodeName) now.replaceWith(wish);
    else if (wish instanceof Text) setText(now, wish.data);
    else adopt(now, wish);
  });
  while (node.childNodes.length > wanted.length) node.lastChild.remove();
}

function adopt(now, wish) {
  for (const { name } of [...now.attributes]) if (!wish.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of wish.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  settle(now, [...wish.childNodes]);
}

export function table(caption, heads, rows) {
  return h("table", null,
    h("caption", { class: "hidden" }, caption),
    h("thead", null, h("tr", null, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", null, rows));
}
