// The large map, the region of it that is brushed, and the strokes that are painted on it. Both are one byte per pixel of
// the map: 1 inside of the region; the painted channel plus 1. They are sent as PNGs in `props.value`.
const find = (query) => element.querySelector(query);
const [viewport, stage, map, veil, size, paints] = [".viewport", ".stage", "img", "canvas", "input", ".paints"].map(find);
const [hint, tools, back, clear, keep, play] =
  [".hint", ".tools", "[data-back]", "[data-clear]", "[data-keep]", "[data-play]"].map(find);
const [asBefore, asPicture] = ["[data-before]", "[data-picture]"].map(find);
const [message, close] = [".message", "[data-close]"].map(find);
const kinds = [...element.querySelectorAll("[data-tool]")];
const zooms = [...element.querySelectorAll("[data-zoom]")];
const pen = veil.getContext("2d");
const PENDING = "segvae:pending", MOST = 8, PAST = 50;
let region = new Uint8Array(0), strokes = new Uint8Array(0), past = [], under = new Uint32Array(0);
let spot = null, tool = null, channel = 1, url = null, step = null, zoom = 1, fresh = true;
const wanted = { picture: false, before: false };

const radius = () => (size.value / 100) * Math.max(veil.width, veil.height);
const near = (x, y) => spot && Math.hypot(x - spot.x, y - spot.y) <= radius();
const colour = (number) => props.value.classes[number].colour;
const [some, painting] = [(array) => array.some(Boolean), () => ["paint", "fill", "eraser"].includes(tool)];

// What may not change is dimmed; strokes have the colours of their classes; a soft light is under the brush.
function draw() {
  const pixels = pen.createImageData(veil.width, veil.height);
  const bounded = some(region);
  region.forEach((inside, i) => {
    const lit = tool && near(i % veil.width, Math.floor(i / veil.width));
    if (strokes[i]) pixels.data.set([...colour(strokes[i] - 1), lit ? 190 : 255], 4 * i);
    else if (lit) pixels.data.set([255, 255, 255, 110], 4 * i);
    else if (bounded && !inside) pixels.data.set([12, 14, 24, 165], 4 * i);
  });
  pen.putImageData(pixels, 0, 0);
}

const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

function encoded(array, factor) {
  if (!some(array)) return "";
  const picture = canvasOf(veil.width, veil.height);
  const pixels = new ImageData(veil.width, veil.height);
  array.forEach((value, i) => pixels.data.set([factor * value, factor * value, factor * value, 255], 4 * i));
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return picture.toDataURL("image/png").split(",")[1];
}

// The pixels of an image, four bytes each.
async function pixelsOf(source) {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  const context = canvasOf(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, picture.width, picture.height).data;
}

function send() {
  const made = { region: encoded(region, 255), paint: encoded(strokes, 1) };
  props.value = { ...props.value, ...made };
  keep.hidden = !made.paint;
  back.disabled = !past.length;
  try {
    localStorage.setItem(PENDING, JSON.stringify({ ...made, map: url }));
  } catch { /* without storage, or with a full one, strokes do not survive a reload */ }
}

// Strokes on the same map before the page was loaded again.
async function remember() {
  let held = null;
  try {
    held = JSON.parse(localStorage.getItem(PENDING));
  } catch { return; }
  if (!held || held.map !== url || !(held.region || held.paint)) return;
  const read = async (png) => (png ? (await pixelsOf(`data:image/png;base64,${png}`)).filter((_, i) => i % 4 === 0) : null);
  const [was, painted] = [await read(held.region), await read(held.paint)];
  if (held.map !== url || past.length) return;
  if (was?.length === region.length) region = Uint8Array.from(was, (value) => (value ? 1 : 0));
  if (painted?.length === strokes.length) strokes = Uint8Array.from(painted);
  draw();
  send();
}

function begin() {
  past = [...past.slice(1 - PAST), { region: region.slice(), strokes: strokes.slice() }];
}

function stroke() {
  const [array, value] = { brush: [region, 1], unbrush: [region, 0], paint: [strokes, channel + 1], eraser: [strokes, 1] }[tool];
  array.forEach((_, i) => {
    if (near(i % veil.width, Math.floor(i / veil.width))) array[i] = value;
  });
  draw();
}

