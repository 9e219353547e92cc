// Brings what an element shows in line with what the server sent, and touches nothing that is already so: what has the
// focus keeps it, what is selected stays selected, nothing flashes. (Dash puts up a component's children anew at every
// change.) Nodes come as Dash components in JSON. Text becomes text nodes, attributes are a fixed list: names and
// messages can hold what they like, none of it becomes HTML.
(() => {
  "use strict";

  const TAGS = new Set(("A B BR BUTTON CODE DD DIV DL DT H1 H2 H3 HEADER I LABEL LI P SECTION SMALL SPAN STRONG TABLE TBODY "
    + "TD TH THEAD TIME TR UL").split(" "));
  const NAMES = { className: "class", tabIndex: "tabindex" };
  const PLAIN = /^(title|role|scope|type|data-[a-z-]+|aria-[a-z-]+)$/;
  const STYLES = { width: "width", maskImage: "mask-image", WebkitMaskImage: "-webkit-mask-image" };

  function flat(children, found = []) {
    if (Array.isArray(children)) children.forEach((child) => flat(child, found));
    else if (children !== null && children !== undefined && children !== false && children !== "") found.push(children);
    return found;
  }

  function attributes(props) {
    const found = {};
    for (const [name, value] of Object.entries(props)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "href") { if (/^\/(?!\/)/.test(value)) found.href = value; }
      else if (name === "disabled") found.disabled = "";
      else if (NAMES[name]) found[NAMES[name]] = String(value);
      else if (PLAIN.test(name)) found[name] = String(value);
    }
    return found;
  }

  function dress(element, props) {
    const wanted = attributes(props), before = element.eddyAttributes || {};
    for (const name of Object.keys(before)) if (!(name in wanted)) element.removeAttribute(name);
    for (const [name, value] of Object.entries(wanted)) if (before[name] !== value) element.setAttribute(name, value);
    element.eddyAttributes = wanted;
    const style = props.style || {}, text = JSON.stringify(style);
    if ((element.eddyStyle || "{}") === text) return;
    for (const [name, css] of Object.entries(STYLES)) {
      if (style[name]) element.style.setProperty(css, style[name]); else element.style.removeProperty(css);
    }
    element.eddyStyle = text;
  }

  function patch(parent, children) {
    const wanted = flat(children);
    wanted.forEach((node, k) => {
      let here = parent.childNodes[k];
      if (typeof node !== "object") {
        const text = String(node);
        if (here && here.nodeType === Node.TEXT_NODE) { if (here.data !== text) here.data = text; }
        else if (here) parent.replaceChild(document.createTextNode(text), here);
        else parent.append(document.createTextNode(text));
        return;
      }
      const tag = node.type === "Link" ? "A" : String(node.type).toUpperCase();
      if (!TAGS.has(tag)) throw new Error(`an element ${tag} is not foreseen`);
      if (!here || here.nodeName !== tag) {
        const fresh = document.createElement(tag);
        if (here) parent.replaceChild(fresh, here); else parent.append(fresh);
        here = fresh;
      }
      dress(here, node.props);
      patch(here, node.props.children);
    });
    while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
  }

  window.eddyPatch = patch;
})();
