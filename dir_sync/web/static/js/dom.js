// Elements without a template language: h and s make them, show puts a new view in place of an old one and keeps what is the
// same, with focus, selection and scroll positions. No text ever becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else if (name === "value" || name === "checked" || name === "disabled") {
      element[name] = value;
      if (value === true) element.setAttribute(name, "");
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function show(container, ...children) {
  const fresh = document.createDocumentFragment();
  add(fresh, children);
  const hadFocus = container.contains(document.activeElement);
  morph(container, [...fresh.childNodes]);
  if (hadFocus && !container.contains(document.activeElement)) { // what had it is gone: the keyboard goes on close by
    (container.closest(".virtual") ?? document.getElementById("title"))?.focus({ preventScroll: true });
  }
}

const EVENTS = ["onclick", "onchange", "oninput", "onsubmit", "onkeydown", "ontoggle"];

function morph(container, fresh) {
  let old = container.firstChild;
  for (const node of fresh) {
    while (old && wanted(old, fresh) === false) old = drop(old);
    if (old && same(old, node)) {
      update(old, node);
      old = old.nextSibling;
    } else {
      const match = node.id ? [...container.children].find((one) => one.id === node.id && same(one, node)) : null;
      if (match) {
        container.insertBefore(match, old);
        update(match, node);
      } else container.insertBefore(node, old);
    }
  }
  while (old) old = drop(old);
}

// An element with an id that is not in the new view goes first, so that its neighbours keep their places.
function wanted(old, fresh) {
  return !old.id || fresh.some((node) => node.id === old.id);
}

function drop(old) {
  const next = old.nextSibling;
  old.remove();
  return next;
}

function same(old, node) {
  return old.nodeType === node.nodeType && old.nodeName === node.nodeName && (old.id ?? "") === (node.id ?? "");
}

function update(old, node) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.hasAttribute("data-own")) return;
  const isBusy = old.hasAttribute("data-busy"); // a button at work stays as it is until it is done
  const kept = isBusy ? ["open", "data-busy", "disabled"] : ["open"];
  for (const { name } of [...old.attributes]) if (!node.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
  for (const { name, value } of [...node.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const event of EVENTS) if (old[event] !== node[event]) old[event] = node[event];
  if (isBusy) old.wanted = node.disabled;
  else if ("disabled" in old && old.disabled !== node.disabled) old.disabled = node.disabled;
  if (old.nodeName === "PROGRESS") old.value = node.value;
  morph(old, [...node.childNodes]);
}
