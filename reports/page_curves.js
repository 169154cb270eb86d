// The learning curves of a page, a panel per task: drawn when they come into view, zoomed by drag,
// wheel and keys, and read by pointing. `data`, `tags` and what calls all this are in page.js.

const SVG = "http://www.w3.org/2000/svg";

const wholeNumber = new Intl.NumberFormat("en");
const shortStep = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 5 });
const roughStep = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const shortValue = new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false });

const MARGIN = { left: 44, right: 10, top: 22, bottom: 36 };
const LEAST_DRAG = 8; // pixels; less is a click
const CLOSEST = 1 / 200; // of all steps is the most that can be zoomed in on

function shape(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Round numbers between two, about as many as asked for.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => (first + index) * step);
}

// A path through points; null begins a new part, and a point alone is a dot.
function path(steps, values, x, y) {
  let text = "";
  let pen = "M";
  steps.forEach((step, index) => {
    if (values[index] === null) return void (pen = "M");
    text += `${pen}${x(step).toFixed(1)},${y(values[index]).toFixed(1)}${pen === "M" ? "h0" : ""}`;
    pen = "L";
  });
  return text;
}

function bandPath({ steps, low, high }, x, y) {
  const parts = [[]];
  steps.forEach((_, index) => {
    if (low[index] === null || high[index] === null) parts.push([]);
    else parts.at(-1).push(index);
  });
  const along = (indices, values) => indices.map((i) => `${x(steps[i]).toFixed(1)},${y(values[i]).toFixed(1)}`);
  return parts
    .filter((indices) => indices.length > 1)
    .map((indices) => `M${[...along(indices, high), ...along(indices.toReversed(), low)].join("L")}Z`)
    .join("");
}

// The index of the value nearest to a step, among those that there are; -1: none.
function nearest({ steps, mean }, wanted) {
  let best = -1;
  steps.forEach((step, index) => {
    if (mean[index] === null) return;
    if (best < 0 || Math.abs(step - wanted) < Math.abs(steps[best] - wanted)) best = index;
  });
  return best;
}

class Panel {
  constructor(element) {
    this.element = element;
    this.tags = tags(element);
    this.curves = data.tasks[element.dataset.index].lines;
    this.end = Math.max(1, ...this.curves.map((curve) => curve.steps.at(-1) ?? 0));
    this.view = [0, this.end];
    this.choice = null;
    this.inSight = false;
    this.plot = element.querySelector(".plot");
    this.range = element.querySelector(".range");
    this.resetButton = element.querySelector(".reset");
    this.readout = Object.assign(document.createElement("div"), { className: "readout", hidden: true });
    this.readout.setAttribute("role", "status");
    this.picture = shape("svg", {
      tabindex: 0,
      role: "application",
      "aria-label": `Learning curves of ${element.dataset.task}. Arrows read values, plus and minus zoom, Escape shows all.`,
    });
    this.plot.append(this.picture, this.readout);
    this.listen();
  }

  show(choice) {
    this.choice = choice;
    this.drawn = false;
    this.leave();
    if (this.inSight) this.draw();
  }

  sight(inSight) {
    this.inSight = inSight;
    if (inSight && !this.drawn) this.draw();
  }

  get visible() {
    return this.curves.filter((curve) => this.choice.lines.has(curve.line));
  }

  // Smallest and largest value of what is seen; zero belongs to the whole picture.
  valueRange() {
    const whole = this.view[0] === 0 && this.view[1] === this.end;
    let [low, high] = whole ? [0, 0] : [Infinity, -Infinity];
    const extend = (steps, values) => steps.forEach((step, index) => {
      if (values[index] === null || step < this.view[0] || step > this.view[1]) return;
      low = Math.min(low, values[index]);
      high = Math.max(high, values[index]);
    });
    for (const { steps, mean, low: below, high: above, seeds } of this.visible) {
      [mean, below, above].forEach((values) => extend(steps, values));
      if (this.choice.seeds) seeds.forEach((seed) => extend(seed.steps ?? steps, seed.values));
    }
    if (!(low <= high)) [low, high] = [0, 1];
    const room = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
    return [whole && low === 0 ? 0 : low - room, high + room];
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (!width || !height) return;
    const [first, last] = this.view;
    const [low, high] = this.valueRange();
    const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    this.x = (step) => ((step - first) / (last - first)) * inner.width;
    this.y = (value) => inner.height - ((value - low) / (high - low)) * inner.height;
    this.inner = inner;
    this.mark = shape("g", { class: "mark" });
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.replaceChildren(
      this.axes(low, high),
      // An svg inside clips what reaches beyond the axes.
      shape("svg", { x: MARGIN.left, y: MARGIN.top, ...inner, class: "area" }, ...this.visible.map((curve) => this.line(curve))),
      shape("g", { transform: `translate(${MARGIN.left} ${MARGIN.top})` }, this.mark),
    );
    const whole = first === 0 && last === this.end;
    this.range.textContent = whole ? "" : `steps ${roughStep.format(first)} to ${roughStep.format(last)}`;
    this.resetButton.hidden = whole;
    this.drawn = true;
  }

