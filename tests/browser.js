// What tests/browser.py asks of a page. Every function gives a list of what is wrong, each a line for a person.
"use strict";

const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));
const words = (element) => element.textContent.replace(/\s+/g, " ").trim().slice(0, 60);

function named(element) {
  const id = element.id ? `#${element.id}` : "";
  const kind = element.classList.length ? `.${Array.from(element.classList).join(".")}` : "";
  return `<${element.localName}${id}${kind}> '${words(element)}'`;
}

function unfold() {
  all("details").forEach((folded) => (folded.open = true));
}

// Whatever could be fetched from elsewhere, fetched or not: a preconnect is no request, and yet leaves the page.
function foreign() {
  const asking = "[src], [srcset], [poster], [background], object[data], link[href], base[href], image, use";
  const wrong = [];
  for (const element of all(asking)) {
    for (const name of ["src", "srcset", "poster", "background", "data", "href", "xlink:href"]) {
      const value = element.getAttribute(name);
      if (value && !/^(data:|#)/.test(value)) wrong.push(`${element.localName} has ${name}=${value.slice(0, 80)}`);
    }
  }
  for (const style of all("style")) {
    const found = style.textContent.match(/@import|url\((?!["']?(data:|#))[^)]{0,80}/);
    if (found) wrong.push(`a style has ${found[0]}`);
  }
  return wrong;
}

// Script that is not the page's own, and what could carry some.
function scripts(expected) {
  const wrong = [];
  if (document.scripts.length !== expected) wrong.push(`${document.scripts.length} scripts, not ${expected}`);
  const policy = document.querySelector("meta[http-equiv='Content-Security-Policy' i]");
  if (!policy || !/default-src 'none'/.test(policy.content)) wrong.push("no policy with default-src 'none'");
  else if (/unsafe/.test(policy.content)) wrong.push(`an unsafe policy: ${policy.content}`);
  all("iframe, frame, object, embed, form, base, applet, meta[http-equiv='refresh' i]").forEach((element) =>
    wrong.push(`${named(element)} has no place here`)
  );
  for (const element of all("*")) {
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) wrong.push(`${named(element)} has ${name}`);
      if (/^\s*javascript:/i.test(value)) wrong.push(`${named(element)} has ${name}=${value.slice(0, 40)}`);
      if (name === "style") wrong.push(`${named(element)} has a style of its own, which the policy refuses`);
    }
  }
  return wrong;
}

async function images() {
  unfold();
  const wrong = [];
  for (const image of document.images) {
    const which = `image '${image.alt.slice(0, 60)}' (${image.src.slice(0, 30)})`;
    await image.decode().catch(() => wrong.push(`${which} is broken`));
    if (image.complete && image.naturalWidth > 0 && image.getBoundingClientRect().width < 1)
      wrong.push(`${which} takes no room`);
    if (!image.alt.trim()) wrong.push(`${which} has no alternative text`);
  }
  return wrong;
}

function headings() {
  const wrong = [];
  let before = 0;
  for (const head of all("h1, h2, h3, h4, h5, h6")) {
    const level = Number(head.localName[1]);
    if (level > before + 1) wrong.push(`${named(head)} follows a heading of level ${before}`);
    if (!words(head)) wrong.push(`an empty ${head.localName}`);
    before = level;
  }
  const first = all("h1").length;
  if (first !== 1) wrong.push(`${first} h1, not one`);
  return wrong;
}

function tables() {
  const wrong = [];
  for (const table of all("table")) {
    const which = `table '${table.caption ? words(table.caption) : ""}'`;
    if (!table.caption || !words(table.caption)) wrong.push(`${which} has no caption`);
    const heads = all("th", table);
    if (!heads.some((head) => head.scope === "col")) wrong.push(`${which} has no th with scope=col`);
    heads.filter((head) => !["col", "row", "colgroup", "rowgroup"].includes(head.scope))
      .forEach((head) => wrong.push(`${which}: th '${words(head)}' has no scope`));
    all("thead th", table).filter((head) => !words(head)).forEach(() => wrong.push(`${which} has an empty th`));
    const widths = new Set(Array.from(table.rows, (row) => Array.from(row.cells).reduce((n, c) => n + c.colSpan, 0)));
    if (widths.size > 1) wrong.push(`${which} has rows of ${Array.from(widths).join(" and ")} cells`);
  }
  return wrong;
}

// Language, title, landmarks, ids and links within the page.
function structure() {
  const wrong = [];
  if (!document.documentElement.lang) wrong.push("no lang");
  if (!document.title.trim()) wrong.push("no title");
  if (document.compatMode !== "CSS1Compat") wrong.push("no doctype: quirks mode");
  if (!document.querySelector("meta[charset='utf-8' i]")) wrong.push("no meta charset: read as a guess");
  if (!document.querySelector("meta[name=viewport]")) wrong.push("no viewport: phones show it tiny");
  if (all("main").length !== 1) wrong.push(`${all("main").length} main, not one`);
  const ids = all("[id]").map((element) => element.id);
  new Set(ids.filter((id, place) => ids.indexOf(id) !== place)).forEach((id) => wrong.push(`id '${id}' twice`));
  all("[aria-labelledby], [aria-describedby]").forEach((element) =>
    `${element.getAttribute("aria-labelledby") ?? ""} ${element.getAttribute("aria-describedby") ?? ""}`
      .trim().split(/\s+/).filter((id) => !document.getElementById(id))
      .forEach((id) => wrong.push(`${named(element)} is named by '${id}', which is not there`))
  );
  all("a[href^='#']").map((link) => decodeURIComponent(link.hash.slice(1)))
    .filter((id) => id && !document.getElementById(id))
    .forEach((id) => wrong.push(`a link leads to '#${id}', which is not there`));
  all("a, button, summary").filter((each) => !words(each) && !each.ariaLabel)
    .forEach((each) => wrong.push(`a ${each.localName} without a name`));
  return wrong;
}

// Whatever sticks out at the right of the page; what scrolls by itself must be reached by the keyboard.
function overflow() {
  unfold();
  const wrong = [];
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const hides = (element) => scrolls(element) || /hidden|clip/.test(getComputedStyle(element).overflowX);
  if (document.scrollingElement.scrollWidth > width) {
    wrong.push(`the page is ${document.scrollingElement.scrollWidth} px wide in a window of ${width}`);
    for (const element of all("body *")) {
      const box = element.getBoundingClientRect();
      let inside = element.parentElement;
      while (inside && !hides(inside)) inside = inside.parentElement;
      if (!inside && box.width > 0 && box.right > width + 0.5)
        wrong.push(`${named(element)} reaches to ${Math.round(box.right)} px`);
    }
  }
  for (const element of all("body *")) {
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && scrolls(element)) {
      if (element.tabIndex < 0) wrong.push(`${named(element)} scrolls and cannot be reached by keyboard`);
      else if (element.matches("div, section") && !(element.role && (element.ariaLabel || element.hasAttribute("aria-labelledby"))))
        wrong.push(`${named(element)} scrolls and has no role and name`);
    }
  }
  return wrong;
}

// Words of ordinary length that go over two lines; only longer ones may be broken wherever there is room.
function broken() {
  unfold();
  const wrong = new Set();
  const range = document.createRange();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (element.closest("script, style") || !element.checkVisibility({ visibilityProperty: true })) continue;
    for (const found of walker.currentNode.data.matchAll(/(?<!\S)\p{L}{2,20}(?!\S)/gu)) {
      range.setStart(walker.currentNode, found.index);
      range.setEnd(walker.currentNode, found.index + found[0].length);
      const boxes = Array.from(range.getClientRects());
      if (boxes.some((box) => box.top >= boxes[0].bottom - 1)) wrong.add(`${named(element)}: '${found[0]}' is broken`);
    }
  }
  return Array.from(wrong);
}

// Text against what lies behind it: WCAG 2.2, success criterion 1.4.3.
function contrast() {
  unfold();
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const seen = new Map();
  const parse = (colour) => {
    if (!seen.has(colour)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      seen.set(colour, [r, g, b, a / 255]);
    }
    return seen.get(colour);
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = (colour) => {
    const [r, g, b] = colour.map((x) => x / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const probe = document.body.appendChild(document.createElement("div"));
  probe.style.backgroundColor = "Canvas"; // of the colour scheme that the page is in
  const paper = parse(getComputedStyle(probe).backgroundColor);
  probe.remove();
  const behind = (element) => {
    if (!element) return paper.slice(0, 3);
    const style = getComputedStyle(element);
    return over(parse(style.backgroundColor), behind(element.parentElement));
  };
  const wrong = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!walker.currentNode.data.trim() || element.closest("script, style") || !element.checkVisibility({ visibilityProperty: true }))
      continue;
    let opacity = 1;
    for (let each = element; each; each = each.parentElement) {
      opacity *= Number(getComputedStyle(each).opacity);
      if (getComputedStyle(each).backgroundImage !== "none") wrong.add(`${named(each)} has a picture behind text`);
    }
    const background = behind(element);
    const ink = parse(style.color);
    const colour = over([...ink.slice(0, 3), ink[3] * opacity], background);
    const [light, dark] = [luminance(colour), luminance(background)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < needed) wrong.add(`${named(element)} has a contrast of ${ratio.toFixed(2)}, ${needed} is needed`);
  }
  return Array.from(wrong);
}

// Every button in the head of a table, pressed twice.
function sorting(key) {
  unfold();
  const wrong = [];
  const number = (cell) => (cell.hasAttribute(key) ? parseFloat(cell.getAttribute(key)) : NaN);
  for (const table of all("table")) {
    const heads = Array.from(table.tHead?.rows[0]?.cells ?? []);
    const before = Array.from(table.tBodies[0].rows, words).sort().join("\n");
    heads.forEach((head, place) => {
      const button = head.querySelector("button");
      if (!button) return;
      for (const [direction, sign] of [["ascending", 1], ["descending", -1]]) {
        const which = `table '${words(table.caption)}' by '${words(head)}', ${direction}`;
        button.click();
        const told = heads.map((each) => each.getAttribute("aria-sort"));
        if (told.some((each, other) => each !== (other === place ? direction : null) && each !== "none"))
          wrong.push(`${which}: aria-sort says ${told}`);
        const rows = Array.from(table.tBodies[0].rows);
        if (rows.map(words).sort().join("\n") !== before) wrong.push(`${which}: other rows than before`);
        const cells = rows.map((row) => row.cells[place]);
        for (const [a, b] of cells.slice(1).map((cell, i) => [cells[i], cell])) {
          const [x, y] = [number(a), number(b)];
          const right = Number.isNaN(x) || Number.isNaN(y)
            ? Number.isNaN(y) && (!Number.isNaN(x) || sign * a.textContent.localeCompare(b.textContent) <= 0)
            : sign * (x - y) <= 0;
          if (!right) {
            wrong.push(`${which}: '${words(a)}' stands before '${words(b)}'`);
            break;
          }
        }
      }
    });
  }
  return wrong;
}

// What has the focus, and whether one sees it.
function focused() {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const box = element.getBoundingClientRect();
  return {
    name: named(element),
    visible: (ring || style.boxShadow !== "none") && box.right > 0 && box.bottom > 0 && box.top < innerHeight,
    sorts: element.matches("th button"),
    sorted: element.closest("th")?.getAttribute("aria-sort") ?? null,
    first: element.closest("table") ? words(element.closest("table").tBodies[0].rows[0]) : null,
  };
}
