// Measures contrast as WCAG 2.2 does (1.4.3 text, 1.4.11 marks), from what the browser computed. Returns what falls short.
(() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = color;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], alpha: a / 255 };
  };
  const over = (front, alpha, back) => front.map((value, index) => value * alpha + back[index] * (1 - alpha));
  const chain = (node) => (node === null ? [] : [node, ...chain(node.parentElement)]);
  const grey = (rgb) => Array(3).fill(0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]);

  function ground(node) {
    let color = [255, 255, 255];
    for (const each of chain(node).reverse().filter((one) => one instanceof HTMLElement)) {
      const { rgb, alpha } = rgba(getComputedStyle(each).backgroundColor);
      color = over(rgb, alpha, color);
    }
    return color;
  }

  function luminance(rgb) {
    const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  // `on`: the element whose ground is behind the colour.
  function ratio(color, node, on) {
    const back = ground(on);
    const { rgb, alpha } = rgba(color);
    const opacity = chain(node).reduce((all, each) => all * Number(getComputedStyle(each).opacity), 1);
    let pair = [over(rgb, alpha * opacity, back), back];
    if (chain(node).some((each) => getComputedStyle(each).filter.includes("grayscale"))) pair = pair.map(grey);
    const [light, dark] = pair.map(luminance).sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  const seen = (node) => node.getClientRects().length > 0 && !node.closest(".hidden, .skip:not(:focus)");
  const large = (style) => parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
  const short = [];
  let measured = 0;
  const measure = (what, color, node, on, least) => {
    measured += 1;
    const found = ratio(color, node, on);
    if (found < least) short.push(`${what}: ${found.toFixed(2)}, below ${least}`);
  };
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].filter((child) => child.nodeType === 3 && child.data.trim()).map((child) => child.data.trim()).join(" ");
    if (!words || !seen(node) || node.closest("title, noscript")) continue;
    const style = getComputedStyle(node);
    measure(words.slice(0, 40), node instanceof SVGElement ? style.fill : style.color, node, node, large(style) ? 3 : 4.5);
  }
  for (const node of document.querySelectorAll(".event, [class^=phase-]")) if (seen(node)) measure(node.getAttribute("class"), getComputedStyle(node).fill, node, node, 3);
  for (const node of document.querySelectorAll(".swatch:not(.unseen)")) if (seen(node)) measure(node.className, getComputedStyle(node).backgroundColor, node, node.parentElement, 3);
  for (const node of document.querySelectorAll("path.line")) if (seen(node)) measure(node.getAttribute("class"), getComputedStyle(node).stroke, node, node, 3);
  for (const node of document.querySelectorAll(".replica")) if (seen(node)) measure(node.className, getComputedStyle(node).borderTopColor, node, node.parentElement, 3);
  for (const node of document.querySelectorAll(".nodes > li, .brokers > li, .phases .reached")) {
    const style = getComputedStyle(node);
    if (seen(node) && !node.className.includes("past") && !node.className.includes("note")) measure(`edge of ${node.className}`, parseFloat(style.borderLeftWidth) > 2 ? style.borderLeftColor : style.borderTopColor, node, node.parentElement, 3);
  }
  return { short, measured };
})();