  axes(low, high) {
    const { width, height } = this.inner;
    const group = shape("g", { class: "axes", transform: `translate(${MARGIN.left} ${MARGIN.top})` });
    for (const value of ticks(low, high, Math.max(2, Math.round(height / 36)))) {
      const y = this.y(value);
      group.append(shape("line", { class: "grid", x2: width, y1: y, y2: y }));
      group.append(shape("text", { class: "value", x: -6, y, dy: "0.32em" }, shortValue.format(value)));
    }
    for (const step of ticks(...this.view, Math.max(2, Math.round(width / 60)))) {
      const x = this.x(step);
      group.append(shape("line", { class: "tick", x1: x, x2: x, y1: height, y2: height + 4 }));
      group.append(shape("text", { class: "step", x, y: height + 16 }, shortStep.format(step)));
    }
    group.append(
      shape("line", { class: "base", x2: width, y1: height, y2: height }),
      shape("text", { class: "name", x: -MARGIN.left + 2, y: 10 - MARGIN.top }, data.tasks[this.element.dataset.index].unit),
      shape("text", { class: "name end", x: width, y: height + 31 }, "environment steps"),
    );
    return group;
  }

  line(curve) {
    const group = shape("g", { class: "line" });
    group.style.setProperty("--line", data.colours[curve.line]);
    group.append(shape("path", { class: "band", d: bandPath(curve, this.x, this.y) }));
    if (this.choice.seeds && curve.seeds.length > 1) {
      const seeds = curve.seeds.map((seed) => path(seed.steps ?? curve.steps, seed.values, this.x, this.y));
      group.append(shape("path", { class: "seeds", d: seeds.join("") }));
    }
    group.append(shape("path", { class: "mean", d: path(curve.steps, curve.mean, this.x, this.y) }));
    return group;
  }

  // --- Zoom ---

  zoom(first, last) {
    const least = this.end * CLOSEST;
    const middle = (first + last) / 2;
    const half = Math.max(last - first, least) / 2;
    const begin = Math.min(Math.max(middle - half, 0), this.end - least);
    this.view = half * 2 >= this.end ? [0, this.end] : [begin, Math.min(Math.max(middle + half, least), this.end)];
    this.leave();
    this.draw();
  }

  zoomAround(step, factor) {
    const [first, last] = this.view;
    this.zoom(step - (step - first) * factor, step + (last - step) * factor);
  }

  reset() {
    this.zoom(0, this.end);
  }

  stepAt(event) {
    const across = (event.clientX - this.picture.getBoundingClientRect().left - MARGIN.left) / this.inner.width;
    return this.view[0] + Math.min(Math.max(across, 0), 1) * (this.view[1] - this.view[0]);
  }

  listen() {
    this.resetButton.addEventListener("click", () => {
      this.reset();
      this.picture.focus({ preventScroll: true }); // the button is gone
    });
    this.element.querySelector(".enlarge").addEventListener("click", ({ currentTarget }) => {
      const large = this.element.classList.toggle("large");
      currentTarget.setAttribute("aria-pressed", large); // whoever watches its size redraws it
    });
    this.picture.addEventListener("dblclick", () => this.reset());
    this.picture.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.picture.addEventListener("keydown", (event) => this.key(event));
    this.picture.addEventListener("pointerdown", (event) => this.press(event));
    this.picture.addEventListener("pointermove", (event) => this.move(event));
    this.picture.addEventListener("pointerup", (event) => this.release(event));
    this.picture.addEventListener("pointercancel", () => this.drop());
    this.picture.addEventListener("pointerleave", () => this.leave());
    this.picture.addEventListener("blur", () => this.leave());
  }

