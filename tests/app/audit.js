// Problems of the page in words: controls without a name or too small, and texts of a contrast below 4.5 to 1 (WCAG 2.2).
() => {
  const problems = [];
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = css;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  // The colour behind a node: those of its ancestors, over one another.
  const behind = (node) => {
    if (!node) return [255, 255, 255, 255];
    const own = rgba(getComputedStyle(node).backgroundColor), share = own[3] / 255;
    if (share === 1) return own;
    const under = behind(node.parentElement);
    return under.map((c, i) => share * own[i] + (1 - share) * c);
  };
  const seen = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const words = (node) => [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data).join("").trim();
  for (const node of document.querySelectorAll("body *:not(script, style)")) {
    const text = words(node);
    if (!text || !seen(node) || node.closest(":disabled")) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  for (const node of document.querySelectorAll("button, a, input, select, textarea, img, canvas")) {
    if (!seen(node)) continue;
    const tag = node.outerHTML.slice(0, 120);
    const labels = [...(node.labels ?? [])].map((label) => label.textContent.trim()).join("");
    const name = node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || node.textContent.trim() || node.title || labels;
    if (!name && !(node.tagName === "IMG" && node.hasAttribute("alt"))) problems.push(`no name: ${tag}`);
    const box = node.getBoundingClientRect();
    if (node.tagName === "BUTTON" && Math.min(box.width, box.height) < 24) problems.push(`small: ${tag}`);
  }
  if (!document.documentElement.lang) problems.push("no language");
  if (!document.title) problems.push("no title");
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one heading of the first rank");
  return problems;
}