// Fills the area of one class around the spot, as it is seen: strokes count.
function fill() {
  const { width, height } = veil;
  const seen = (i) => {
    if (!strokes[i]) return under[i];
    const [red, green, blue] = colour(strokes[i] - 1);
    return (red << 16) | (green << 8) | blue;
  };
  const [x, y] = [[spot.x, width], [spot.y, height]].map(([at, end]) => Math.min(Math.max(Math.round(at), 0), end - 1));
  const [start, done] = [y * width + x, new Uint8Array(width * height)];
  const here = seen(start), waiting = [start];
  done[start] = 1;
  while (waiting.length) {
    const i = waiting.pop(), column = i % width;
    const ways = [[column > 0, -1], [column < width - 1, 1], [i >= width, -width], [i < width * (height - 1), width]];
    for (const [open, way] of ways) {
      if (!open || done[i + way] || seen(i + way) !== here) continue;
      done[i + way] = 1;
      waiting.push(i + way);
    }
  }
  done.forEach((inside, i) => { if (inside) strokes[i] = channel + 1; });
  draw();
}

const act = () => (tool === "fill" ? fill() : stroke());

// From the last spot to this one, so that a fast hand leaves no gaps.
function move(event) {
  const box = veil.getBoundingClientRect();
  const end = {
    x: ((event.clientX - box.left) / box.width) * veil.width - 0.5,
    y: ((event.clientY - box.top) / box.height) * veil.height - 0.5,
  };
  const start = spot ?? end;
  const moved = Math.hypot(end.x - start.x, end.y - start.y);
  const steps = event.buttons && tool !== "fill" ? Math.ceil(moved / Math.max(radius(), 1)) : 0;
  for (let number = 1; number <= steps; number++) {
    const share = number / steps;
    spot = { x: start.x + share * (end.x - start.x), y: start.y + share * (end.y - start.y) };
    stroke();
  }
  spot = end;
  draw();
}

function use(kind) {
  tool = tool === kind ? null : kind;
  spot = null;
  kinds.forEach((button) => button.setAttribute("aria-pressed", button.dataset.tool === tool));
  stage.classList.toggle("brushing", tool !== null);
  veil.tabIndex = tool ? 0 : -1;
  paints.hidden = !["paint", "fill"].includes(tool);
  if (painting() && wanted.picture) look("picture", asPicture);
  draw();
}

function choose(number) {
  channel = number;
  for (const button of paints.children) {
    const chosen = Number(button.dataset.channel) === channel;
    button.setAttribute("aria-checked", chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
}

function offer() {
  if (paints.children.length) return;
  props.value.classes.slice(1).forEach(({ title, colour }, i) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: title });
    button.setAttribute("role", "radio");
    button.dataset.channel = i + 1;
    button.style.setProperty("--colour", `rgb(${colour})`);
    button.addEventListener("click", () => choose(i + 1));
    paints.append(button);
  });
  choose(1);
}

// The map, or the one before, or their pictures, if there are any and the user wants to see them.
function stop() {
  const { picture, before, before_picture } = props.value;
  const past = wanted.before && Boolean(before), pictured = wanted.picture && Boolean(picture);
  const shown = past ? (pictured ? before_picture : before) : pictured ? picture : url;
  if (map.src !== shown) map.src = shown;
  map.alt = `the map${past ? " before the last step" : ""}${pictured ? " as a picture" : ""}`;
  stage.classList.toggle("picture", pictured);
  veil.hidden = past;
  play.textContent = "▶ Growth";
}

function look(way, button) {
  wanted[way] = !wanted[way];
  button.setAttribute("aria-pressed", wanted[way]);
  stop();
}