  // The wheel scrolls the page, but in the panel that was clicked, or with Ctrl held, it zooms.
  wheel(event) {
    const widest = this.view[0] === 0 && this.view[1] === this.end;
    const wanted = event.ctrlKey || document.activeElement === this.picture;
    if (!wanted || (widest && event.deltaY > 0)) return;
    event.preventDefault();
    this.zoomAround(this.stepAt(event), 2 ** (Math.sign(event.deltaY) / 2));
  }

  press(event) {
    if (event.button !== 0) return;
    this.picture.focus({ preventScroll: true });
    this.picture.setPointerCapture(event.pointerId);
    this.pressed = { at: event.clientX, step: this.stepAt(event) };
  }

  move(event) {
    const step = this.stepAt(event);
    if (!this.pressed || Math.abs(event.clientX - this.pressed.at) < LEAST_DRAG) return this.point(step);
    const [from, to] = [this.pressed.step, step].sort((one, other) => one - other).map(this.x);
    this.readout.hidden = true;
    this.mark.replaceChildren(shape("rect", { class: "brush", x: from, width: to - from, height: this.inner.height }));
  }

  release(event) {
    const { pressed } = this;
    this.drop();
    if (!pressed || Math.abs(event.clientX - pressed.at) < LEAST_DRAG) return;
    this.zoom(...[pressed.step, this.stepAt(event)].sort((one, other) => one - other));
  }

  drop() {
    this.pressed = null;
    this.leave();
  }

  key(event) {
    const middle = this.at ?? (this.view[0] + this.view[1]) / 2;
    const does = {
      ArrowRight: () => this.walk(1),
      ArrowLeft: () => this.walk(-1),
      "+": () => this.zoomAround(middle, 0.5),
      "=": () => this.zoomAround(middle, 0.5), // + without Shift
      "-": () => this.zoomAround(middle, 2),
      Escape: () => this.reset(),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    does();
  }

  // --- Values ---

  // The next step, in either direction, at which a line has a value.
  walk(direction) {
    const steps = [...new Set(this.visible.flatMap(({ steps: all, mean }) => all.filter((_, i) => mean[i] !== null)))]
      .filter((step) => step >= this.view[0] && step <= this.view[1])
      .sort((one, other) => one - other);
    if (!steps.length) return;
    const from = this.at ?? (direction > 0 ? -Infinity : Infinity);
    const next = direction > 0 ? steps.find((step) => step > from) : steps.findLast((step) => step < from);
    this.point(next ?? from);
  }

  point(wanted) {
    const found = this.visible
      .map((curve) => ({ curve, index: nearest(curve, wanted) }))
      .filter(({ index }) => index >= 0);
    if (!found.length) return;
    const away = ({ curve, index }) => Math.abs(curve.steps[index] - wanted);
    const closest = found.reduce((one, other) => (away(other) < away(one) ? other : one));
    this.at = closest.curve.steps[closest.index];
    const x = this.x(this.at);
    this.mark.replaceChildren(shape("line", { class: "rule", x1: x, x2: x, y2: this.inner.height }));
    for (const { curve, index } of found) {
      const step = curve.steps[index];
      if (step < this.view[0] || step > this.view[1]) continue;
      const dot = shape("circle", { class: "line dot", cx: this.x(step), cy: this.y(curve.mean[index]), r: 3.5 });
      dot.style.setProperty("--line", data.colours[curve.line]);
      this.mark.append(dot);
    }
    this.tell(found, x);
  }

  tell(found, x) {
    const head = Object.assign(document.createElement("b"), { textContent: `${wholeNumber.format(this.at)} steps` });
    const rows = found.map(({ curve, index }) => {
      const row = document.createElement("div");
      const swatch = Object.assign(document.createElement("i"), { className: "swatch line" });
      swatch.style.setProperty("--line", data.colours[curve.line]);
      const step = curve.steps[index];
      const [mean, low, high] = [curve.mean, curve.low, curve.high].map((values) => values[index]);
      const band = low === null || high === null ? "" : ` [${shortValue.format(low)}, ${shortValue.format(high)}]`;
      const elsewhere = step === this.at ? "" : ` at ${wholeNumber.format(step)}`;
      const value = Object.assign(document.createElement("b"), { textContent: shortValue.format(mean) });
      row.append(swatch, `${data.lines[curve.line]} `, value, `${band}${elsewhere}`);
      return row;
    });
    this.readout.replaceChildren(head, ...rows);
    this.readout.hidden = false;
    this.readout.classList.toggle("left", x > this.inner.width / 2);
  }

  leave() {
    if (this.pressed) return;
    this.at = null;
    this.readout.hidden = true;
    this.mark?.replaceChildren();
  }
}