function enlarge(factor) {
  const [x, y] = [viewport.scrollLeft + viewport.clientWidth / 2, viewport.scrollTop + viewport.clientHeight / 2];
  const was = zoom;
  zoom = Math.min(Math.max(zoom * factor, 1), MOST);
  viewport.style.setProperty("--zoom", zoom);
  viewport.scrollTo((x * zoom) / was - viewport.clientWidth / 2, (y * zoom) / was - viewport.clientHeight / 2);
  viewport.tabIndex = zoom > 1 ? 0 : -1;
  zooms.forEach((button) => { button.disabled = button.dataset.zoom > 1 ? zoom === MOST : zoom === 1; });
}

// What Gradio says over the page in a corner, for some seconds, is said above the map instead, until the next answer.
function tell(text) {
  message.firstElementChild.textContent = text;
  message.hidden = !text;
  if (text) message.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

new MutationObserver((changes) => {
  for (const node of changes.flatMap((change) => [...change.addedNodes])) {
    const said = node.querySelector?.(".toast-message-text");
    if (said) tell(said.textContent.trim());
  }
}).observe(document.body, { childList: true, subtree: true });

// A region and strokes are for one step: after an edit they are gone, and another alternative keeps them.
function show() {
  const { map: latest, picture, before, height, width, step: now, growth, note } = props.value;
  tell(note);
  asPicture.hidden = !picture;
  asBefore.hidden = !before;
  stage.hidden = tools.hidden = !latest;
  hint.hidden = Boolean(latest);
  if (!latest) return;
  offer();
  if (step !== now || veil.width !== width || veil.height !== height) {
    [veil.width, veil.height, step, past] = [width, height, now, []];
    [region, strokes] = [new Uint8Array(width * height), new Uint8Array(width * height)];
    if (wanted.before) look("before", asBefore);
  }
  viewport.style.setProperty("--ratio", width / height);
  const changed = url !== latest;
  url = latest;
  stop();
  if (changed) {
    pixelsOf(latest).then((bytes) => {
      under = Uint32Array.from({ length: bytes.length / 4 }, (_, i) => (bytes[4 * i] << 16) | (bytes[4 * i + 1] << 8) | bytes[4 * i + 2]);
    });
    map.decode().then(() => viewport.scrollIntoView({ block: "nearest", behavior: "smooth" }), () => {});
  }
  if (growth) {
    map.src = growth;
    veil.hidden = true;
    play.textContent = "■ Stop";
  }
  draw();
  if (fresh) remember();
  else send();
  fresh = false;
}

kinds.forEach((button) => button.addEventListener("click", () => use(button.dataset.tool)));
clear.addEventListener("click", () => { begin(); region.fill(0); strokes.fill(0); draw(); send(); });
back.addEventListener("click", () => {
  if (past.length) ({ region, strokes } = past.pop());
  draw();
  send();
});
close.addEventListener("click", () => tell(""));
keep.addEventListener("click", () => trigger("keep"));
asPicture.addEventListener("click", () => look("picture", asPicture));
asBefore.addEventListener("click", () => look("before", asBefore));
zooms.forEach((button) => button.addEventListener("click", () => enlarge(Number(button.dataset.zoom))));
play.addEventListener("click", () => (play.textContent.includes("Stop") ? stop() : trigger("play")));
paints.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const count = paints.children.length;
  choose(((channel - 1 + moves[event.key] + count) % count) + 1);
  paints.children[channel - 1].focus();
});
veil.addEventListener("pointerdown", (event) => {
  if (!tool) return;
  veil.setPointerCapture(event.pointerId);
  spot = null;
  begin();
  move(event);
  act();
});
veil.addEventListener("pointermove", (event) => { if (tool) move(event); });
veil.addEventListener("pointerup", () => { if (tool) send(); });
veil.addEventListener("pointerleave", () => { spot = null; draw(); });
veil.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!tool || !(event.key in moves || event.key === " ")) return;
  event.preventDefault();
  spot ??= { x: veil.width / 2, y: veil.height / 2 };
  const [x, y] = moves[event.key] ?? [0, 0];
  const pace = Math.max(1, radius() / 2);
  spot = { x: Math.min(Math.max(spot.x + pace * x, 0), veil.width), y: Math.min(Math.max(spot.y + pace * y, 0), veil.height) };
  if (event.key === " ") { begin(); act(); send(); }
  draw();
});
enlarge(1);
watch("value", show);
show();
